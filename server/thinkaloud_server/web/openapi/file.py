"""What carries a file: a form as the body of an operation, and an answer that is the file itself."""

from __future__ import annotations

from typing import Any

from thinkaloud_server.web.download import ANY, HARMLESS
from thinkaloud_server.web.file import FileFace, head_of
from thinkaloud_server.web.form import FORM
from thinkaloud_server.web.openapi.comment import Comments
from thinkaloud_server.web.openapi.parameter import query_parameters
from thinkaloud_server.web.route import Route

# The first word is what tools of OpenAPI 3.0 know, the second JSON Schema's own.
_BINARY = {"type": "string", "format": "binary", "contentMediaType": ANY}


def form(route: Route, face: FileFace, comments: Comments) -> dict[str, Any]:
    """The body: the head's fields as a query would name them, and the file after them."""
    fields = {
        each["name"]: {**each["schema"], "description": each.get("description", "")}
        for each in query_parameters(head_of(route.method, face), comments, without=frozenset())
    }
    file = {**_BINARY, "description": "The file, after the fields; its part may say its name and type."}
    schema = {
        "type": "object",
        "properties": {**fields, face.part: file},
        "required": [face.part],
        "additionalProperties": False,
    }
    return {"required": True, "content": {FORM: {"schema": schema}}}


def answer(headers: dict[str, Any]) -> dict[str, Any]:
    """The file itself."""
    disposition = {"description": "`attachment`, with the file's name.", "schema": {"type": "string"}}
    return {
        "200": {
            "description": "The bytes of the file.",
            "headers": {**headers, "Content-Disposition": disposition},
            "content": {kind: {"schema": _BINARY} for kind in (ANY, *sorted(HARMLESS))},
        }
    }
