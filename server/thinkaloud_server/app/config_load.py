"""Where settings come from: one TOML file, then THINKALOUD_SECTION__KEY variables, then flags. Later ones win.

Every mistake is said at once, each with its key and the place where it stands; no message repeats a value,
which may be a secret.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource

from thinkaloud_server.app.config import Config, ProviderSection, split_address
from thinkaloud_server.app.config_chaos import announced
from thinkaloud_server.app.config_identity import PEPPER_CHARS_MIN
from thinkaloud_server.app.config_section import Secret
from thinkaloud_server.core.url import is_loopback

PREFIX = "THINKALOUD_"
FILE_VARIABLE = "THINKALOUD_CONFIG"
_FILE_BYTES_MAX = 1024 * 1024

Tree = dict[str, Any]


class ConfigError(Exception):
    """What is wrong with the configuration, a line for each mistake."""


class EnvironmentSource(PydanticBaseSettingsSource):
    """THINKALOUD_SECTION__KEY variables as a tree.

    Written out because pydantic-settings' own ignores variables whose section it does not know, and a mistyped
    name must be an error. Names without `__` belong to clients too (THINKALOUD_ADDRESS): of these only the
    top-level keys are read. Empty variables count as unset, as compose files leave them behind.
    """

    def __init__(self, settings_cls: type[BaseSettings], environ: Mapping[str, str]) -> None:
        super().__init__(settings_cls)
        self._environ = environ

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self().get(field_name), field_name, False

    def __call__(self) -> Tree:
        tree: Tree = {}
        for variable, value in sorted(self._environ.items()):
            path = _path(variable)
            if value and (len(path) > 1 or path[:1] in _TOP_LEVEL):
                _plant(tree, path, value, variable)
        return tree


_TOP_LEVEL = (("default_model",), ("discover",))


def load(file: Path | None, environ: Mapping[str, str], flags: Tree) -> Config:
    """The effective configuration. Raises ConfigError that names every mistake.

    `file` None means the one that THINKALOUD_CONFIG names, else the user's own if there is one.
    """
    place = find_file(file, environ)
    written = _read(place) if place is not None else {}

    class Loaded(Config):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, EnvironmentSource(cls, environ), InitSettingsSource(cls, written)

    try:
        return Loaded(**flags)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(error, flags, environ, written, place))) from None


def find_file(file: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The file that is read: the given one, THINKALOUD_CONFIG's, or the user's own where it exists."""
    if file is None and environ.get(FILE_VARIABLE):
        file = Path(environ[FILE_VARIABLE])
    if file is not None:
        return file.expanduser()
    import platformdirs

    own = platformdirs.user_config_path("thinkaloud", appauthor=False) / "thinkaloud.toml"
    return own if own.is_file() else None


def data_dir(config: Config) -> Path:
    """The directory that holds what the server keeps."""
    if config.store.data_dir is not None:
        return config.store.data_dir.expanduser().absolute()
    import platformdirs

    return platformdirs.user_data_path("thinkaloud", appauthor=False)


def api_key(name: str, provider: ProviderSection, environ: Mapping[str, str]) -> Secret:
    """The provider's key, wherever it is; empty when the provider has none. Raises ConfigError."""
    given = (provider.api_key, provider.api_key_env, provider.api_key_file)
    return _sendable(name, secret(f"providers.{name}.api_key", *given, environ).reveal())


def secret(
    key: str, given: Secret | None, variable: str | None, file: Path | None, environ: Mapping[str, str]
) -> Secret:
    """A secret that stands under this key, in a variable (`<key>_env`) or in a file (`<key>_file`); empty for none.

    Raises ConfigError.
    """
    if variable is not None:
        text = environ.get(variable, "").strip()
        if not text:
            raise ConfigError(f"{key}_env: the variable {variable} is not set")
        return Secret(text)
    if file is not None:
        try:
            with file.expanduser().open(encoding="utf-8") as stream:
                return Secret(stream.read(65_536).strip())
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise ConfigError(f"{key}_file: {file}: {why}") from None
    return given or Secret("")


def pepper(config: Config, environ: Mapping[str, str]) -> Secret:
    """The configured pepper of API keys, wherever it is; empty where it is left to the server. Raises ConfigError."""
    section = config.identity
    given = (section.pepper, section.pepper_env, section.pepper_file)
    found = secret("identity.pepper", *given, environ)
    if any(each is not None for each in given) and len(found.reveal()) < PEPPER_CHARS_MIN:
        raise ConfigError(f"identity.pepper: must have {PEPPER_CHARS_MIN} characters or more, that nobody can guess")
    return found


