"""What every table of the settings is made of: no unknown keys, and secrets that never show."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


class Secret:
    """Text that never shows: its repr and str are `***`. `reveal()` is for the one place that sends it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "***"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls._checked)

    @classmethod
    def _checked(cls, value: object) -> Secret:
        if isinstance(value, Secret):
            return value
        if not isinstance(value, str):
            raise ValueError("expected text")  # noqa: TRY004 - pydantic collects ValueErrors
        return cls(value.strip())


class Section(BaseModel):
    """One table of the file: unknown keys are errors, and no error repeats a value (it may be a key)."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def from_json(value: object) -> object:
    """What is not text already, from the environment."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError("expected JSON text") from None


def _from_commas(value: object) -> object:
    """Lists from the environment: JSON, or words parted by commas."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    return from_json(text) if text.startswith("[") else [word.strip() for word in text.split(",") if word.strip()]


Names = Annotated[tuple[str, ...], BeforeValidator(_from_commas)]
