"""`thinkaloud config check`, and what its flags mean for the configuration."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping
from typing import Any

from thinkaloud_server.app.certificate import read_certificate
from thinkaloud_server.app.cli_output import USAGE, CommandError, say, write
from thinkaloud_server.app.config import Config
from thinkaloud_server.app.config_load import ConfigError, api_key, cautions, find_file, load, pepper, to_toml

# Each flag, and the key that it sets.
_FLAGS: Mapping[str, tuple[str, str]] = {
    "data_dir": ("store", "data_dir"),
    "grpc_address": ("server", "grpc_address"),
    "http_address": ("server", "http_address"),
    "admin_address": ("server", "admin_address"),
    "workers": ("server", "workers"),
    "insecure": ("server", "insecure"),
    "auth": ("identity", "required"),
    "tls_certificate": ("tls", "certificate_file"),
    "tls_key": ("tls", "key_file"),
    "tls_client_ca": ("tls", "client_ca_file"),
    "log_level": ("log", "level"),
}


def effective(arguments: argparse.Namespace) -> Config:
    """The configuration with the flags in it. Raises CommandError that names every mistake."""
    flags: dict[str, Any] = {}
    for flag, (section, key) in _FLAGS.items():
        value = getattr(arguments, flag, None)  # not every command has all of them
        if value is not None:
            flags.setdefault(section, {})[key] = value
    try:
        return load(arguments.config, os.environ, flags)
    except ConfigError as error:
        raise CommandError(f"the configuration is wrong\n{error}", USAGE) from None


def check(arguments: argparse.Namespace) -> int:
    """Print the effective configuration; keys are looked up, so that a missing one is found here and not later."""
    config = effective(arguments)
    write(to_toml(config), end="")
    mistakes = []
    for name, section in config.providers.items():
        try:
            api_key(name, section, os.environ)
        except ConfigError as error:
            mistakes.append(str(error))
    try:
        pepper(config, os.environ)
    except ConfigError as error:
        mistakes.append(str(error))
    noted = cautions(config)
    if config.tls.files:
        try:
            noted.append(read_certificate(config.tls).caution(time.time()))
        except ConfigError as error:
            mistakes.append(str(error))
    file = find_file(arguments.config, os.environ)
    say(f"# from {file or 'defaults'}, the environment and flags", style="dim")
    for caution in filter(None, noted):
        say(f"caution: {caution}", style="warning")
    if config.discover:
        from thinkaloud_server.app.discover import by_variables

        for found in by_variables(os.environ).found:
            if found.name not in config.providers:
                say(f"# found: {found.name} ({found.how})", style="dim")
    if mistakes:
        raise CommandError("\n".join(mistakes), USAGE)
    return 0
