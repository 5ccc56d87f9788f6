"""The server's version, as its distribution says it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from thinkaloud.version import __version__ as client_version


def server_version() -> str:
    """The installed version; run from a source tree, that of the client beside it: they are released together."""
    try:
        return version("thinkaloud-server")
    except PackageNotFoundError:
        return client_version
