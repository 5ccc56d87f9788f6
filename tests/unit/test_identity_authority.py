"""What credentials are worth."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import pytest

from fakes.keys import FakeKeys, authority_of
from thinkaloud_server.core.errors import ChatError
from thinkaloud_server.core.identity import Identity
from thinkaloud_server.identity.authority import SESSION_S, SOCKET_TOKEN_S, Authority
from thinkaloud_server.identity.key import KEY_BYTES_MAX

PATH = "/api/v1/chat/stream"
NOW = 1000.0


class Clock:
    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> float:
        return self.at


class OneToken:
    """Satisfies identity.authority.TokenVerifier."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity

    async def verify(self, token: str) -> Identity:
        assert token == "a.b.c"
        return self.identity


ALICE = Identity(
    tenant="acme", key_id="https://issuer|alice", scopes=frozenset({"chat"}), models=("a/*",), expires_at=NOW + 90
)


def other_last(text: str) -> str:
    return text[:-1] + ("a" if text[-1] != "a" else "b")


async def refusal(authority: Authority, credential: str) -> tuple[str, str]:
    with pytest.raises(ChatError) as caught:
        await authority.identify(credential)
    return caught.value.reason.value, caught.value.message


async def test_a_key_is_its_caller() -> None:
    keys = FakeKeys()
    text = keys.make("read", tenant="acme")
    identity = await authority_of(keys).identify(text)
    assert (identity.tenant, identity.scopes) == ("acme", frozenset({"read"}))
    assert keys.uses == [identity.key_id]


async def test_a_key_of_another_pepper_is_nobodys() -> None:
    keys = FakeKeys()
    text = keys.make("read")
    (key,) = keys.kept.values()
    keys.kept[key.key_id] = replace(key, hash=bytes(32))
    assert (await refusal(authority_of(keys), text))[0] == "AUTH_INVALID"


def test_an_unknown_key_and_a_wrong_character_cost_the_same_work_and_say_the_same() -> None:
    keys = FakeKeys()
    known, unknown = keys.make("read"), FakeKeys().make("read")
    authority = authority_of(keys)

    def work(text: str) -> tuple[list[str], str]:
        done: list[str] = []

        def note(frame: Any, event: str, argument: Any) -> None:
            done.append(f"{event} {argument.__qualname__ if 'c_' in event else frame.f_code.co_qualname}")

        asked = authority.identify(text)
        sys.setprofile(note)
        try:
            asked.send(None)
        except ChatError as error:
            sys.setprofile(None)
            # Before it stands only what concerns the public id.
            return done[done.index("call Authority._of_key") :], str(error)
        raise AssertionError("was let in")

    refused = [work(text) for text in (unknown, other_last(known), known[:14] + other_last(known[14:]), "tk_", "tk_x")]
    assert all(each == refused[0] for each in refused)
    assert any("compare_digest" in each for each in refused[0][0])

    assert any("hmac_digest" in each for each in refused[0][0])
    far_too_long, said = work("tk_" + "x" * KEY_BYTES_MAX)
    assert said == refused[0][1]
    assert not any("digest" in each for each in far_too_long)


async def test_a_key_that_was_made_a_moment_ago_is_looked_for_and_let_in() -> None:
    keys, elsewhere = FakeKeys(), FakeKeys()
    text = elsewhere.make("read", tenant="acme")
    keys.beside = elsewhere.kept
    assert (await authority_of(keys).identify(text)).tenant == "acme"
    assert keys.looks == 1


async def test_only_an_unknown_id_is_looked_for_and_only_in_what_may_be_a_key() -> None:
    keys = FakeKeys()
    known, unknown = keys.make("read"), FakeKeys().make("read")
    authority = authority_of(keys)
    await authority.identify(known)
    for text in (other_last(known), known[:14] + unknown[14:], "tk_", unknown[:-1], unknown + "x", f"{unknown[:-1]}-"):
        assert (await refusal(authority, text))[0] == "AUTH_INVALID"
        assert keys.looks == 0
    assert (await refusal(authority, unknown))[0] == "AUTH_INVALID"
    assert keys.looks == 1


@pytest.mark.parametrize(
    "credential", ["", "x", "a.b.c", "ts_", "ts_x.y", "sk-1234", "TK_x", "tk_\x00", "ts_" + "x" * 20_000], ids=repr
)
async def test_what_is_no_credential_is_refused_alike(credential: str) -> None:
    assert await refusal(authority_of(FakeKeys()), credential) == ("AUTH_INVALID", "the credential is not valid")


async def test_a_revoked_and_an_expired_key_are_told_so_to_whoever_has_them_alone() -> None:
    keys, clock = FakeKeys(), Clock()
    authority = authority_of(keys, now=clock)
    text, brief = keys.make("read"), keys.make("read", expires_at=NOW + 1)
    await authority.identify(brief)
    clock.at = NOW + 1
    keys.revoke(text)
    assert (await refusal(authority, text))[0] == "AUTH_REVOKED"
    assert (await refusal(authority, brief))[0] == "AUTH_EXPIRED"
    for each in (text, brief):
        assert (await refusal(authority, other_last(each)))[0] == "AUTH_INVALID"


