"""What is common to the HTTP requests of all dialects: headers, URLs, and JSON that is passed on verbatim."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import msgspec

from thinkaloud_server.core.errors import invalid
from thinkaloud_server.providers.dialect import Endpoint

# People copy it from examples, also where their vendor's own format has another.
_USUAL_CHAT_PATH = "/chat/completions"
_NO_FIELDS: Mapping[str, str] = MappingProxyType({})


def request_headers(endpoint: Endpoint, *, accept: str) -> tuple[tuple[str, str], ...]:
    """The headers of a request to this endpoint, of one with a body unless `accept` is plain JSON.

    Configured headers take the place of the vendor's, which take the place of ours.
    """
    headers = {"accept": accept}
    if accept != "application/json":
        headers["content-type"] = "application/json"
    if endpoint.api_key:
        name = endpoint.vendor.key_header
        headers[name] = f"Bearer {endpoint.api_key}" if name == "authorization" else endpoint.api_key
    headers.update(endpoint.vendor.headers)
    headers.update((name.lower(), value) for name, value in endpoint.headers)
    return tuple(headers.items())


def endpoint_url(endpoint: Endpoint, path: str, *, model: str = "", query: Mapping[str, str] = _NO_FIELDS) -> str:
    """The URL of this path under the endpoint's base URL; "{model}" in it becomes the model's name.

    A base URL that already ends with the chat's path, with the one that everybody knows, or with the beginning of a
    path ("/v1"), is taken without it.
    `query` is added where it is not there.
    """
    vendor = endpoint.vendor
    base = urlsplit(endpoint.base_url)
    base_path = base.path.rstrip("/").removesuffix(vendor.chat_path).removesuffix(_USUAL_CHAT_PATH)
    base_path = base_path or urlsplit(vendor.base_url).path.rstrip("/")
    given = parse_qsl(base.query, keep_blank_values=True)
    wanted = {name: value for piece, name, value in vendor.query if piece in base_path + "/"}
    for name, value in {**wanted, **query}.items():
        if name not in dict(given):
            given.append((name, value))
    base_path = _without_beginning(base_path, path)
    path = path.replace("{model}", quote(model, safe="/@"))
    return urlunsplit((base.scheme, base.netloc, base_path + path, urlencode(given), ""))


def _without_beginning(base_path: str, path: str) -> str:
    """The base without what `path` begins with; a path that the base ends with wholly is a place of its own."""
    base, steps = base_path.split("/"), path.split("/")[1:]
    for number in range(min(len(base), len(steps)) - 1, 0, -1):
        if base[-number:] == steps[:number]:
            return "/".join(base[:-number])
    return base_path


def json_object(field: str, text: str) -> msgspec.Raw:
    """JSON text, to be sent verbatim: parsed only to know that it is an object. Raises ChatError naming the field."""
    try:
        msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        raise invalid(field, "must be a JSON object") from None
    return msgspec.Raw(text.encode())
