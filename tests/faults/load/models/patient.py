"""FasterTransformer's contract once more, for hundreds of slow streams at a time.

`llm` of the bench looks at each request twenty times a second, whether it is cancelled; two
thousand streams are then a processor's work.
"""

from __future__ import annotations

from tests.faults.bench.models import speech
from tests.faults.bench.models.fastertransformer import TritonPythonModel

__all__ = ["TritonPythonModel"]

# The program is in a process of its own.
speech.POLL_SECONDS = 0.5
