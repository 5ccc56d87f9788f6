"""Where the endpoints of a configured base URL are."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from thinkaloud_server.providers.dialect import Endpoint


def chat_url(endpoint: Endpoint) -> str:
    """The URL to post a chat to. A base URL that already names it is taken as it is."""
    return _url(endpoint, endpoint.vendor.chat_path)


def models_url(endpoint: Endpoint) -> str:
    """The URL that lists the models."""
    return _url(endpoint, endpoint.vendor.models_path)


def _url(endpoint: Endpoint, path: str) -> str:
    vendor = endpoint.vendor
    base = urlsplit(endpoint.base_url)
    base_path = base.path.rstrip("/").removesuffix(vendor.chat_path) or urlsplit(vendor.base_url).path
    query = parse_qsl(base.query, keep_blank_values=True)
    for piece, name, value in vendor.query:
        if piece in base_path + "/" and name not in dict(query):
            query.append((name, value))
    return urlunsplit((base.scheme, base.netloc, base_path + path, urlencode(query), ""))
