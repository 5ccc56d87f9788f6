"""Which providers are there without being configured: by the usual variables, and by asking this machine.

What is found becomes the same `ProviderSection` that a file would hold. A configured provider of the same name
or base URL always wins. Nothing but loopback is asked here. How a row's server is asked for its models, and what it
answers, is its dialect's.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from thinkaloud_server.app.config import Config, ProviderSection
from thinkaloud_server.providers import table
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.vendors import Vendor

if TYPE_CHECKING:
    import aiohttp

PROBE_S = 0.3
LISTING_BYTES_MAX = 4 * 1024 * 1024


# Names that their vendors keep stable, asked when nothing was configured. Elsewhere the listing decides.
PREFERRED: Mapping[str, str] = {
    "anthropic": "claude-sonnet-5-5",
    "cohere": "command-a-reasoning-08-2025",
    "deepseek": "deepseek-flash",
    "gemini": "gemini-flash-latest",
    "groq": "openai/gpt-oss-120b",
    "mistral": "magistral-medium-latest",
    "openai": "gpt-5-mini",
    "openrouter": "openrouter/auto",
    "perplexity": "sonar-reasoning-pro",
    "xai": "grok-4",
}

# The vendor's own way to point its clients elsewhere: a key is never sent to the usual place when its owner
# said another.
MOVED: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("ANTHROPIC_BASE_URL",),
    "bedrock": ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME",),
    "cohere": ("CO_API_URL",),
    "gemini": ("GOOGLE_GEMINI_BASE_URL",),
    "openai": ("OPENAI_BASE_URL", "OPENAI_API_BASE"),
}

# People have this token to download models with: good to offer, wrong to prefer over a key for chatting.
LAST = ("huggingface",)

# A vendor whose base URL names a region, and the variables that say which is meant.
REGIONS: Mapping[str, tuple[str, tuple[str, ...]]] = {"bedrock": ("us-east-1", ("AWS_REGION", "AWS_DEFAULT_REGION"))}

# Servers that people run on their own machine, each at its usual port.
LOCAL: tuple[Vendor, ...] = table.local()


@dataclass(frozen=True, slots=True)
class Found:
    """A provider that nobody configured: what gave it away, for people, and the models known so far."""

    name: str
    section: ProviderSection
    how: str
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Discovery:
    """What was found, in order of preference, and notes on what was seen and cannot be used."""

    found: tuple[Found, ...] = ()
    notes: tuple[str, ...] = ()


async def discover(
    config: Config, environ: Mapping[str, str], *, local: Sequence[Vendor] = LOCAL, probe_s: float = PROBE_S
) -> Discovery:
    """Everything that can be found; nothing when `discover` is off. Takes at most `probe_s`."""
    if not config.discover:
        return Discovery()
    by_key = by_variables(environ)
    answering = await probe(local, probe_s)
    names = set(config.providers)
    urls = {section.base_url for section in config.providers.values()}
    found: list[Found] = []
    for each in (*by_key.found, *answering):
        if each.name not in names and each.section.base_url not in urls:
            found.append(each)
            names.add(each.name)
            urls.add(each.section.base_url)
    return Discovery(tuple(found), by_key.notes)


def by_variables(environ: Mapping[str, str], rows: Sequence[Vendor] | None = None) -> Discovery:
    """Providers whose keys are in the environment."""
    found: list[Found] = []
    notes: list[str] = []
    for row in sorted(table.discoverable() if rows is None else rows, key=lambda row: row.name in LAST):
        variable = _set(environ, row.key_env)
        if not variable:
            continue
        moved = _set(environ, MOVED.get(row.name, ()))
        base_url = environ[moved] if moved else _in_region(row, environ)
        try:
            section = ProviderSection(base_url=base_url, api_key_env=variable)
        except ValidationError:
            notes.append(f"{variable} is set, but {moved or base_url} is no usable URL: {row.name} is left out")
            continue
        preferred = PREFERRED.get(row.name) if not moved else None
        found.append(Found(row.name, section, variable, (preferred,) if preferred else ()))
    return Discovery(tuple(found), tuple(notes))


async def probe(rows: Sequence[Vendor], timeout_s: float) -> list[Found]:
    """The rows whose servers list their models within so many seconds, all asked at once."""
    import aiohttp

    # No proxies, cookies or redirects: what answers for loopback must be on loopback.
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=timeout_s), cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
    ) as session:
        listings = await asyncio.gather(*(_listing(session, row) for row in rows))
    return [
        Found(
            row.name,
            ProviderSection(base_url=row.base_url),
            f"answers at {row.base_url}",
            tuple(chat_models(models)),
        )
        for row, models in zip(rows, listings, strict=True)
        if models is not None
    ]


def chat_models(names: Sequence[str]) -> list[str]:
    """The names with those last that no one can chat with, as listings do not say what a model is for."""
    return sorted(names, key=lambda name: any(word in name.casefold() for word in _NO_CHAT))


def _set(environ: Mapping[str, str], variables: Sequence[str]) -> str:
    """The first of these variables that holds something, or ""."""
    return next((name for name in variables if environ.get(name, "").strip()), "")


_NO_CHAT = (
    "embed",
    "rerank",
    "whisper",
    "-tts",
    "tts-",
    "moderation",
    "dall-e",
    "image",
    "guard",
    "bge-",
    "-ocr",
)


def _in_region(row: Vendor, environ: Mapping[str, str]) -> str:
    """The row's base URL, in the region that the environment names: a plain name, or the key would go elsewhere."""
    usual, variables = REGIONS.get(row.name, ("", ()))
    region = environ.get(_set(environ, variables), "").strip()
    return row.base_url.replace(usual, region) if re.fullmatch(r"[a-z0-9-]+", region) else row.base_url


async def _listing(session: aiohttp.ClientSession, row: Vendor) -> list[str] | None:
    """The names that the row's server lists, in the words of its dialect; None when it is no such server."""
    import aiohttp

    dialect = table.DIALECTS[row.dialect]
    endpoint = Endpoint(row.name, row.base_url, row)
    asked = dialect.listing(endpoint)
    try:
        async with session.request(
            asked.method, asked.url, headers=asked.headers, data=asked.body or None, allow_redirects=False
        ) as answer:
            if answer.status != 200:
                return None
            body = bytearray()
            async for piece in answer.content.iter_any():
                body += piece
                if len(body) > LISTING_BYTES_MAX:
                    return None
        # No server for one machine answers with a bare list; other programs at these ports may.
        if not body.lstrip().startswith(b"{"):
            return None
        return [model.name for model in dialect.models(endpoint, bytes(body))]
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        # Some other program lives at this port, or none.
        return None
