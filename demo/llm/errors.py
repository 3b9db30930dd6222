"""How FasterTransformer reports a failure."""


class ExecuteError(Exception):
    """A request the model cannot run; its text begins as FasterTransformer's errors do."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"FasterTransformer execute failure: [FT][ERROR] {reason}")
