"""One job from its tensors to its answers, for contracts whose messages are read in turn."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from typing import Any, Protocol

from app.backends.generation import GenerationJob
from app.backends.sending import Values
from app.backends.streamed_model import StreamedModel
from app.chunks import Tokens
from app.triton.contract import ModelContract


class JobReader(Protocol):
    """What Triton's messages mean for the continuations of one job."""

    def read(self, message: Any) -> Iterable[Tokens]:
        """What a message adds. Raises BackendError for one that breaks the contract."""

    def at_end(self) -> Iterable[Tokens]:
        """What is left when the stream ends. Raises BackendError if it ends without an answer."""

    @property
    def is_over(self) -> bool:
        """Whether nothing that can still come matters."""

    @property
    def has_ended_itself(self) -> bool:
        """Whether the model has stopped by itself where its answers end."""


Start = Callable[[ModelContract], tuple[Values, JobReader]]


def run_job(
    model: StreamedModel, job: GenerationJob, start: Start
) -> Generator[Tokens, None, None]:
    """The tokens of a job as they come.

    `start` makes its tensors and its reader, again if the model turns out to have changed.
    """
    readers: list[JobReader] = []

    def values(contract: ModelContract) -> Values:
        sent, reader = start(contract)
        readers[:] = [reader]
        return sent

    def has_ended(_: ModelContract) -> bool:
        return readers[0].has_ended_itself

    with closing(model.messages(job, values, has_ended)) as messages:
        for message in messages:
            if message is None:
                yield Tokens()
                continue
            reader = readers[0]
            yield from reader.read(message)
            if reader.is_over:
                return
    yield from readers[0].at_end()
