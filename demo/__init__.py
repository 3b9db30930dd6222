"""A real Triton with three small real models, so that the gateway answers without any other server.

`python -m demo` starts everything; `demo.triton.TritonServer` is the same Triton for tests. The
models run inside Triton's Python backend in an environment of their own, `demo/.venv`.
"""
