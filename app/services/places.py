"""A request's place among those of its model that run at once, and how long it waited for it."""

from __future__ import annotations

import time
from contextlib import ExitStack

from app.observability.metrics import request_queued
from app.observability.request_metrics import begin
from app.services.admission import Place
from app.services.catalogue import ServedModel
from app.types import RequestContext


def enter(model: ServedModel, context: RequestContext) -> Place:
    """A place, after those that came before. Raises as `Admission.enter`."""
    name, tally = model.spec.name, context.tally
    tally.asked_at = asked = time.monotonic()
    with ExitStack() as unless_entered:
        place = model.admission.enter(context.cancellation, context.deadline)
        unless_entered.enter_context(place)
        tally.placed_at = placed = time.monotonic()
        request_queued(name, placed - asked)
        begin(name, tally)
        unless_entered.pop_all()
    return place
