"""Programs from Debian's packages that tests use: on PATH, or fetched into `.venv/<kind>`."""
