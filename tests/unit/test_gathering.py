"""What is written in one turn of the loop goes out as one write, in order, and before anything ends."""

from __future__ import annotations

import asyncio
import socket

from thinkaloud_server.app.gathering import GATHERED_BYTES_MAX, Gathering


class Written(asyncio.Transport):
    """A transport that keeps what it is given."""

    def __init__(self) -> None:
        super().__init__({"socket": "a socket"})
        self.writes: list[bytes] = []
        self.ended = ""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return 3

    def is_closing(self) -> bool:
        return bool(self.ended)

    def close(self) -> None:
        self.ended = "closed"

    def abort(self) -> None:
        self.ended = "aborted"


async def test_the_pieces_of_one_turn_are_one_write() -> None:
    written = Written()
    transport = Gathering(written)
    for piece in (b"a", b"", b"bc"):
        transport.write(piece)
    assert written.writes == []
    assert transport.get_write_buffer_size() == 6
    await asyncio.sleep(0)
    transport.write(b"d")
    await asyncio.sleep(0)
    assert written.writes == [b"abc", b"d"]
    assert transport.get_write_buffer_size() == 3


async def test_what_is_much_goes_out_at_once() -> None:
    written = Written()
    transport = Gathering(written)
    transport.write(b"a")
    transport.write(bytes(GATHERED_BYTES_MAX))
    assert [len(each) for each in written.writes] == [GATHERED_BYTES_MAX + 1]
    transport.write(b"b")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert written.writes[1:] == [b"b"]


async def test_closing_writes_first_and_aborting_does_not() -> None:
    closed, aborted = Written(), Written()
    for written, end in ((closed, Gathering.close), (aborted, Gathering.abort)):
        transport = Gathering(written)
        transport.write(b"last words")
        assert not transport.is_closing()
        end(transport)
        await asyncio.sleep(0)
        assert transport.is_closing()
    assert (closed.writes, closed.ended) == ([b"last words"], "closed")
    assert (aborted.writes, aborted.ended) == ([], "aborted")


async def test_all_else_is_the_transports_own() -> None:
    assert Gathering(Written()).get_extra_info("socket") == "a socket"


async def test_a_reader_that_stands_still_is_felt_one_turn_later() -> None:
    ours, theirs = socket.socketpair()
    paused = asyncio.Event()

    class Writer(asyncio.Protocol):
        def pause_writing(self) -> None:
            paused.set()

    transport, _ = await asyncio.get_running_loop().create_connection(Writer, sock=ours)
    gathering = Gathering(transport)
    with theirs:
        async with asyncio.timeout(10):
            while not paused.is_set():
                gathering.write(bytes(16 * 1024))
                await asyncio.sleep(0)
        gathering.abort()
