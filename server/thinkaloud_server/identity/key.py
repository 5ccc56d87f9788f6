"""The form of an API key: `tk_` and ten characters, which are its public id, `_`, and 32 random bytes in base 62.

Nothing is kept of a key but its id and an HMAC of its whole text with the server's pepper, so that neither the file of
keys nor the pepper alone is enough to try keys against. A slow hash would guard nothing more: there is no guessing 256
random bits.
"""

from __future__ import annotations

import hmac
import re
from typing import NamedTuple

PREFIX = "tk_"
# What is longer is no key, and nothing is computed of it.
KEY_BYTES_MAX = 512
_ID_BYTES = 16
RANDOM_BYTES = _ID_BYTES + 32
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_CHARS = 10
_SECRET_CHARS = 43  # 62**43 > 2**256
_PUBLIC_CHARS = len(PREFIX) + _ID_CHARS
_FORM = re.compile(f"{PREFIX}[0-9A-Za-z]{{{_ID_CHARS}}}_[0-9A-Za-z]{{{_SECRET_CHARS}}}")


class NewKey(NamedTuple):
    """A key, which is shown once, and its public id, which is a part of it."""

    text: str
    key_id: str


def new_key(random: bytes) -> NewKey:
    """The key of these 48 random bytes."""
    assert len(random) == RANDOM_BYTES
    key_id = PREFIX + _base62(random[:_ID_BYTES], _ID_CHARS)
    return NewKey(f"{key_id}_{_base62(random[_ID_BYTES:], _SECRET_CHARS)}", key_id)


def key_id_of(text: str) -> str:
    """The public id of what may be a key; some text that is nobody's id when it is none."""
    return text[:_PUBLIC_CHARS]


def is_formed(text: str) -> bool:
    """Whether it looks like a key that was made here."""
    return _FORM.fullmatch(text) is not None


def derived(pepper: bytes, purpose: str) -> bytes:
    """The secret for one purpose: what is signed for one is worth nothing for another."""
    return hmac.digest(pepper, f"thinkaloud {purpose}".encode(), "sha256")


def hashed(secret: bytes, text: str) -> bytes:
    """What is kept of a key; `secret` is `derived(pepper, "key")`."""
    return hmac.digest(secret, text.encode(), "sha256")


def pepper_name(pepper: bytes) -> str:
    """Tells one pepper from another, and nothing of either: keys made with another one are found by it."""
    return derived(pepper, "name").hex()[:16]


def _base62(data: bytes, chars: int) -> str:
    number = int.from_bytes(data) % 62**chars
    digits = []
    for _ in range(chars):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
