"""Values that fit a JSON Schema, as a model would fill it: from the question where it can, else the simplest."""

from __future__ import annotations

import json
import re
from typing import Any

_DEPTH_MAX = 8
_FREE_TEXT = re.compile(r"query|text|question|message|prompt|content|input|expression", re.I)
_NAME = re.compile(r"(?<=\s)[A-Z][\w'-]+(?: [A-Z][\w'-]+)*")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "email": "somebody@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def arguments(schema: str, question: str) -> str:
    """JSON text of an object with the required fields of the schema; "{}" for a schema that is none."""
    try:
        parsed = json.loads(schema or "{}")
    except ValueError:
        return "{}"
    if not isinstance(parsed, dict):
        return "{}"
    value = _Example(parsed, question).of({"type": "object", **parsed}, "", 0)
    return json.dumps(value if isinstance(value, dict) else {}, ensure_ascii=False)


class _Example:
    def __init__(self, root: dict[str, Any], question: str) -> None:
        self._root = root
        self._question = question

    def of(self, schema: Any, name: str, depth: int) -> Any:
        """A value for this schema; beyond the depth, null."""
        if not isinstance(schema, dict) or depth > _DEPTH_MAX:
            return None
        schema = self._resolved(schema)
        for key in ("const", "default"):
            if key in schema:
                return schema[key]
        if choices := schema.get("enum"):
            return choices[0] if isinstance(choices, list) else None
        for key in ("anyOf", "oneOf", "allOf"):
            if isinstance(options := schema.get(key), list) and options:
                return self.of(options[0], name, depth + 1)
        match self._type(schema):
            case "object":
                return self._object(schema, depth)
            case "array":
                least = schema.get("minItems", 0)
                item = self.of(schema.get("items"), name, depth + 1)
                return [item] * min(least, 8) if isinstance(least, int) else []
            case "string":
                return self._string(schema, name)
            case "integer":
                return int(self._number(schema))
            case "number":
                return self._number(schema)
            case "boolean":
                return True
            case _:
                return None

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Follow one local reference, as "#/$defs/Place"; others stay unresolved and become null."""
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return schema
        found: Any = self._root
        for key in filter(None, reference.removeprefix("#").split("/")):
            found = found.get(key) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else {}

    @staticmethod
    def _type(schema: dict[str, Any]) -> Any:
        declared = schema.get("type", "object" if "properties" in schema else "string")
        return declared[0] if isinstance(declared, list) and declared else declared

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties")
        required = schema.get("required")
        if not isinstance(required, list):
            return {}
        if not isinstance(properties, dict):
            properties = {}
        return {name: self.of(properties.get(name, {}), name, depth + 1) for name in map(str, required)}

    def _string(self, schema: dict[str, Any], name: str) -> str:
        shape = schema.get("format")
        if isinstance(shape, str) and shape in _FORMATS:
            return _FORMATS[shape]
        names = _NAME.findall(self._question)
        text = self._question if _FREE_TEXT.search(name) or not names else names[-1]
        longest = schema.get("maxLength")
        return text[:longest] if isinstance(longest, int) else text

    def _number(self, schema: dict[str, Any]) -> int | float:
        found = _NUMBER.search(self._question)
        value: int | float = 1
        if found:
            value = float(found[0]) if "." in found[0] else int(found[0])
        least, most = schema.get("minimum"), schema.get("maximum")
        if isinstance(least, (int, float)) and value < least:
            value = least
        if isinstance(most, (int, float)) and value > most:
            value = most
        return value
