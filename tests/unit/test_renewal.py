"""A certificate that is replaced: what is taken, what is kept, and how often something is said of it."""

from __future__ import annotations

import asyncio
import logging
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fakes.certified import Certified
from thinkaloud_server.app import renewal as renewals
from thinkaloud_server.app.config_load import ConfigError
from thinkaloud_server.app.config_tls import TlsSection
from thinkaloud_server.app.renewal import Renewal


@pytest.fixture
def certified(tmp_path: Path) -> Certified:
    return Certified(tmp_path)


@pytest.fixture
def renewal(certified: Certified, caplog: pytest.LogCaptureFixture) -> Renewal:
    caplog.set_level(logging.INFO)
    return Renewal(TlsSection.model_validate(certified.section()))


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records]


def test_without_a_good_certificate_there_is_nothing_to_begin_with(certified: Certified) -> None:
    certified.server.key.write_text("")
    with pytest.raises(ConfigError, match=r"tls\.key_file"):
        Renewal(TlsSection.model_validate(certified.section()))


def test_files_that_are_as_they_were_are_not_read_again(renewal: Renewal, caplog: pytest.LogCaptureFixture) -> None:
    first = renewal.current
    assert not renewal.look()
    assert renewal.current is first
    assert told(caplog) == []


def test_a_new_pair_is_taken_at_once(renewal: Renewal, certified: Certified, caplog: pytest.LogCaptureFixture) -> None:
    certified.pair("server")
    assert renewal.look()
    assert renewal.current.chain == certified.server.certificate.read_bytes()
    assert not renewal.look()
    assert told(caplog) == ["certificate_renewed"]


def test_a_pair_that_is_half_written_is_waited_for(
    renewal: Renewal, certified: Certified, caplog: pytest.LogCaptureFixture
) -> None:
    first, other = renewal.current, certified.pair("other")
    certified.server.certificate.write_bytes(other.certificate.read_bytes())
    assert not renewal.look()
    assert renewal.current is first
    certified.server.key.write_bytes(other.key.read_bytes())
    assert renewal.look()
    assert told(caplog) == ["certificate_renewed"], "what lay between is nobody's mistake"


def test_what_stays_bad_is_told_once_and_the_old_one_stays(
    renewal: Renewal, certified: Certified, caplog: pytest.LogCaptureFixture
) -> None:
    first = renewal.current
    for text, times in (("nothing", 1), ("nothing else", 2)):
        certified.server.certificate.write_text(text)
        for _ in range(5):
            assert not renewal.look()
        assert told(caplog) == ["certificate_not_renewed"] * times
    certified.server.certificate.unlink()
    for _ in range(5):
        assert not renewal.look()
    assert told(caplog) == ["certificate_not_renewed"] * 3
    assert renewal.current is first
    certified.pair("server")
    assert renewal.look()


def test_the_old_files_may_come_back(renewal: Renewal, certified: Certified) -> None:
    """As when a mistake is undone by `git checkout`: they are other files to the eye, and read again."""
    before = certified.server.certificate.read_bytes()
    certified.server.certificate.write_text("nothing")
    assert not renewal.look()
    certified.server.certificate.write_bytes(before)
    assert renewal.look()


def test_one_that_is_not_renewed_in_time_is_told_once(certified: Certified, caplog: pytest.LogCaptureFixture) -> None:
    now = datetime.now(UTC)
    certified.pair("server", not_before=now - timedelta(days=90), not_after=now + timedelta(days=10))
    renewal = Renewal(TlsSection.model_validate(certified.section()))
    for _ in range(3):
        renewal.look()
    (record,) = caplog.records
    assert "was not renewed yet" in vars(record)["caution"]


async def test_whoever_shakes_hands_is_told_and_asked_again_when_it_could_not(
    renewal: Renewal, certified: Certified, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewals, "LOOK_S", 0.02)
    given: list[ssl.SSLContext] = []
    taken = asyncio.Event()

    async def renewed(context: ssl.SSLContext) -> None:
        given.append(context)
        if len(given) == 1:
            raise OSError("no file descriptor is free")
        taken.set()

    async with renewal.watching(renewed), asyncio.timeout(5):
        certified.pair("server")
        await taken.wait()
    assert given == [renewal.current.context] * 2
    assert told(caplog) == ["certificate_renewed", "certificate_not_taken"]
