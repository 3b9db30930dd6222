"""The bench's model of FasterTransformer's contract, with patience."""

from __future__ import annotations

from tests.faults.bench.models import fastertransformer
from tests.faults.bench.models.fastertransformer import RowSpeech, TritonPythonModel
from tests.faults.load.models.patience import Patience

__all__ = ["TritonPythonModel"]


class PatientRow(Patience, RowSpeech):
    """In the place of the bench's."""


fastertransformer.RowSpeech = PatientRow  # type: ignore[misc]  # what the model makes
