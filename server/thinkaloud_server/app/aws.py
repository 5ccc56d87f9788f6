"""Amazon's signature (SigV4), put on requests that carry no key: botocore signs, with credentials that it finds.

botocore is an extra and is imported only where a provider needs it. Its chain of credentials is the one of every
Amazon tool: variables, profiles, single sign-on, the role of a machine or a container.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from thinkaloud_server.app.config_load import ConfigError
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.providers.dialect import Endpoint, HttpRequest

if TYPE_CHECKING:
    import botocore.session

Sign = Callable[[HttpRequest], HttpRequest]

_REGION = re.compile(r"(?:^|\.)bedrock(?:-runtime)?(?:-fips)?\.([a-z0-9-]+)\.")


def signer_for(endpoint: Endpoint) -> Sign | None:
    """What signs this endpoint's requests; None for one that has a key, or is not Amazon's own.

    Raises ConfigError where a signature is needed and cannot be made.
    """
    vendor = endpoint.vendor
    has_key = endpoint.api_key or any(name.lower() == "authorization" for name, _ in endpoint.headers)
    host = (urlsplit(endpoint.base_url).hostname or "").lower()
    if not vendor.signed_for or has_key or not host.endswith(vendor.hosts):
        return None
    region = _REGION.search(host)
    if region is None:
        raise ConfigError(f"providers.{endpoint.provider}.base_url: no region can be read from {host}")
    try:
        import botocore.session
    except ImportError:
        raise ConfigError(
            f"providers.{endpoint.provider}: no key is given, and to sign requests with Amazon's credentials"
            " takes an extra: pip install 'thinkaloud-server[bedrock]'"
        ) from None
    return sigv4(botocore.session.Session(), vendor.signed_for, region[1])


def sigv4(session: botocore.session.Session, service: str, region: str) -> Sign:
    """Signs requests for this service and region. May wait: for a token that is renewed, for a machine's role."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.exceptions import BotoCoreError

    found: list[Any] = []
    lock = Lock()

    def credentials() -> Any:
        """Found once; botocore renews them by itself. Not found is asked for again: people log in later."""
        with lock:
            if not found and (those := session.get_credentials()) is not None:
                found.append(those)
            if not found:
                raise ChatError(ErrorReason.UPSTREAM_AUTH, "no key is configured and no Amazon credentials were found")
            return found[0].get_frozen_credentials()

    def sign(request: HttpRequest) -> HttpRequest:
        try:
            wire = AWSRequest(request.method, request.url, headers=dict(request.headers), data=request.body)
            SigV4Auth(credentials(), service, region).add_auth(wire)
        except BotoCoreError as error:
            why = type(error).__name__
            raise ChatError(ErrorReason.UPSTREAM_AUTH, f"Amazon's credentials cannot be used: {why}") from error
        headers = tuple((name.lower(), value) for name, value in wire.headers.items())
        return replace(request, headers=headers)

    return sign
