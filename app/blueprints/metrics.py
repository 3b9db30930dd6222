"""https://prometheus.io/docs/instrumenting/exposition_formats/"""

from __future__ import annotations

from flask import Blueprint, Response, abort

from app.observability.exposition import CONTENT_TYPE
from app.web.calls import current_server
from app.web.scraping import PATH, scrape

blueprint = Blueprint("metrics", __name__)


@blueprint.get(PATH)
def get_metrics() -> Response:
    """What the server does, in numbers; not here where they have an address of their own."""
    settings = current_server().settings
    if settings.metrics_bind is not None:
        abort(404)
    return Response(scrape(settings), content_type=CONTENT_TYPE)
