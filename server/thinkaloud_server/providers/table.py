"""What is known by name: dialects, and vendors by the URLs that people configure.

A vendor is recognised by its host; else by the name given to the provider, when that is a row's; else, on plain http,
by the port that a local server listens on by default; else it is generic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from urllib.parse import SplitResult, urlsplit

from thinkaloud_server.providers.anthropic_messages import ANTHROPIC_MESSAGES
from thinkaloud_server.providers.bedrock_converse import BEDROCK_CONVERSE
from thinkaloud_server.providers.cohere_v2 import COHERE_V2
from thinkaloud_server.providers.dialect import Dialect
from thinkaloud_server.providers.gemini import GEMINI
from thinkaloud_server.providers.ollama import OLLAMA
from thinkaloud_server.providers.openai_chat import OPENAI_CHAT
from thinkaloud_server.providers.openai_responses import OPENAI_RESPONSES
from thinkaloud_server.providers.rows import GENERIC, GENERICS, VENDORS
from thinkaloud_server.providers.vendors import Vendor

DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        dialect.name: dialect
        for dialect in (
            OPENAI_RESPONSES,
            ANTHROPIC_MESSAGES,
            GEMINI,
            OLLAMA,
            COHERE_V2,
            BEDROCK_CONVERSE,
            OPENAI_CHAT,
        )
    }
)


def vendor_for(base_url: str, name: str = "", dialect: str = "", rows: tuple[Vendor, ...] = VENDORS) -> Vendor:
    """The row of the vendor behind this URL. `name` is the provider's configured name, or a row's.

    With a `dialect` only its rows count; without, the one that the vendor speaks unasked is found.
    """
    url = urlsplit(base_url)
    rows = tuple(row for row in rows if (row.dialect == dialect if dialect else not row.alternate))
    # A row that is narrowed to a path knows more of the URL than one that is not.
    rows = tuple(sorted(rows, key=lambda row: not row.paths))
    if dialect and url.path in ("", "/"):
        # Its path is then the one of the row's own base URL.
        rows = tuple(replace(row, paths=()) if row.base_url and row.paths else row for row in rows)
    found = next((row for row in rows if _at_host(row, url)), None)
    if found is None:
        found = _named(name, url, rows, dialect)
    if found is None and dialect:
        # Asked for by name, a dialect is found at its vendor's host whatever the path.
        found = next((row for row in rows if _is_host(row, url)), None)
    if found is None:
        found = next((row for row in rows if url.scheme == "http" and _at_port(row, url)), None)
    return GENERICS[dialect or GENERIC.dialect] if found is None else found


def vendor_named(name: str, dialect: str = "") -> Vendor:
    """The row of this name, in this dialect or in the vendor's own. Raises KeyError."""
    for row in (*VENDORS, *GENERICS.values()):
        if row.name == name and (row.dialect == dialect if dialect else not row.alternate):
            return row
    raise KeyError(name)


def discoverable(rows: tuple[Vendor, ...] = VENDORS) -> tuple[Vendor, ...]:
    """The rows that a key in the environment is enough for: those with a base URL and names of variables."""
    return tuple(row for row in rows if row.base_url and row.key_env and not row.alternate)


def local(rows: tuple[Vendor, ...] = VENDORS) -> tuple[Vendor, ...]:
    """The rows of servers that may be running on this machine, without a key."""
    there = [row for row in rows if row.base_url and row.ports and not row.alternate]
    # Where one server speaks two formats, the first row is the one that it is asked in.
    return tuple({row.ports: row for row in reversed(there)}.values())[::-1]


def _named(name: str, url: SplitResult, rows: tuple[Vendor, ...], dialect: str) -> Vendor | None:
    """The row of this name, for a URL that is not the vendor's own: proxies and stand-ins speak what most speak."""
    named = [row for row in rows if row.name == name]
    found = next((row for row in named if _at_path(row, url)), named[-1] if named else None)
    if found is None or dialect:
        return found
    compatible = (row for row in VENDORS if row.name == name and row.alternate and row.dialect == GENERIC.dialect)
    return next(compatible, found)


def _at_host(row: Vendor, url: SplitResult) -> bool:
    return _is_host(row, url) and _at_path(row, url)


def _is_host(row: Vendor, url: SplitResult) -> bool:
    host = (url.hostname or "").lower().rstrip(".")
    return any(host.endswith(known) if known.startswith(".") else host == known for known in row.hosts)


def _at_path(row: Vendor, url: SplitResult) -> bool:
    return not row.paths or any(path in url.path for path in row.paths)


def _at_port(row: Vendor, url: SplitResult) -> bool:
    return _port(url) in row.ports and _at_path(row, url)


def _port(url: SplitResult) -> int | None:
    try:
        return url.port
    except ValueError:
        return None
