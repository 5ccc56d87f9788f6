"""The form of a key, and what is kept of it."""

from __future__ import annotations

import re
import secrets

import pytest

from thinkaloud_server.identity.key import RANDOM_BYTES, derived, hashed, is_formed, key_id_of, new_key, pepper_name


def test_a_key_shows_its_id_and_has_32_random_bytes_behind_it() -> None:
    text, key_id = new_key(secrets.token_bytes(RANDOM_BYTES))
    assert re.fullmatch(r"tk_[0-9A-Za-z]{10}_[0-9A-Za-z]{43}", text)
    assert text.startswith(f"{key_id}_")
    assert key_id_of(text) == key_id_of(key_id) == key_id
    assert is_formed(text)
    assert not any(map(is_formed, (text[:-1], text + "x", text + "\n", key_id, "", f"tk-{text[3:]}")))


@pytest.mark.parametrize("bit", [0, 7, 16 * 8, RANDOM_BYTES * 8 - 1])
def test_every_random_bit_of_the_secret_counts(bit: int) -> None:
    random = bytearray(secrets.token_bytes(RANDOM_BYTES))
    before = new_key(bytes(random)).text
    random[bit // 8] ^= 1 << (bit % 8)
    assert new_key(bytes(random)).text != before


def test_the_largest_and_the_smallest_secret_have_the_same_length() -> None:
    assert len(new_key(bytes(RANDOM_BYTES)).text) == len(new_key(b"\xff" * RANDOM_BYTES).text)


def test_a_hash_needs_the_key_and_the_pepper() -> None:
    text = new_key(bytes(RANDOM_BYTES)).text
    kept = hashed(derived(b"pepper", "key"), text)
    assert len(kept) == 32
    assert kept != hashed(derived(b"Pepper", "key"), text)
    assert kept != hashed(derived(b"pepper", "key"), text[:-1] + "1")


def test_what_is_derived_for_one_purpose_is_not_that_of_another() -> None:
    assert len({derived(b"pepper", purpose) for purpose in ("key", "session", "socket token", "name")}) == 4


def test_the_name_of_a_pepper_tells_it_from_others_and_does_not_tell_it() -> None:
    assert pepper_name(b"one pepper") == pepper_name(b"one pepper") != pepper_name(b"another")
    assert "pepper" not in pepper_name(b"one pepper")
