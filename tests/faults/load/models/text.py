"""The bench's model of the vLLM backend's contract, with patience."""

from __future__ import annotations

from tests.faults.bench.models import text
from tests.faults.bench.models.text import TextSpeech, TritonPythonModel
from tests.faults.load.models.patience import Patience

__all__ = ["TritonPythonModel"]


class PatientText(Patience, TextSpeech):
    """In the place of the bench's."""


text.TextSpeech = PatientText  # type: ignore[misc]  # what the model makes
