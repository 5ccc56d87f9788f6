"""A certificate that is replaced while the server runs: whoever comes next is shown the new one.

The files are looked at each second. Nothing has to be told, as programs that renew certificates just write files; and a
handshake does not wait for a disk. Two files cannot be written at once, so what does not fit together is an error
only if it is still there at the next look; the old certificate stays meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from thinkaloud_server.app.certificate import Certificate, read_certificate
from thinkaloud_server.app.config_load import ConfigError
from thinkaloud_server.app.config_tls import TlsSection

if TYPE_CHECKING:
    import grpc

logger = logging.getLogger(__name__)

LOOK_S = 1.0

# Of each file: which one it is, its size, and when it was written.
_State = tuple[tuple[int, ...], ...]
Renewed = Callable[[ssl.SSLContext], Awaitable[None]]


class Renewal:
    """`current` is what handshakes take; `look` renews it. Raises ConfigError when there is nothing to begin with."""

    def __init__(self, section: TlsSection) -> None:
        self._section = section
        self._seen = self._state()
        self.current = read_certificate(section)
        self._refused: _State | None = None
        self._told: _State | None = None
        self._cautioned = False

    def look(self) -> bool:
        """Read the files if they have changed; True when there is a new certificate. A bad one is logged once."""
        if not self._cautioned and (caution := self.current.caution(time.time())):
            logger.warning("caution", extra={"caution": caution})
            self._cautioned = True
        state = self._state()
        if state in (self._seen, self._told):
            return False
        try:
            found = read_certificate(self._section)
        except ConfigError as error:
            if state == self._refused:
                logger.error("certificate_not_renewed", extra={"problem": str(error)})
                self._told = state
            self._refused = state
            return False
        if state != self._state():
            return False  # written to while it was read
        self.current, self._seen, self._refused, self._told, self._cautioned = found, state, None, None, False
        logger.info("certificate_renewed", extra={"expires_at": found.expires})
        return True

    @asynccontextmanager
    async def watching(self, renewed: Renewed | None) -> AsyncIterator[None]:
        """Look again and again; `renewed` is given what HTTP shakes hands by, None where there is no HTTP."""
        watching = asyncio.create_task(self._watch(renewed))
        try:
            yield
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching

    async def _watch(self, renewed: Renewed | None) -> None:
        shown = self.current
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()
            if renewed is not None and self.current is not shown:
                try:
                    await renewed(self.current.context)
                    shown = self.current
                except OSError:
                    logger.exception("certificate_not_taken")  # no file descriptor is free, say; later one may be

    def credentials(self) -> grpc.ServerCredentials:
        """For one gRPC port: each handshake asks for what is current, in a thread of grpc's."""
        import grpc

        def configuration(certificate: Certificate) -> grpc.ServerCertificateConfiguration:
            pair = (certificate.key, certificate.chain)
            return grpc.ssl_server_certificate_configuration([pair], certificate.client_ca)

        taken = first = self.current

        def fetch() -> grpc.ServerCertificateConfiguration | None:
            nonlocal taken
            current = self.current
            if current is taken:
                return None
            taken = current
            return configuration(current)

        # For good: a port that asked for certificates does not stop asking, nor the other way round.
        mutual = first.client_ca is not None
        return grpc.dynamic_ssl_server_credentials(
            configuration(first),
            fetch,  # type: ignore[arg-type]  # None says that nothing changed; the stubs do not know it
            require_client_authentication=mutual,
        )

    def _state(self) -> _State:
        found: list[tuple[int, ...]] = []
        for path in self._section.files.values():
            try:
                stat = path.stat()
                found.append((stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns))
            except OSError:
                found.append(())
        return tuple(found)
