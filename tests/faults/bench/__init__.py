"""The fault bench: models that misbehave on request, a proxy that breaks connections, a gateway.

- `script.Script`: what one request asks of a language model, carried by its `seed`
- `repository.write_models`: the Triton models `llm`, `llm-bad`, `text-bad`, `embed`, ...
- `proxy.FaultProxy`: a TCP proxy that refuses, swallows, delays, cuts and corrupts
- `gateway.Gateway`: the server by its real command line, with what /proc knows of its workers
- `client`: calls and streams whose `Outcome` says how they ended, one by one or many at once
- `common.common_pass`: what must hold in every case, whatever is broken
- `record.Case`: the figures of a case, their bars, and the file that the report is made from
"""
