"""Tokens that say by themselves whom they speak for."""

from __future__ import annotations

import pytest

from thinkaloud_server.core.identity import Allowance, Identity
from thinkaloud_server.identity.signed import (
    TOKEN_BYTES_MAX,
    Claim,
    Signer,
    SocketClaim,
    session_claim,
    session_token,
    socket_claim,
)

SIGNER = Signer(b"one secret")
OF_A_TOKEN = Identity(
    tenant="acme",
    key_id="https://issuer.example|alice",
    scopes=frozenset({"read", "chat"}),
    models=("openai/*", "demo/*"),
    allowance=Allowance(requests_per_minute=60, cost_usd_per_day=1.5),
    expires_at=2000.5,
)
CLAIMS = [Claim("tk_0123456789", 0.0), Claim(OF_A_TOKEN.key_id, 2000.5, OF_A_TOKEN)]


@pytest.mark.parametrize("claim", CLAIMS, ids=["key", "token"])
def test_what_was_signed_is_read_back(claim: Claim) -> None:
    assert session_claim(SIGNER, session_token(SIGNER, claim)) == claim
    socket = SocketClaim(claim, "/api/v1/chat/stream", 60.0, "n")
    assert socket_claim(SIGNER, SIGNER.sign(socket)) == socket


def test_a_token_with_any_character_changed_is_none() -> None:
    token = SIGNER.sign(SocketClaim(CLAIMS[1], "/p", 60.0, "n"))
    assert socket_claim(SIGNER, token)
    for at, character in enumerate(token):
        for other in "AB.-é":
            if other != character:
                assert socket_claim(SIGNER, token[:at] + other + token[at + 1 :]) is None


@pytest.mark.parametrize("token", ["", ".", "ts_", "a.b", "é", "x" * TOKEN_BYTES_MAX, "=.=", "\x00"])
def test_what_is_no_token_is_none(token: str) -> None:
    assert socket_claim(SIGNER, token) is None
    assert session_claim(SIGNER, f"ts_{token}") is None


def test_a_token_of_another_secret_is_none() -> None:
    assert session_claim(Signer(b"another secret"), session_token(SIGNER, CLAIMS[0])) is None


def test_a_token_that_says_something_else_is_none() -> None:
    assert socket_claim(SIGNER, SIGNER.sign(CLAIMS[0])) is None
    assert session_claim(SIGNER, SIGNER.sign(SocketClaim(CLAIMS[0], "/p", 1.0, "n"))) is None


def test_a_token_that_is_too_long_is_none() -> None:
    long = Signer(b"s").sign(Claim("k" * TOKEN_BYTES_MAX, 0.0))
    assert Signer(b"s").read(long) is None