async def test_what_is_no_key_is_the_verifiers_to_judge() -> None:
    assert await authority_of(FakeKeys(), OneToken(ALICE)).identify("a.b.c") == ALICE


async def test_a_token_that_would_pass_for_a_key_is_refused() -> None:
    authority = authority_of(FakeKeys(), OneToken(replace(ALICE, key_id="tk_0123456789")))
    assert (await refusal(authority, "a.b.c"))[0] == "AUTH_INVALID"


# Sockets.


async def redeemed(authority: Authority, token: str, path: str = PATH) -> str:
    with pytest.raises(ChatError) as caught:
        await authority.redeem(token, path)
    return caught.value.reason.value


@pytest.mark.parametrize("by", ["key", "token"])
async def test_a_socket_token_opens_its_path_once_and_its_session_is_the_same_caller(by: str) -> None:
    keys, clock = FakeKeys(), Clock()
    authority = authority_of(keys, OneToken(ALICE), clock)
    caller = await authority.identify(keys.make("chat", tenant="acme") if by == "key" else "a.b.c")
    token, expires_at = await authority.socket_token(caller, PATH)
    assert expires_at == NOW + SOCKET_TOKEN_S
    assert await redeemed(authority, token, PATH + "/") == "WS_TOKEN_INVALID"
    assert await redeemed(authority, other_last(token)) == "WS_TOKEN_INVALID"
    assert await redeemed(authority, "") == "WS_TOKEN_INVALID"
    another_replica = authority_of(keys, None, clock)
    authorization, held = await another_replica.redeem(token, PATH)
    assert await redeemed(authority, token) == "WS_TOKEN_USED"
    scheme, _, credential = authorization.partition(" ")
    assert scheme == "Bearer"
    assert await authority.identify(credential) == held == replace(caller, expires_at=held.expires_at)
    assert held.expires_at == (NOW + SESSION_S if by == "key" else ALICE.expires_at)


async def test_a_socket_token_lives_for_a_minute_and_no_longer_than_what_it_was_made_from() -> None:
    keys, clock = FakeKeys(), Clock()
    authority = authority_of(keys, OneToken(replace(ALICE, expires_at=NOW + 5)), clock)
    brief, expires_at = await authority.socket_token(await authority.identify("a.b.c"), PATH)
    assert expires_at == NOW + 5
    token, _ = await authority.socket_token(await authority.identify(keys.make("chat")), PATH)
    clock.at = NOW + 5
    assert await redeemed(authority, brief) == "WS_TOKEN_INVALID"
    clock.at = NOW + 60
    assert await redeemed(authority, token) == "WS_TOKEN_INVALID"


async def test_a_session_ends_with_its_key_and_cannot_be_prolonged() -> None:
    keys, clock = FakeKeys(), Clock()
    authority = authority_of(keys, now=clock)
    text = keys.make("chat")
    token, _ = await authority.socket_token(await authority.identify(text), PATH)
    unused, _ = await authority.socket_token(await authority.identify(text), PATH)
    session = (await authority.redeem(token, PATH))[0].removeprefix("Bearer ")
    clock.at = NOW + SESSION_S - 1
    again, _ = await authority.socket_token(await authority.identify(session), PATH)
    longer, held = await authority.redeem(again, PATH)
    assert held.expires_at == NOW + SESSION_S
    clock.at = NOW + SESSION_S
    for each in (session, longer.removeprefix("Bearer ")):
        assert (await refusal(authority, each))[0] == "AUTH_EXPIRED"
    clock.at = NOW + 1
    keys.revoke(text)
    assert (await refusal(authority, session))[0] == "AUTH_REVOKED"
    assert await redeemed(authority, unused) == "AUTH_REVOKED"


async def test_a_session_is_no_socket_token_and_the_other_way_round() -> None:
    keys = FakeKeys()
    authority = authority_of(keys)
    token, _ = await authority.socket_token(await authority.identify(keys.make("chat")), PATH)
    assert (await refusal(authority, f"ts_{token}"))[0] == "AUTH_INVALID"
    session = (await authority.redeem(token, PATH))[0].removeprefix("Bearer ")
    assert await redeemed(authority, session.removeprefix("ts_")) == "WS_TOKEN_INVALID"


@pytest.mark.parametrize("by", ["key", "session"])
async def test_open_streams_of_a_revoked_key_end(by: str) -> None:
    keys = FakeKeys()
    authority, ended = authority_of(keys, OneToken(ALICE)), list[str]()
    text, other = keys.make("chat"), keys.make("chat")
    caller = await authority.identify(text)
    if by == "session":
        token, _ = await authority.socket_token(caller, PATH)
        _, caller = await authority.redeem(token, PATH)
    theirs = [await authority.identify(other), ALICE]
    with (
        authority.watch(caller, lambda error: ended.append(error.reason.value)),
        authority.watch(theirs[0], lambda error: ended.append("other")),
        authority.watch(theirs[1], lambda error: ended.append("token")),
    ):
        keys.revoke(text)
        assert ended == ["AUTH_REVOKED"]
