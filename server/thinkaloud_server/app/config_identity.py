"""[identity]: whether callers must say who they are, the pepper of their keys, and whose tokens are believed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from thinkaloud_server.app.config_section import Names, Secret, Section
from thinkaloud_server.core.identity import SCOPES
from thinkaloud_server.core.url import is_safe
from thinkaloud_server.identity.token import ALGORITHMS

PEPPER_CHARS_MIN = 16
_PEPPERS = ("pepper", "pepper_env", "pepper_file")
# What tenants of keys are called, too. Those of an issuer's callers hold a colon, which these cannot.
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
_ISSUER_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}\Z")


class IssuerSection(Section):
    """[identity.issuers.NAME]: who signs tokens (JWT), for what audience, and what is made of their claims."""

    issuer: str
    audience: Annotated[str, Field(min_length=1)]
    algorithms: Names = ("RS256", "ES256")
    jwks_url: str = ""
    tenant: str = ""
    tenant_claim: Annotated[str, Field(min_length=1)] = "sub"
    scope_claim: Annotated[str, Field(min_length=1)] = "scope"
    scope_prefix: str = ""
    default_scopes: Names = ()
    leeway_s: Annotated[float, Field(ge=0, le=60)] = 30.0
    ca_file: Path | None = None

    @field_validator("issuer", "jwks_url")
    @classmethod
    def _url(cls, url: str) -> str:
        if url and not is_safe(url):
            raise ValueError("expected an https URL without credentials (http on this machine alone)")
        return url

    @field_validator("algorithms")
    @classmethod
    def _asymmetric(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not names or set(names) - set(ALGORITHMS):
            raise ValueError(f"expected some of {', '.join(ALGORITHMS)}")
        return names

    @field_validator("tenant")
    @classmethod
    def _tenant(cls, tenant: str) -> str:
        if tenant and not _TENANT.match(tenant):
            raise ValueError("expected letters, digits, '-', '_' and '.', at most 64")
        return tenant

    @field_validator("default_scopes")
    @classmethod
    def _scopes(cls, scopes: tuple[str, ...]) -> tuple[str, ...]:
        if set(scopes) - set(SCOPES):
            raise ValueError(f"expected some of {', '.join(SCOPES)}")
        return scopes

    @model_validator(mode="after")
    def _whole(self) -> IssuerSection:
        if not self.issuer:
            raise ValueError("issuer is needed: the `iss` of its tokens")
        if self.tenant and self.tenant_claim != "sub":
            raise ValueError("has tenant and tenant_claim: keep one of them")
        return self


class IdentitySection(Section):
    """Without any of the three the pepper is a file that is made in the data directory."""

    required: bool = False
    pepper: Secret | None = None
    pepper_env: str | None = None
    pepper_file: Path | None = None
    issuers: dict[str, IssuerSection] = Field(default_factory=dict)

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

    @field_validator("issuers")
    @classmethod
    def _told_apart(cls, issuers: dict[str, IssuerSection]) -> dict[str, IssuerSection]:
        for name in issuers:
            if not _ISSUER_NAME.match(name):
                raise ValueError("an issuer is named by at most 32 lower-case letters, digits, '-', '_' and '.'")
        if len({each.issuer for each in issuers.values()}) < len(issuers):
            raise ValueError("two issuers have the same `issuer`: keep one of them")
        return issuers
