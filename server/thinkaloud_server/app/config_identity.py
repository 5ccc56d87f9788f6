"""[identity]: whether callers must say who they are, and the pepper that their keys are kept with."""

from __future__ import annotations

from pathlib import Path

from pydantic import field_validator, model_validator

from thinkaloud_server.app.config_section import Secret, Section

PEPPER_CHARS_MIN = 16
_PEPPERS = ("pepper", "pepper_env", "pepper_file")


class IdentitySection(Section):
    """Without any of the three the pepper is a file that is made in the data directory."""

    required: bool = False
    pepper: Secret | None = None
    pepper_env: str | None = None
    pepper_file: Path | None = None

    @field_validator("pepper")
    @classmethod
    def _long(cls, pepper: Secret | None) -> Secret | None:
        if pepper is not None and len(pepper.reveal()) < PEPPER_CHARS_MIN:
            raise ValueError(f"must have {PEPPER_CHARS_MIN} characters or more, that nobody can guess")
        return pepper

    @model_validator(mode="after")
    def _one_pepper(self) -> IdentitySection:
        given = [name for name in _PEPPERS if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"has {' and '.join(given)}: keep one of them")
        return self
