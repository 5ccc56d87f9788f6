"""`thinkaloud upload` and `thinkaloud uploads`: files to the server and back."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Awaitable, Callable, Mapping

from thinkaloud.client import Client
from thinkaloud.v1.upload_service_pb2 import Upload
from thinkaloud_server.app.cli_output import (
    OK,
    CommandError,
    message_json,
    say_more,
    when,
    write,
    write_json,
    write_table,
)

_BAR_WIDTH = 30


async def upload(arguments: argparse.Namespace, client: Client) -> int:
    source = sys.stdin.buffer if arguments.file == "-" else arguments.file
    name = arguments.name if arguments.name is not None or arguments.file != "-" else ""
    try:
        total = os.stat(0 if arguments.file == "-" else arguments.file).st_size
        with _Progress(total) as progress:
            stored = await client.upload(source, filename=name, content_type=arguments.type, on_progress=progress)
    except OSError as error:
        raise CommandError(f"{arguments.file}: {error.strerror or error}") from None
    if arguments.json:
        write_json(message_json(stored))
    else:
        write(stored.upload_id)
    return OK


async def list_uploads(arguments: argparse.Namespace, client: Client) -> int:
    page = await client.list_uploads(page_size=arguments.limit)
    if arguments.json:
        for each in page:
            write_json(message_json(each))
    else:
        write_table(("upload", "stored", "bytes", "type", "name"), [_row(each) for each in page])
    say_more(page.next_page_token)
    return OK


async def get_upload(arguments: argparse.Namespace, client: Client) -> int:
    try:
        with _Progress(0) as progress:
            if arguments.to == "-":
                await client.download(arguments.upload_id, sys.stdout.buffer)
                sys.stdout.buffer.flush()
            else:
                await client.download(arguments.upload_id, arguments.to, on_progress=progress)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandError(f"{arguments.to}: {error.strerror or error}") from None
    return OK


async def delete_upload(arguments: argparse.Namespace, client: Client) -> int:
    await client.delete_upload(arguments.upload_id)
    return OK


COMMANDS: Mapping[str, Callable[[argparse.Namespace, Client], Awaitable[int]]] = {
    "upload": upload,
    "uploads list": list_uploads,
    "uploads get": get_upload,
    "uploads delete": delete_upload,
}


def _row(each: Upload) -> tuple[str, ...]:
    return each.upload_id, when(each.created_at), str(each.size_bytes), each.content_type, each.filename


class _Progress:
    """A bar on standard error, where a person looks at it; it is gone when the file has gone."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._shown = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def __call__(self, done: int) -> None:
        """So many bytes have gone."""
        if self._shown:
            sys.stderr.write(f"\r\x1b[K{bar(done, self._total)}")
            sys.stderr.flush()


def bar(done: int, total: int) -> str:
    """How far it is; without a total only how much."""
    amount = f"{done / 2**20:.1f} MiB"
    if not total:
        return amount
    share = min(done / total, 1.0)
    filled = int(share * _BAR_WIDTH)
    return f"[{'#' * filled}{'.' * (_BAR_WIDTH - filled)}] {share:4.0%}  {amount}"
