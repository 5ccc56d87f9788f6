"""What an identity may do."""

from __future__ import annotations

import pytest

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.identity import ANYBODY, Identity, Scope


def identity(*scopes: str, models: tuple[str, ...] = ()) -> Identity:
    return Identity(tenant="t", key_id="k", scopes=frozenset(scopes), models=models)


@pytest.mark.parametrize(("has", "needs"), [((), "open"), (("read",), "read"), (("read", "chat"), "chat")])
def test_a_scope_that_the_caller_has_lets_it_in(has: tuple[str, ...], needs: Scope) -> None:
    identity(*has).check_scope(needs)


@pytest.mark.parametrize(("has", "needs"), [((), "read"), (("read",), "chat"), (("read", "chat"), "admin")])
def test_a_scope_that_is_missing_is_named(has: tuple[str, ...], needs: Scope) -> None:
    with pytest.raises(ChatError, match=f"needs the scope '{needs}'") as caught:
        identity(*has).check_scope(needs)
    assert caught.value.reason is ErrorReason.SCOPE_DENIED


@pytest.mark.parametrize(
    ("patterns", "model"),
    [((), "a/b"), (("a/*",), "a/b/c"), (("x/y", "a/b"), "a/b"), (("a/gpt-*",), "a/gpt-5")],
)
def test_a_model_that_a_pattern_takes_may_be_asked(patterns: tuple[str, ...], model: str) -> None:
    identity(models=patterns).check_model(model)


@pytest.mark.parametrize(
    ("patterns", "model"), [(("a/*",), "b/a/x"), (("a/b",), "a/bc"), (("a/b",), "A/B"), (("a/gpt-*",), "a/x")]
)
def test_another_model_is_refused_with_those_that_are_allowed(patterns: tuple[str, ...], model: str) -> None:
    with pytest.raises(ChatError, match="it may use") as caught:
        identity(models=patterns).check_model(model)
    assert caught.value.reason is ErrorReason.MODEL_NOT_ALLOWED


def test_a_caller_for_whom_no_model_is_left_is_told_so() -> None:
    with pytest.raises(ChatError, match="may not use any model of this server; it may use a/b"):
        identity(models=("a/b",)).check_model("")


def test_where_nobody_is_asked_everybody_may_do_everything() -> None:
    for scope in ("open", "read", "chat", "admin"):
        ANYBODY.check_scope(scope)
    ANYBODY.check_model("any/thing")
