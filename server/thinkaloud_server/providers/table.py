"""What is known by name: dialects, and vendors by the URLs that people configure.

A vendor is recognised by its host; else by the name given to the provider, when that is a row's; else, on plain http,
by the port that a local server listens on by default; else it is generic.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import SplitResult, urlsplit

from thinkaloud_server.providers.dialect import Dialect
from thinkaloud_server.providers.openai_chat import OPENAI_CHAT
from thinkaloud_server.providers.vendor_rows import GENERIC, VENDORS
from thinkaloud_server.providers.vendors import Vendor

DIALECTS: Mapping[str, Dialect] = MappingProxyType({dialect.name: dialect for dialect in (OPENAI_CHAT,)})

VENDORS_BY_NAME: Mapping[str, Vendor] = MappingProxyType({vendor.name: vendor for vendor in (*VENDORS, GENERIC)})


def vendor_for(base_url: str, name: str = "", rows: tuple[Vendor, ...] = VENDORS) -> Vendor:
    """The row of the vendor behind this URL. `name` is the provider's configured name, or a row's."""
    url = urlsplit(base_url)
    found = next((row for row in rows if _at_host(row, url)), None)
    if found is None:
        found = next((row for row in rows if row.name == name), None)
    if found is None:
        found = next((row for row in rows if url.scheme == "http" and _port(url) in row.ports), None)
    return GENERIC if found is None else found


def discoverable(rows: tuple[Vendor, ...] = VENDORS) -> tuple[Vendor, ...]:
    """The rows that a key in the environment is enough for: those with a base URL and names of variables."""
    return tuple(row for row in rows if row.base_url and row.key_env)


def local(rows: tuple[Vendor, ...] = VENDORS) -> tuple[Vendor, ...]:
    """The rows of servers that may be running on this machine, without a key."""
    return tuple(row for row in rows if row.base_url and row.ports)


def _at_host(row: Vendor, url: SplitResult) -> bool:
    host = (url.hostname or "").lower().rstrip(".")
    if not any(host.endswith(known) if known.startswith(".") else host == known for known in row.hosts):
        return False
    return not row.paths or any(path in url.path for path in row.paths)


def _port(url: SplitResult) -> int | None:
    try:
        return url.port
    except ValueError:
        return None
