"""Whether callers are asked who they are, and what knows it: the pepper, the file of keys, the authority."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import secrets
import sqlite3
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from thinkaloud_server.app import config_load
from thinkaloud_server.app.config import Config
from thinkaloud_server.app.config_identity import PEPPER_CHARS_MIN, IssuerSection
from thinkaloud_server.app.config_load import ConfigError
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.identity import Identity
from thinkaloud_server.core.key import Key
from thinkaloud_server.identity.authority import Authority, TokenVerifier
from thinkaloud_server.identity.key import RANDOM_BYTES, derived, hashed, new_key, pepper_name
from thinkaloud_server.identity.token import Issuer, Tokens
from thinkaloud_server.stores.key_file import KeyFile
from thinkaloud_server.stores.keys import KeyStore

KEYS_FILE = "keys.db"
PEPPER_FILE = "pepper"
MAKE_A_KEY = "thinkaloud keys create --name me"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Admission:
    """`authority` is None where nobody is asked. `notes` is what whoever starts the server should know."""

    authority: Authority | None = None
    page_key: bytes = b""
    secrets: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


async def admission(config: Config, environ: Mapping[str, str], stack: AsyncExitStack) -> Admission:
    """What was configured, opened. Raises ConfigError, and ChatError where the data directory cannot be used."""
    if not config.identity.required:
        return Admission()
    pepper = pepper_of(config, environ)
    keys = await KeyStore.open(keys_file(config), now=time.time)
    stack.push_async_callback(keys.close)
    authority = Authority(
        keys=keys,
        pepper=pepper,
        verifier=_verifier(config, stack),
        now=time.time,
        new_nonce=lambda: secrets.token_urlsafe(18),
    )
    return Admission(authority, derived(pepper, "page token"), (pepper.decode(),), tuple(_notes(config, keys, pepper)))


class MadeKey(NamedTuple):
    """A new key: its text, which is nowhere kept, and what is."""

    text: str
    key: Key


def make_key(config: Config, environ: Mapping[str, str], *, name: str, identity: Identity) -> MadeKey:
    """Make a key that speaks for this identity, whose `key_id` it brings, and keep it.

    Raises ConfigError, and ChatError where the data directory cannot be used.
    """
    pepper = pepper_of(config, environ)
    text, key_id = new_key(secrets.token_bytes(RANDOM_BYTES))
    key = Key(
        identity=replace(identity, key_id=key_id),
        name=name,
        hash=hashed(derived(pepper, "key"), text),
        pepper=pepper_name(pepper),
        created_at=time.time(),
    )
    with open_keys(config) as file:
        file.add(key)
    return MadeKey(text, key)


@contextlib.contextmanager
def open_keys(config: Config) -> Iterator[KeyFile]:
    """The file of keys, also while a server has it open. Raises ChatError where it cannot be used."""
    file = KeyFile.open(keys_file(config))
    try:
        yield file
    except sqlite3.Error as error:
        raise ChatError(ErrorReason.STORAGE_UNAVAILABLE, f"the file of API keys: {error}") from error
    finally:
        file.close()


def keys_file(config: Config) -> Path:
    return config_load.data_dir(config) / KEYS_FILE


def pepper_of(config: Config, environ: Mapping[str, str]) -> bytes:
    """The server's pepper, made where there is none. Raises ConfigError."""
    found = config_load.pepper(config, environ).reveal()
    return (found or _own_pepper(config_load.data_dir(config) / PEPPER_FILE)).encode()


def _own_pepper(path: Path) -> str:
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_once(path, secrets.token_hex(32))
        found = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(
            f"the pepper of API keys {path} cannot be made or read: {why}; "
            "give another data directory, or identity.pepper_file"
        ) from None
    if len(found) < PEPPER_CHARS_MIN:
        raise ConfigError(f"the pepper of API keys {path} is not whole: give back the file that was, or remove it")
    return found


def _write_once(path: Path, text: str) -> None:
    """Whole or not at all, and never over another: of two processes that begin together one makes it."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()


def _verifier(config: Config, stack: AsyncExitStack) -> TokenVerifier | None:
    """What knows the tokens of the configured issuers; none of them need be up."""
    if not config.identity.issuers:
        return None
    return Tokens([_issuer(name, each, stack) for name, each in config.identity.issuers.items()], time.time)


def _issuer(name: str, section: IssuerSection, stack: AsyncExitStack) -> Issuer:
    # Their libraries are of use to nobody else here.
    import httpx

    from thinkaloud_server.identity.jwks import Jwks

    client = httpx.AsyncClient(verify=_trusting(name, section.ca_file))
    keys = Jwks(
        issuer=section.issuer,
        url=section.jwks_url,
        algorithms=section.algorithms,
        client=client,
        monotonic=time.monotonic,
        failed=functools.partial(_not_fetched, name),
    )
    stack.push_async_callback(client.aclose)
    stack.push_async_callback(keys.close)
    return Issuer(
        name=name,
        issuer=section.issuer,
        audience=section.audience,
        algorithms=section.algorithms,
        keys=keys,
        tenant=section.tenant,
        tenant_claim=section.tenant_claim,
        scope_claim=section.scope_claim,
        scope_prefix=section.scope_prefix,
        default_scopes=frozenset(section.default_scopes),
        leeway_s=section.leeway_s,
    )


def _trusting(name: str, ca_file: Path | None) -> ssl.SSLContext | bool:
    if ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=ca_file.expanduser())
    except OSError as error:  # SSLError is one
        why = "holds no certificate in PEM form" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigError(f"identity.issuers.{name}.ca_file: {ca_file}: {why}") from None


def _not_fetched(name: str, problem: str) -> None:
    logger.warning("issuer_keys_not_fetched", extra={"issuer": name, "problem": problem})


def _notes(config: Config, keys: KeyStore, pepper: bytes) -> list[str]:
    now = time.time()
    live = [key for key in keys.all() if not key.revoked_at and not 0 < key.identity.expires_at <= now]
    strange = [key for key in live if key.pepper != pepper_name(pepper)]
    notes = []
    if strange:
        notes.append(
            f"identity.pepper is another one than {len(strange)} of {len(live)} API keys were made with, and they are "
            "refused: give back the pepper that was, or make new keys"
        )
    if len(live) == len(strange) and not config.identity.issuers:
        notes.append(f"identity.required: there is no API key, so nobody can call; make one: {MAKE_A_KEY}")
    return notes