def cautions(config: Config) -> list[str]:
    """What is allowed and probably not meant."""
    found = [
        f"providers.{name}.base_url: the key goes unencrypted over http to {provider.host}"
        for name, provider in config.providers.items()
        if provider.base_url.startswith("http:")
        and not is_loopback(provider.host)
        and (provider.api_key or provider.api_key_env or provider.api_key_file)
    ]
    public = [
        address
        for address in (config.server.grpc_address, config.server.http)
        if address and not is_loopback(split_address(address)[0])
    ]
    if public and not config.tls.files:
        found.append(f"tls: what callers send to {' and '.join(public)} is not encrypted unless a proxy does it")
    if config.server.insecure and not config.identity.required:
        found.append("server.insecure: whoever reaches this server can use it")
    if config.identity.issuers and not config.identity.required:
        found.append("identity.issuers: nobody is asked for a token while identity.required is false")
    if chaos := announced(config.chaos):
        found.append(f"chaos: {chaos}")
    elif config.chaos.by_header or config.chaos.providers:
        found.append("chaos: is described but off; enabled = true turns it on")
    return found


def to_toml(config: Config) -> str:
    """The effective configuration as the file would hold it, secrets masked."""
    tree = _plain(config)
    tree["server"]["reflection"] = config.server.reflects
    tree["store"]["data_dir"] = str(data_dir(config))
    return "\n".join(_tables((), tree)).strip() + "\n"


def _read(place: Path) -> Tree:
    try:
        with place.open("rb") as stream:
            text = stream.read(_FILE_BYTES_MAX + 1)
        if len(text) > _FILE_BYTES_MAX:
            raise ConfigError(f"{place}: larger than {_FILE_BYTES_MAX} bytes")
        return tomllib.loads(text.decode())
    except OSError as error:
        raise ConfigError(f"{place}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        why = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "not UTF-8 text"
        raise ConfigError(f"{place}: {why}") from None


def _path(variable: str) -> tuple[str, ...]:
    return tuple(variable[len(PREFIX) :].lower().split("__")) if variable.startswith(PREFIX) else ()


def _plant(tree: Tree, path: tuple[str, ...], value: str, variable: str) -> None:
    for name in path[:-1]:
        branch = tree.setdefault(name, {})
        if not isinstance(branch, dict):
            raise ConfigError(f"{variable}: there is also a variable for the key above it; keep one of them")
        tree = branch
    tree[path[-1]] = value


def _sendable(name: str, text: str) -> Secret:
    """A key as a header can carry it; anything else would fail, or worse, at the first request."""
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ConfigError(f"providers.{name}: the key holds characters that no key has (a space, a line break?)")
    return Secret(text)


def _explain(
    error: ValidationError, flags: Tree, environ: Mapping[str, str], written: Tree, place: Path | None
) -> Iterator[str]:
    for mistake in error.errors(include_url=False, include_input=False, include_context=False):
        # Tags of unions stand in the location too; a key is never called so.
        path = tuple(str(step) for step in mistake["loc"] if not str(step).startswith(("is-instance", "function-")))
        kind, message = mistake["type"], mistake["msg"]
        if kind == "extra_forbidden":
            message = "unknown key" + _near(path)
        elif kind == "missing":
            message = "is needed"
        else:
            message = message.removeprefix("Value error, ")
        where = _whence(path, flags, environ, written, place)
        key = ".".join(path)
        yield f"{key}: {message}{where}" if key else message


def _near(path: tuple[str, ...]) -> str:
    section = _section(path[:-1])
    close = difflib.get_close_matches(path[-1], list(section.model_fields), n=1, cutoff=0.6) if section else []
    return f"; did you mean {close[0]}?" if close else ""


def _section(path: tuple[str, ...]) -> type[BaseModel] | None:
    """The section that a path of keys leads to."""
    section: type[BaseModel] = Config
    if path[:1] == ("providers",) and len(path) > 1:
        section, path = ProviderSection, path[2:]
    for name in path:
        field = section.model_fields.get(name)
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
            return None
        section = field.annotation
    return section


def _whence(path: tuple[str, ...], flags: Tree, environ: Mapping[str, str], written: Tree, place: Path | None) -> str:
    """Where the value stands that counts: the later place wins."""
    variable = PREFIX + "__".join(path).upper()
    if path and _has(flags, path):
        return " (on the command line)"
    for name in sorted(environ) if path else ():
        if name == variable or name.startswith(variable + "__"):
            return f" ({name})"
    return f" (in {place})" if path and _has(written, path) else ""


def _has(tree: Any, path: tuple[str, ...]) -> bool:
    for name in path:
        if not isinstance(tree, dict) or name not in tree:
            return False
        tree = tree[name]
    return True


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        fields = ((name, getattr(value, name)) for name in type(value).model_fields)
        return {name: _plain(part) for name, part in fields if part is not None}
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, Secret | Path):
        return str(value)
    return value


def _tables(path: tuple[str, ...], tree: Tree) -> Iterator[str]:
    """Keys first, then tables: in TOML what follows a table's head belongs to it."""
    leaves = {name: value for name, value in tree.items() if not isinstance(value, dict)}
    if path and (leaves or not tree):
        yield ""
        yield f"[{'.'.join(map(_key, path))}]"
    for name, value in leaves.items():
        yield f"{_key(name)} = {_value(value)}"
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _tables((*path, name), value)


def _key(name: str) -> str:
    bare = name.replace("-", "").replace("_", "")
    return name if bare.isascii() and bare.isalnum() else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
