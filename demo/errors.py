"""What the demo raises when it cannot run."""


class DemoError(Exception):
    """Why the demo cannot run, in one sentence; the command line prints it and exits with 2."""
