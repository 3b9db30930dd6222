"""What the benchmark raises when it cannot measure."""


class BenchmarkError(Exception):
    """Why nothing can be measured, in one sentence; the command line prints it."""
