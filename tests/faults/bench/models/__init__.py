"""The models of the bench, which run in Triton's Python stubs."""
