"""Amazon's signature as its documentation has it, worked out anew: what a server of Amazon's would check.

Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import quote

ACCESS_KEY = "AKIDEXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def is_signed(method: str, path: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether this request, as it came over the wire, carries the signature that these keys make. No query."""
    found = re.fullmatch(
        rf"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/(\d{{8}})/([a-z0-9-]+)/([a-z]+)/aws4_request, "
        r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})",
        headers.get("authorization", ""),
    )
    if found is None:
        return False
    day, region, service, names, signature = found.groups()
    signed = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in names.split(";"))
    # Each step of the path is encoded once more than it is on the wire.
    canonical = "\n".join([method, quote(path, safe="/~"), "", signed, names, hashlib.sha256(body).hexdigest()])
    scope = f"{day}/{region}/{service}/aws4_request"
    words = ["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()]
    key = ("AWS4" + SECRET_KEY).encode()
    for step in (day, region, service, "aws4_request"):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    return hmac.new(key, "\n".join(words).encode(), hashlib.sha256).hexdigest() == signature
