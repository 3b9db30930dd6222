"""The OpenAPI document."""

from __future__ import annotations

import re

from flask import Blueprint, Response, current_app

from app.schemas.openapi.document import document
from app.web.calls import current_server

blueprint = Blueprint("openapi", __name__)

ARGUMENT = re.compile(r"<[^>]*>")


@blueprint.get("/openapi.json")
def get_openapi() -> Response:
    """What the paths of this server take and answer."""
    settings, rules = current_server().settings, current_app.url_map.iter_rules()
    paths = frozenset(ARGUMENT.sub("{id}", rule.rule) for rule in rules)
    needs_key = settings.api_keys is not None or settings.api_keys_file is not None
    return Response(document(paths, needs_key=needs_key), mimetype="application/json")
