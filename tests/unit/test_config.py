"""What may be set, what may not, and that no secret shows."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from thinkaloud_server.app import config_load
from thinkaloud_server.app.config import DIALECTS, Config, ProviderSection, split_address
from thinkaloud_server.app.config_load import ConfigError, api_key, cautions, find_file, load, to_toml
from thinkaloud_server.app.config_section import Secret
from thinkaloud_server.core.url import is_loopback

CANARY = "sk-canary-8f3b1c"

FULL = f"""
default_model = "local/my-model"
discover = false

[server]
grpc_address = "127.0.0.1:50051"
reflection = false

[store]
url = "sqlite:///chat.db"
durability = "power"

[runs]
runs_max = 7

[log]
level = "debug"
merge_deltas = false

[providers.local]
dialect = "openai-chat"
base_url = "http://127.0.0.1:9100/v1/"
api_key = "{CANARY}"
models = ["my-model"]
starts_in_reasoning = ["my-model"]
headers = {{ x-team = "{CANARY}-header" }}
timeouts = {{ connect_s = 5, first_byte_s = 300, silence_s = 300, total_s = 1800 }}
"""


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "thinkaloud.toml"
    file.write_text(text, encoding="utf-8")
    return file


def mistakes(tmp_path: Path, text: str = "", environ: dict[str, str] | None = None, **flags: Any) -> str:
    with pytest.raises(ConfigError) as raised:
        load(written(tmp_path, text), environ or {}, flags)
    return str(raised.value)


def test_the_defaults_listen_on_loopback_and_keep_runs_in_sqlite() -> None:
    config = Config()
    assert config.server.grpc_address == "127.0.0.1:50051"
    assert config.server.reflects
    assert config.store.kind == "sqlite"
    assert config.discover
    assert config.log.merge_deltas


def test_the_file_of_the_contract_loads(tmp_path: Path) -> None:
    config = load(written(tmp_path, FULL), {}, {})
    local = config.providers["local"]
    assert config.default_model == "local/my-model"
    assert local.base_url == "http://127.0.0.1:9100/v1"
    assert local.api_key == Secret(CANARY)
    assert local.models == ("my-model",)
    assert local.headers["x-team"].reveal() == f"{CANARY}-header"
    assert local.timeouts.first_byte_s == 300
    assert not config.server.reflects
    assert config.runs.runs_max == 7


def test_the_environment_wins_over_the_file_and_flags_win_over_both(tmp_path: Path) -> None:
    file = written(tmp_path, '[server]\ngrpc_address = "127.0.0.1:1"\nheartbeat_s = 1\nstall_timeout_s = 1\n')
    environ = {"THINKALOUD_SERVER__GRPC_ADDRESS": "127.0.0.1:2", "THINKALOUD_SERVER__HEARTBEAT_S": "2"}
    config = load(file, environ, {"server": {"grpc_address": "127.0.0.1:3"}})
    assert config.server.grpc_address == "127.0.0.1:3"
    assert config.server.heartbeat_s == 2
    assert config.server.stall_timeout_s == 1


def test_variables_reach_into_a_provider_of_the_file(tmp_path: Path) -> None:
    environ = {
        "THINKALOUD_PROVIDERS__LOCAL__BASE_URL": "http://127.0.0.1:1/v1",
        "THINKALOUD_PROVIDERS__LOCAL__MODELS": "one, two",
        "THINKALOUD_PROVIDERS__LOCAL__STARTS_IN_REASONING": '["one"]',
        "THINKALOUD_PROVIDERS__LOCAL__TIMEOUTS__SILENCE_S": "9",
        "THINKALOUD_PROVIDERS__LOCAL__HEADERS": '{"x-a": "b"}',
    }
    local = load(written(tmp_path, FULL), environ, {}).providers["local"]
    assert local.base_url == "http://127.0.0.1:1/v1"
    assert local.models == ("one", "two")
    assert local.starts_in_reasoning == ("one",)
    assert local.timeouts.silence_s == 9
    assert local.timeouts.connect_s == 5
    assert local.api_key == Secret(CANARY)
    assert local.headers["x-a"].reveal() == "b"


def test_top_level_keys_have_variables_without_a_section() -> None:
    config = load(None, {"THINKALOUD_DISCOVER": "false", "THINKALOUD_DEFAULT_MODEL": "demo/plain"}, {})
    assert not config.discover
    assert config.default_model == "demo/plain"


def test_names_without_a_section_belong_to_others_and_empty_ones_count_as_unset() -> None:
    environ = {"THINKALOUD_ADDRESS": "x", "THINKALOUD_API_KEY": "y", "THINKALOUD_SERVER__GRPC_ADDRESS": ""}
    assert load(None, environ, {}).server.grpc_address == "127.0.0.1:50051"


@pytest.mark.parametrize(
    ("text", "environ", "said"),
    [
        pytest.param("[sever]", {}, "sever: unknown key; did you mean server? (in", id="section"),
        pytest.param(
            '[server]\ngrpc_adress = "127.0.0.1:1"',
            {},
            "server.grpc_adress: unknown key; did you mean grpc_address?",
            id="key",
        ),
        pytest.param("[log]\nzebra = 1", {}, "log.zebra: unknown key (in", id="nothing-near"),
        pytest.param(
            FULL + "[providers.two]\nbase_url='http://h'\nmodel=['x']",
            {},
            "providers.two.model: unknown key; did you mean models?",
            id="provider",
        ),
        pytest.param(
            "[providers.x]\nbase_url='http://h'\ntimeouts={connect=1}",
            {},
            "providers.x.timeouts.connect: unknown key; did you mean connect_s?",
            id="timeouts",
        ),
        pytest.param(
            "",
            {"THINKALOUD_SEVER__X": "1"},
            "sever: unknown key; did you mean server? (THINKALOUD_SEVER__X)",
            id="variable",
        ),
        pytest.param(
            "",
            {"THINKALOUD_STORE__URI": "memory://"},
            "store.uri: unknown key; did you mean url? (THINKALOUD_STORE__URI)",
            id="variable-key",
        ),
    ],
)
def test_an_unknown_key_is_named_with_a_near_one_and_its_place(
    tmp_path: Path, text: str, environ: dict[str, str], said: str
) -> None:
    assert said in mistakes(tmp_path, text, environ)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("[server]\ngrpc_address = 5", "server.grpc_address: Input should be a valid string", id="type"),
        pytest.param('[server]\ngrpc_address = "localhost"', "expected HOST:PORT", id="no-port"),
        pytest.param('[server]\ngrpc_address = "::1:5"', "expected HOST:PORT", id="bare-ipv6"),
        pytest.param('[server]\ngrpc_address = "localhost:70000"', "0 to 65535", id="port"),
        pytest.param('[server]\ngrpc_address = "0.0.0.0:1"', "say --insecure", id="public"),
        pytest.param('[server]\nhttp_address = "0.0.0.0:1"', "server.http_address 0.0.0.0:1 can be", id="public-http"),
        pytest.param('[server]\nhttp_address = "0.0.0.0:1"', "ask for one with --auth", id="public-remedy"),
        pytest.param("[server]\nheartbeat_s = 16", "server.heartbeat_s: Input should be less than", id="heartbeat"),
        pytest.param("[server]\nworkers = 2", "needs PostgreSQL", id="workers"),
        pytest.param('[store]\nurl = "postgresql://h/db"', "PostgreSQL is not supported by this version", id="pg"),
        pytest.param('[store]\nurl = "thinkaloud.db"', "expected sqlite:///FILE", id="bare-file"),
        pytest.param('[store]\nurl = "sqlite://thinkaloud.db"', "three slashes", id="two-slashes"),
        pytest.param('[store]\nurl = "sqlite:///"', "expected a file", id="no-file"),
        pytest.param('[store]\nurl = "memory://x"', "takes no name", id="named-memory"),
        pytest.param('[store]\ndurability = "none"', "'process' or 'power'", id="durability"),
        pytest.param('[log]\nlevel = "loud"', "log.level: Input should be", id="level"),
        pytest.param("[runs]\nruns_max = 0", "runs.runs_max: Input should be greater", id="limit"),
        pytest.param('default_model = "reasoner"', "expected provider/name", id="model"),
        pytest.param("[providers.x]", "providers.x.base_url: is needed", id="no-url"),
        pytest.param('[providers.x]\nbase_url = "ftp://h"', "expected an http or https URL", id="scheme"),
        pytest.param('[providers.x]\nbase_url = "file:///etc"', "expected an http or https URL", id="file-url"),
        pytest.param('[providers.x]\nbase_url = "http://h:x/"', "expected a URL", id="bad-port"),
        pytest.param('[providers.x]\nbase_url = "http://u:p@h/v1"', "credentials do not belong", id="userinfo"),
        pytest.param('[providers.x]\nbase_url = "http://u@h/v1"', "credentials do not belong", id="user"),
        pytest.param('[providers.x]\nbase_url = "http://h/v1#a"', "fragment", id="fragment"),
        pytest.param(
            '[providers.x]\nbase_url = "http://h"\ndialect = "x"',
            f"expected one of {', '.join(DIALECTS)}",
            id="dialect",
        ),
        pytest.param('[providers.X]\nbase_url = "http://h"', "is no name for a provider", id="upper-case"),
        pytest.param('[providers."a/b"]\nbase_url = "http://h"', "is no name for a provider", id="slash"),
        pytest.param('[providers.demo]\nbase_url = "http://h"', "built-in provider", id="demo"),
        pytest.param(
            '[providers.x]\nbase_url = "http://h"\napi_key = "a"\napi_key_env = "B"',
            "has api_key and api_key_env: keep one",
            id="two-keys",
        ),
        pytest.param('[providers.x]\nbase_url="http://h"\nheaders={a="b\\nc"}', "a value of one line", id="header"),
        pytest.param(
            '[providers.x]\nbase_url="http://h"\nheaders={"a b"="c"}', "a header has a name", id="header-name"
        ),
        pytest.param('[providers.x]\nbase_url="http://h"\napi_key = 5', "api_key: expected text", id="key-type"),
        pytest.param("[server", "Expected ']'", id="no-toml"),
    ],
)
def test_what_cannot_be_is_said_with_what_would_be_right(tmp_path: Path, text: str, said: str) -> None:
    assert said in mistakes(tmp_path, text)


def test_all_mistakes_are_said_at_once(tmp_path: Path) -> None:
    said = mistakes(tmp_path, "[sever]\n[log]\nlevel = 'x'\n", {"THINKALOUD_RUNS__RUNS_MAX": "-1"})
    assert len(said.splitlines()) == 3


def test_a_mistake_on_the_command_line_is_said_to_be_there(tmp_path: Path) -> None:
    assert "(on the command line)" in mistakes(tmp_path, server={"grpc_address": "x"})


def test_a_key_and_a_section_of_one_name_is_a_clear_error(tmp_path: Path) -> None:
    environ = {"THINKALOUD_STORE__URL": "memory://", "THINKALOUD_STORE__URL__X": "1"}
    assert "THINKALOUD_STORE__URL__X" in mistakes(tmp_path, "", environ)


@pytest.mark.parametrize("bytes_", [b"\xff\xfe", b"a = 1\n" * 200_000], ids=["not-utf-8", "too-large"])
def test_a_file_that_is_no_configuration_is_named(tmp_path: Path, bytes_: bytes) -> None:
    file = tmp_path / "x.toml"
    file.write_bytes(bytes_)
    with pytest.raises(ConfigError, match=r"x\.toml: "):
        load(file, {}, {})


def test_a_missing_file_is_an_error_when_it_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.toml", {}, {})
    with pytest.raises(ConfigError, match="No such file"):
        load(None, {"THINKALOUD_CONFIG": str(tmp_path / "none.toml")}, {})


def test_the_given_file_comes_before_the_variable(tmp_path: Path) -> None:
    assert find_file(tmp_path / "a", {"THINKALOUD_CONFIG": "b"}) == tmp_path / "a"
    assert find_file(None, {"THINKALOUD_CONFIG": "b"}) == Path("b")


def test_a_public_address_is_taken_with_insecure_and_does_not_reflect() -> None:
    config = load(None, {}, {"server": {"grpc_address": "0.0.0.0:50051", "insecure": True}})
    assert not config.server.reflects
    assert any("whoever reaches" in caution for caution in cautions(config))
    assert any("not encrypted" in caution for caution in cautions(config))


@pytest.mark.parametrize(
    ("url", "caution"),
    [
        ("http://192.168.1.5/v1", True),
        ("http://model.example/v1", True),
        ("http://127.0.0.1:1/v1", False),
        ("http://[::1]:1/v1", False),
        ("http://localhost:1/v1", False),
        ("https://model.example/v1", False),
    ],
)
def test_a_key_over_plain_http_to_another_machine_is_cautioned(url: str, caution: bool) -> None:
    config = load(None, {}, {"providers": {"x": {"base_url": url, "api_key": CANARY}}})
    assert bool(cautions(config)) is caution
    without = load(None, {}, {"providers": {"x": {"base_url": url}}})
    assert not cautions(without)


def test_no_error_repeats_a_secret(tmp_path: Path) -> None:
    texts = [
        FULL + f'[providers.x]\nbase_url = "http://{CANARY}@h/v1"',
        FULL + f'[providers.x]\nbase_url = "{CANARY}"\napi_key = "{CANARY}"\napi_key_env = "B"',
        FULL + f'[providers.x]\nbase_url = "http://h"\napi_key = ["{CANARY}"]',
        FULL + f'[providers.x]\nbase_url = "http://h"\nheaders = "{CANARY}"',
    ]
    for text in texts:
        assert CANARY not in mistakes(tmp_path, text)
    with pytest.raises(ValidationError) as raised:
        ProviderSection(base_url=f"http://{CANARY}@h", api_key=Secret(CANARY))
    assert CANARY not in str(raised.value)


def test_the_effective_configuration_prints_as_toml_that_loads_again_with_secrets_masked(
    tmp_path: Path,
) -> None:
    config = load(written(tmp_path, FULL), {}, {"store": {"data_dir": str(tmp_path)}})
    text = to_toml(config)
    assert CANARY not in text
    tree = tomllib.loads(text)
    assert tree["providers"]["local"]["api_key"] == "***"
    assert tree["providers"]["local"]["headers"] == {"x-team": "***"}
    assert tree["server"]["reflection"] is False
    assert tree["store"]["data_dir"] == str(tmp_path)
    again = load(written(tmp_path, text), {}, {})
    assert again.runs == config.runs
    assert again.providers["local"].timeouts == config.providers["local"].timeouts


def test_toml_quotes_what_needs_it(tmp_path: Path) -> None:
    name = 'a"b\\c\n\x7fü'
    providers = {"a.b": {"base_url": "http://h", "models": [name], "headers": {"x.y": "1"}}}
    text = to_toml(load(None, {}, {"providers": providers}))
    assert tomllib.loads(text)["providers"]["a.b"]["models"] == [name]


def test_a_key_comes_from_its_variable_its_file_or_itself(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{CANARY}-file\n", encoding="utf-8")
    environ = {"MY_KEY": f" {CANARY}-env\n"}
    sections = {
        "": ProviderSection(base_url="http://h"),
        CANARY: ProviderSection(base_url="http://h", api_key=Secret(CANARY)),
        f"{CANARY}-env": ProviderSection(base_url="http://h", api_key_env="MY_KEY"),
        f"{CANARY}-file": ProviderSection(base_url="http://h", api_key_file=file),
    }
    for key, section in sections.items():
        assert api_key("x", section, environ).reveal() == key


@pytest.mark.parametrize(
    ("section", "said"),
    [
        pytest.param({"api_key_env": "UNSET"}, "providers.x.api_key_env: the variable UNSET is not set", id="unset"),
        pytest.param({"api_key_file": "/nowhere/key"}, "No such file", id="no-file"),
        pytest.param({"api_key": f"{CANARY} {CANARY}"}, "characters that no key has", id="space"),
        pytest.param({"api_key": f"{CANARY}\nx: y"}, "characters that no key has", id="line-break"),
    ],
)
def test_a_key_that_is_not_there_or_cannot_be_sent_is_an_error(section: dict[str, Any], said: str) -> None:
    checked = ProviderSection.model_validate({"base_url": "http://h", **section})
    with pytest.raises(ConfigError, match=said) as raised:
        api_key("x", checked, {})
    assert CANARY not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:///a.db", "/data/a.db"),
        ("sqlite:///sub/a.db", "/data/sub/a.db"),
        ("sqlite:////tmp/a.db", "/tmp/a.db"),
    ],
)
def test_three_slashes_are_the_data_directory_and_four_the_root(url: str, file: str) -> None:
    config = load(None, {}, {"store": {"url": url, "data_dir": "/data"}})
    assert config.store.file(config_load.data_dir(config)) == Path(file)


@pytest.mark.parametrize(
    ("address", "parts"),
    [("127.0.0.1:0", ("127.0.0.1", 0)), ("[::1]:5", ("::1", 5)), ("localhost:65535", ("localhost", 65535))],
)
def test_addresses_split_into_host_and_port(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address) == parts
    assert is_loopback(parts[0])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.com", "localhost.example.com"])
def test_other_hosts_count_as_public(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(("text", "where"), [("", ""), ("off", ""), ("[::1]:0", "[::1]:0")])
def test_http_is_served_on_loopback_unless_it_is_turned_off(text: str, where: str) -> None:
    assert load(None, {}, {}).server.http == "127.0.0.1:8000"
    assert load(None, {}, {"server": {"http_address": text}}).server.http == where


def test_an_http_address_must_be_one() -> None:
    with pytest.raises(ConfigError, match=r"server\.http_address"):
        load(None, {}, {"server": {"http_address": "8000"}})
