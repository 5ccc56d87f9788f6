"""What is read of a file and what is written of one, without a connection."""

from __future__ import annotations

import io
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from thinkaloud.errors import InvalidRequestError, RateLimitedError, ThinkaloudError, UnavailableError
from thinkaloud.upload import PIECE_BYTES, Attempts, Sink, Source
from thinkaloud.v1.upload_service_pb2 import GetUploadResponse, Upload

DATA = bytes(range(256)) * 1200


def source(file: Any, **said: Any) -> Source:
    blank = {"filename": None, "content_type": None, "idempotency_key": None, "on_progress": None}
    return Source(file, **{**blank, **said})


class Pipe(io.BytesIO):
    """It cannot go back."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise OSError("not seekable")


def test_a_path_has_a_name_a_type_and_every_byte_in_pieces(tmp_path: Path) -> None:
    (tmp_path / "chart.png").write_bytes(DATA)
    told: list[int] = []
    file = source(tmp_path / "chart.png", on_progress=told.append)
    head, *pieces, end = file.requests()
    assert (head.file.filename, head.file.content_type) == ("chart.png", "image/png")
    assert len(head.file.idempotency_key) == 32
    assert b"".join(each.chunk for each in pieces) == DATA
    assert max(len(each.chunk) for each in pieces) <= PIECE_BYTES
    assert end.HasField("end")
    # Told once the next one is asked for: the one before has gone.
    assert told == [PIECE_BYTES, 2 * PIECE_BYTES, len(DATA)]
    file.close()


def test_it_is_read_no_faster_than_it_is_asked_for() -> None:
    file = io.BytesIO(DATA)
    requests = source(file).requests()
    next(requests)
    assert file.tell() == 0
    next(requests)
    assert file.tell() == PIECE_BYTES


def test_what_is_said_counts_and_an_open_file_begins_where_it_stands_and_stays_open() -> None:
    file = io.BytesIO(b"skipped" + b"kept")
    file.seek(7)
    sent = source(file, filename="a.txt", content_type="text/x", idempotency_key="mine")
    for _ in range(2):
        head, piece, _ = sent.requests()
        assert (head.file.filename, head.file.content_type, head.file.idempotency_key) == ("a.txt", "text/x", "mine")
        assert piece.chunk == b"kept"
        assert sent.rewind()
    sent.close()
    assert not file.closed


def test_a_pipe_is_sent_again_only_while_nothing_was_read_of_it() -> None:
    sent = source(Pipe(b"once"))
    assert sent.rewind()
    list(sent.requests())
    assert not sent.rewind()


def answered(data: bytes, said: bytes | None = None) -> list[GetUploadResponse]:
    upload = Upload(upload_id="upl_1", sha256=sha256(data if said is None else said).hexdigest())
    pieces = [GetUploadResponse(chunk=data[start : start + 1000]) for start in range(0, len(data), 1000)]
    return [GetUploadResponse(upload=upload), *pieces]


@pytest.mark.parametrize("cut", [1, 2, 5, 308])
def test_what_comes_again_is_written_once(cut: int, tmp_path: Path) -> None:
    target = tmp_path / "got"
    told: list[int] = []
    sink = Sink(target, told.append)
    for message in answered(DATA)[:cut]:
        sink.feed(message)
    assert not target.exists()
    assert sink.rewind()
    for message in answered(DATA):
        sink.feed(message)
    assert sink.finish().upload_id == "upl_1"
    sink.close()
    assert target.read_bytes() == DATA
    assert told == sorted(told)
    assert [each.name for each in tmp_path.iterdir()] == ["got"]


def test_a_file_that_is_not_what_was_stored_does_not_appear(tmp_path: Path) -> None:
    (tmp_path / "got").write_bytes(b"before")
    sink = Sink(tmp_path / "got", None)
    for message in answered(DATA, said=b"other"):
        sink.feed(message)
    with pytest.raises(ThinkaloudError, match="DATA_LOSS"):
        sink.finish()
    sink.close()
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("got", b"before")]


def test_a_directory_is_not_written_to(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        Sink(tmp_path, None)


def test_attempts_wait_longer_each_time_and_end_with_patience() -> None:
    error = UnavailableError("down")
    attempts = Attempts(10.0)
    waits = [attempts.failed(error, now_s=0.0, jitter=1.0, rewind=lambda: True) for _ in range(4)]
    assert waits == [0.1, 0.2, 0.4, 0.8]
    with pytest.raises(UnavailableError):
        attempts.failed(error, now_s=9.0, jitter=1.0, rewind=lambda: True)


@pytest.mark.parametrize(
    ("error", "can"),
    [(InvalidRequestError("no"), True), (RateLimitedError("no"), True), (UnavailableError("no"), False)],
)
def test_what_will_not_pass_or_cannot_be_repeated_is_raised(error: ThinkaloudError, can: bool) -> None:
    with pytest.raises(type(error)):
        Attempts(10.0).failed(error, now_s=0.0, jitter=0.0, rewind=lambda: can)
