"""What the HTTP face can be told: whom it serves and how much it takes."""

from __future__ import annotations

from dataclasses import dataclass, field

from thinkaloud_server.web.openapi import Info

MIB = 1024 * 1024
# Of one message on a WebSocket, inflated: what the application refuses above, and the connection below it as well.
MESSAGE_BYTES_MAX = MIB


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The defaults are those of a server on loopback.

    `hosts` are the names that Host may have, without ports; "*" takes any. `origins` are the exact origins whose pages
    may read answers and open streams; none by default, which is CORS switched off. `retry_ms` is how long EventSource
    waits before it comes back. A reader that takes nothing for `stall_timeout_s` is let go. A body may take
    `body_timeout_s`; a form with a file, of at most `upload_bytes`, may be silent for so long. A message on a WebSocket
    has at most `message_bytes`; a socket that says more than `messages_per_s`, and `messages_burst` at once, is closed
    (0 is no limit), and so is one where nothing runs and nothing is asked for `idle_timeout_s`. A socket that did not
    say whose it is has `auth_timeout_s` to do so. A face that `leaves_alone`, without the service behind it, then tells
    its own streams. `info` is what `/` and the documentation say of the server.
    """

    hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")
    origins: tuple[str, ...] = ()
    body_bytes: int = 4 * MIB
    body_timeout_s: float = 15.0
    upload_bytes: int = 20 * MIB
    head_bytes: int = 32 * 1024
    headers: int = 128
    retry_ms: int = 1000
    stall_timeout_s: float = 90.0
    message_bytes: int = MESSAGE_BYTES_MAX
    messages_per_s: float = 20.0
    messages_burst: int = 40
    idle_timeout_s: float = 300.0
    stop_timeout_s: float = 30.0
    auth_timeout_s: float = 10.0
    leaves_alone: bool = False
    info: Info = field(default_factory=Info)
