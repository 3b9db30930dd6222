"""What the server costs, measured beside its peers on one machine in one run.

The harness uses the standard library and the tokenizers of the server's own environment.
`scenarios` says what is asked of whom, `fleet` and `generators` start who is asked and who asks,
`runner` measures, `results` keeps the figures of every run, and everything after that (`bars`,
`report`, `document`) reads those alone.
"""
