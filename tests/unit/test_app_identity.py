"""What knows who calls: the pepper, the file of keys, and what whoever starts the server is told."""

from __future__ import annotations

import stat
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fakes.certified import Certified
from fakes.issuer import FakeIssuer
from thinkaloud_server.app.config import Config
from thinkaloud_server.app.config_load import ConfigError
from thinkaloud_server.app.identity import Admission, admission, make_key, open_keys, pepper_of
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.identity import Identity


def configured(data_dir: Path, **identity: Any) -> Config:
    tree = {"identity": {"required": True, **identity}, "store": {"data_dir": data_dir}}
    return Config.model_validate(tree)


def made(config: Config, *, expires_at: float = 0.0) -> str:
    identity = Identity("acme", "", frozenset({"read"}), expires_at=expires_at)
    return make_key(config, {}, name="n", identity=identity).text


@asynccontextmanager
async def admitted(config: Config) -> AsyncIterator[Admission]:
    async with AsyncExitStack() as stack:
        yield await admission(config, {}, stack)


async def reason(admission: Admission, credential: str) -> str:
    assert admission.authority is not None
    with pytest.raises(ChatError) as caught:
        await admission.authority.identify(credential)
    return caught.value.reason.value


async def test_where_nobody_is_asked_nothing_is_made(tmp_path: Path) -> None:
    async with admitted(configured(tmp_path / "data", required=False)) as found:
        assert found == Admission()
    assert not (tmp_path / "data").exists()


async def test_a_made_key_is_known_and_the_pepper_is_a_secret(tmp_path: Path) -> None:
    config = configured(tmp_path)
    text = made(config)
    async with admitted(config) as found:
        assert found.authority is not None
        assert (await found.authority.identify(text)).tenant == "acme"
        assert found.notes == ()
        assert found.secrets == (pepper_of(config, {}).decode(),)
        assert found.page_key


async def test_a_server_without_a_key_says_how_to_make_one(tmp_path: Path) -> None:
    config = configured(tmp_path)
    made(config, expires_at=1.0)
    with open_keys(config) as file:
        file.revoke(made(config)[:13], time.time())
    async with admitted(config) as found:
        (note,) = found.notes
        assert "thinkaloud keys create" in note


async def test_another_pepper_is_found_out_and_said(tmp_path: Path) -> None:
    config = configured(tmp_path)
    before = made(config)
    (tmp_path / "pepper").unlink()
    async with admitted(config) as found:
        assert await reason(found, before) == "AUTH_INVALID"
        assert "1 of 1 API keys" in found.notes[0]
        assert "make one" in found.notes[1]
    after = made(config)
    async with admitted(config) as found:
        assert found.authority is not None
        assert (await found.authority.identify(after)).tenant == "acme"
        (note,) = found.notes
        assert "1 of 2 API keys" in note


def test_a_pepper_is_made_once_for_its_owners_eyes_only(tmp_path: Path) -> None:
    config = configured(tmp_path / "data")
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: pepper_of(config, {}), range(32)))
    assert len(found) == 1
    assert [each.name for each in (tmp_path / "data").iterdir()] == ["pepper"]
    assert stat.S_IMODE((tmp_path / "data" / "pepper").stat().st_mode) == 0o600
    assert len(found.pop()) == 64


def test_a_given_pepper_makes_no_file(tmp_path: Path) -> None:
    assert pepper_of(configured(tmp_path, pepper="0123456789abcdef"), {}) == b"0123456789abcdef"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 64], ids=["empty", "short", "not-utf-8"])
def test_a_pepper_that_is_not_whole_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pepper").write_bytes(content)
    with pytest.raises(ConfigError, match="pepper of API keys"):
        pepper_of(configured(tmp_path), {})


async def test_without_a_data_directory_it_cannot_start_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="give another data directory"):
        async with admitted(configured(tmp_path / "file" / "data")):
            raise AssertionError("was opened")
    with pytest.raises(ChatError, match="file of API keys") as caught:
        async with admitted(configured(tmp_path / "file" / "data", pepper="0123456789abcdef")):
            raise AssertionError("was opened")
    assert caught.value.reason is ErrorReason.STORAGE_UNAVAILABLE


async def test_an_issuer_need_not_be_up_and_is_enough_to_call(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    issuer = {"issuer": "http://127.0.0.1:9", "audience": "thinkaloud"}
    async with admitted(configured(tmp_path, issuers={"corp": issuer})) as found:
        assert found.notes == ()
        assert await reason(found, "a.b.c") == "AUTH_INVALID"
        async with FakeIssuer() as another:
            assert await reason(found, another.token(iss=issuer["issuer"])) == "UPSTREAM_ERROR"
    (told,) = [vars(each) for each in caplog.records if each.getMessage() == "issuer_keys_not_fetched"]
    assert told["issuer"] == "corp"


async def test_an_issuer_of_a_private_authority_is_trusted_by_its_file_alone(tmp_path: Path) -> None:
    certified = Certified(tmp_path)
    async with FakeIssuer(certified.server) as issuer:
        trusting = configured(tmp_path, issuers={"corp": issuer.section(ca_file=certified.ca_file)})
        async with admitted(trusting) as found:
            assert found.authority is not None
            assert (await found.authority.identify(issuer.token())).tenant == "corp:alice"
        async with admitted(configured(tmp_path, issuers={"corp": issuer.section()})) as found:
            assert await reason(found, issuer.token()) == "UPSTREAM_ERROR"


@pytest.mark.parametrize(("content", "why"), [(None, "No such file"), ("nothing", "holds no certificate")])
async def test_an_authority_that_cannot_be_read_is_said(tmp_path: Path, content: str | None, why: str) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    issuer = {"issuer": "https://login.example", "audience": "thinkaloud", "ca_file": file}
    with pytest.raises(ConfigError, match=rf"identity.issuers.corp.ca_file: .*{why}"):
        async with admitted(configured(tmp_path, issuers={"corp": issuer})):
            pass
