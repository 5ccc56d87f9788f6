"""What schemathesis must know of this server beyond its document; SCHEMATHESIS_HOOKS names this file."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import schemathesis
from schemathesis.core.failures import AcceptedNegativeData

# They fail or wait on purpose, and would be taken for a server that does. schemathesis finds their names in listings.
_BAD_DAYS = {f"demo/{name}" for name in ("slow", "error-before", "error-mid", "truncated", "empty", "rate-limited")}
_GOOD_DAY = "demo/plain"


@schemathesis.hook  # type: ignore[untyped-decorator]  # not installed where types are checked
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """No request names a model of bad days. A filter would not see every case: this does."""
    for part in ("body", "query"):
        value = getattr(case, part)
        # To set a part, even to what it is, makes it another for schemathesis.
        if (good := _good(value)) != value:
            setattr(case, part, good)


@schemathesis.hook  # type: ignore[untyped-decorator]  # not installed where types are checked
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """A field that is null is an absent one, as in protobuf's JSON mapping; to write so at each field would help nobody
    who reads. So a body is held to be wrong only where it is wrong without its nulls as well."""
    if not isinstance(failure, AcceptedNegativeData):
        return True
    bare = _without_nulls(case.body)
    if bare == case.body:
        return True
    raw = case.operation.schema.raw_schema
    content = raw["paths"][case.operation.path][case.operation.method.lower()]["requestBody"]["content"]
    schema = {**content[case.media_type]["schema"], "components": raw["components"]}
    return not jsonschema_rs.validator_for(schema).is_valid(bare)


def _good(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _good(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_good(each) for each in value]
    return _GOOD_DAY if isinstance(value, str) and value in _BAD_DAYS else value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    return [_without_nulls(each) for each in value] if isinstance(value, list) else value
