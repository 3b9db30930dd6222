"""Reference results for the demo's models, computed once with other implementations."""
