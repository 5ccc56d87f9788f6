"""The command line as people and scripts use it: real processes, a real server, pipes and a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.served import ADDRESSES, Served, command, environment

CANARY = "sk-canary-8f3b1c"
QUESTION = "What is 17*23? think first"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("served")) as server:
        yield server


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def joined(found: list[dict[str, Any]], kind: str) -> str:
    return "".join(event["data"]["token"] for event in found if event["event"] == kind)


def refused(home: Path, *flags: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """A serve that cannot start."""
    return subprocess.run(
        command("serve", *flags),
        capture_output=True,
        text=True,
        timeout=30,
        env=environment(home, **environ),
        check=False,
    )


class TestServe:
    def test_the_ready_line_is_all_of_standard_output_and_the_rest_is_json(self, tmp_path: Path) -> None:
        with Served(tmp_path) as server:
            assert re.fullmatch(r"ready grpc=127\.0\.0\.1:[1-9]\d* http=127\.0\.0\.1:[1-9]\d*\n", server.ready)
            server.signal()
            assert server.wait() == 0
            assert server.process.stdout is not None
            assert server.process.stdout.read() == b""
            lines = events(server.log())
        serving = next(line for line in lines if line["event"] == "serving")
        assert (serving["grpc"], serving["http"]) == (server.address, server.http)
        assert serving["default_model"] == "demo/reasoner"
        assert serving["try"].startswith("thinkaloud chat ")
        assert lines[-1]["event"] == "stopped"

    def test_a_run_that_ends_in_time_is_whole_after_a_drain(self, tmp_path: Path) -> None:
        with Served(tmp_path) as server:
            chat = server.begin("chat", "--json", QUESTION)
            assert chat.stdout is not None
            chat.stdout.readline()
            server.signal()
            out, _ = chat.communicate(timeout=30)
            assert server.wait() == 0
        assert chat.returncode == 0
        assert events(out)[-1]["event"] == "complete"

    def test_a_run_that_does_not_is_interrupted_and_says_so(self, tmp_path: Path) -> None:
        with Served(tmp_path, THINKALOUD_SERVER__DRAIN_GRACE_S="0.2") as server:
            chat = server.begin("chat", "--json", "--model", "demo/slow", "hello")
            assert chat.stdout is not None
            chat.stdout.readline()
            server.signal(signal.SIGINT)
            out, errors = chat.communicate(timeout=30)
            assert server.wait() == 0
        assert chat.returncode == 1
        assert events(out)[-1]["data"]["code"] == "RUN_INTERRUPTED"
        assert "RUN_INTERRUPTED" in errors

    def test_a_second_signal_stops_at_once_and_the_next_start_settles_the_run(self, tmp_path: Path) -> None:
        with Served(tmp_path) as server:
            run_id = server.run("chat", "--detach", "--model", "demo/slow", "hello").stdout.strip()
            server.signal()
            while "draining" not in server.log():
                time.sleep(0.01)
            server.signal()
            assert server.wait() == 128 + signal.SIGTERM
        with Served(tmp_path) as server:
            shown = json.loads(server.run("runs", "show", run_id, "--json").stdout)
        assert shown["state"] == "failed"
        assert shown["error"]["code"] == "RUN_INTERRUPTED"

    def test_a_second_server_on_the_same_data_says_whose_it_is(self, served: Served, tmp_path: Path) -> None:
        ended = refused(tmp_path, *ADDRESSES, "--data-dir", str(served.home / "data"))
        assert ended.returncode == 1
        assert "another process owns" in ended.stderr
        assert not ended.stdout

    def test_an_address_in_use_is_said(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            ended = refused(tmp_path, "--grpc-address", address, "--data-dir", str(tmp_path))
        assert ended.returncode == 1
        assert ended.stderr.splitlines()[-1].startswith(f"error: cannot listen on {address}")
        assert "E0000" not in ended.stderr

    @pytest.mark.parametrize(
        ("flags", "environ", "said"),
        [
            pytest.param(("--grpc-address", "0.0.0.0:0"), {}, "say --insecure", id="public"),
            pytest.param(("--workers", "2"), {}, "needs PostgreSQL", id="workers"),
            pytest.param((), {"THINKALOUD_SERVER__PORT": "1"}, "server.port: unknown key", id="unknown-key"),
            pytest.param(("--config", "/nowhere.toml"), {}, "/nowhere.toml: No such file", id="no-file"),
            pytest.param((), {"THINKALOUD_DEFAULT_MODEL": "x/y"}, "there is no provider 'x'", id="default-model"),
            pytest.param(
                (),
                {
                    "THINKALOUD_PROVIDERS__X__BASE_URL": "http://127.0.0.1:1/v1",
                    "THINKALOUD_PROVIDERS__X__API_KEY_ENV": "NOT_THERE",
                },
                "the variable NOT_THERE is not set",
                id="no-key",
            ),
        ],
    )
    def test_a_wrong_configuration_is_exit_code_2(
        self, tmp_path: Path, flags: tuple[str, ...], environ: dict[str, str], said: str
    ) -> None:
        ended = refused(tmp_path, "--data-dir", str(tmp_path), *flags, **environ)
        assert ended.returncode == 2
        assert said in ended.stderr
        assert "Traceback" not in ended.stderr

    def test_a_key_and_the_users_words_are_in_no_log_and_no_output(self, tmp_path: Path) -> None:
        keys = {
            "THINKALOUD_PROVIDERS__LOCAL__BASE_URL": "http://127.0.0.1:9/v1",
            "THINKALOUD_PROVIDERS__LOCAL__API_KEY": CANARY,
            "THINKALOUD_LOG__LEVEL": "debug",
        }
        words = "zebra-canary-words"
        with Served(tmp_path, **keys, THINKALOUD_DEFAULT_MODEL="demo/plain") as server:
            assert server.run("chat", words).returncode == 0
            failed = server.run("chat", "--model", "local/m", words)
            models = server.run("models")
            server.signal()
            server.wait()
            log = server.log()
        assert failed.returncode == 1
        assert "UPSTREAM_ERROR" in failed.stderr
        for text in (log, failed.stdout, failed.stderr, models.stdout, models.stderr):
            assert CANARY not in text
            assert words not in text


class TestChat:
    def test_in_a_pipe_the_answer_is_all_of_standard_output(self, served: Served) -> None:
        ended = served.run("chat", QUESTION)
        assert ended.returncode == 0
        assert "391" in ended.stdout
        assert ended.stdout.endswith("\n")
        assert "think" not in ended.stdout
        assert ended.stderr == ""

    def test_words_without_quotes_and_standard_input_are_questions(self, served: Served) -> None:
        chat = ("chat", "--model", "demo/plain")
        assert "391" in served.run(*chat, "What", "is", "17*23?").stdout
        assert "391" in served.run(*chat, "-", stdin="What is 17*23?\n").stdout
        assert "391" in served.run(*chat, stdin="What is 17*23?\n").stdout

    def test_reasoning_goes_to_standard_error_on_request(self, served: Served) -> None:
        ended = served.run("chat", "--show-reasoning", QUESTION)
        assert "17*20 = 340" in ended.stderr
        assert "17*20 = 340" not in ended.stdout

    def test_json_is_the_whole_stream_in_order(self, served: Served) -> None:
        ended = served.run("chat", "--json", QUESTION)
        found = events(ended.stdout)
        assert [found[0]["event"], found[-1]["event"]] == ["start", "complete"]
        assert [event["sequence"] for event in found] == list(range(1, len(found) + 1))
        assert joined(found, "token") == found[-1]["data"]["response"]
        assert joined(found, "reasoning") == found[-1]["data"]["reasoning"] != ""
        assert {event["run_id"] for event in found} == {found[0]["data"]["run_id"]}

    def test_reasoning_that_is_not_asked_for_does_not_come(self, served: Served) -> None:
        found = events(served.run("chat", "--json", "--no-reasoning", QUESTION).stdout)
        assert "reasoning" not in {event["event"] for event in found}
        assert "reasoning" not in found[-1]["data"]

    def test_ctrl_c_stops_the_run_and_exits_130(self, served: Served) -> None:
        chat = served.begin("chat", "--json", "--model", "demo/slow", "hello")
        assert chat.stdout is not None
        run_id = json.loads(chat.stdout.readline())["run_id"]
        chat.send_signal(signal.SIGINT)
        _, errors = chat.communicate(timeout=30)
        assert chat.returncode == 130
        assert errors == "stopped\n"
        shown = json.loads(served.run("runs", "show", run_id, "--json").stdout)
        assert shown["finish_reason"] == "stopped"

    def test_ctrl_c_stops_a_run_that_is_watched_again(self, served: Served) -> None:
        run_id = served.run("chat", "--detach", "--model", "demo/slow", "hello").stdout.strip()
        watching = served.begin("chat", "--json", "--resume", run_id)
        assert watching.stdout is not None
        watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        watching.communicate(timeout=30)
        assert watching.returncode == 130
        assert json.loads(served.run("runs", "show", run_id, "--json").stdout)["finish_reason"] == "stopped"

    def test_a_second_terminal_sees_the_same_run_and_goes_on_from_any_event(self, served: Served) -> None:
        first = served.begin("chat", "--json", QUESTION)
        assert first.stdout is not None
        line = first.stdout.readline()
        run_id = json.loads(line)["run_id"]
        second = served.run("chat", "--json", "--resume", run_id)
        out, _ = first.communicate(timeout=30)
        found = events(line + out)
        assert events(second.stdout) == found
        later = served.run("chat", "--json", "--resume", run_id, "--after", "5")
        assert events(later.stdout) == found[5:]

    def test_a_detached_run_prints_its_id_and_goes_on_alone(self, served: Served) -> None:
        run_id = served.run("chat", "--detach", QUESTION).stdout.strip()
        assert re.fullmatch(r"run_[0-9a-f]{32}", run_id)
        resumed = served.run("chat", "--resume", run_id)
        assert resumed.returncode == 0
        assert "391" in resumed.stdout

    def test_a_reader_that_has_had_enough_stops_the_run(self, served: Served) -> None:
        chat = served.begin("chat", "--json", "--model", "demo/slow", "hello")
        assert chat.stdout is not None
        run_id = json.loads(chat.stdout.readline())["run_id"]
        chat.stdout.close()
        assert chat.wait(30) == 128 + signal.SIGPIPE
        assert chat.stderr is not None
        assert chat.stderr.read() == ""
        chat.stderr.close()
        assert json.loads(served.run("runs", "show", run_id, "--json").stdout)["finish_reason"] == "stopped"

    @pytest.mark.parametrize(
        ("words", "status", "said"),
        [
            (("--model", "demo/reasonr", "x"), 1, "demo/reasoner"),
            (("--model", "demo/error-before", "x"), 1, "error: UPSTREAM_ERROR: "),
            (("--model", "demo/truncated", "x"), 1, "error: UPSTREAM_TRUNCATED: "),
            (("--model", "demo/rate-limited", "x"), 1, "Try again in "),
            (("--conversation", "conv_" + 32 * "0", "x"), 1, "error: NOT_FOUND: "),
            (("--resume", "run_" + 32 * "0"), 1, "error: NOT_FOUND: "),
            (("--resume", "nonsense"), 1, "error: INVALID_ID: "),
            (("--resume", "run_" + 32 * "0", "x"), 2, "takes no text"),
            (("--address", "127.0.0.1:1", "x"), 3, "Is the server running?"),
            (("   ",), 2, "no text"),
        ],
        ids=lambda value: value if isinstance(value, str) else None,
    )
    def test_failures_have_exit_codes_and_words(
        self, served: Served, words: tuple[str, ...], status: int, said: str
    ) -> None:
        ended = served.run("chat", *words)
        assert ended.returncode == status
        assert said in ended.stderr
        assert "Traceback" not in ended.stderr
        if status == 1:
            assert re.search(r"\(request [\w.-]+\)", ended.stderr)

    def test_a_conversation_goes_on(self, served: Served) -> None:
        first = events(served.run("chat", "--json", "--model", "demo/plain", "What is 6*7?").stdout)
        conversation = first[0]["data"]["conversation_id"]
        again = events(served.run("chat", "--json", "--conversation", conversation, "What is 6*8?").stdout)
        assert again[0]["data"]["conversation_id"] == conversation
        shown = served.run("conversations", "show", conversation).stdout
        assert shown.index("6*7") < shown.index("42") < shown.index("6*8") < shown.index("48")


class TestTerminal:
    """On a pseudo-terminal: what a person sees, with what was drawn and erased in it."""

    def watch(self, served: Served, *words: str, typed: list[tuple[str, str]] | None = None) -> tuple[int, str]:
        """Run a command; type each text once what it waits for has come."""
        ours, theirs = pty.openpty()
        process = served.begin(*words, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        seen, typing = "", list(typed or [])
        try:
            while True:
                try:
                    data = os.read(ours, 65_536)
                except OSError:  # Linux says so when the other side has closed
                    break
                seen += data.decode("utf-8", "replace")
                if typing and typing[0][0] in seen.rpartition("\x00")[2]:
                    self.type(process, ours, typing.pop(0)[1])
                    seen += "\x00"
            status = process.wait(30)
        finally:
            os.close(ours)
            process.kill()
            process.wait()
        return status, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x00", "", seen)

    def type(self, process: subprocess.Popen[str], terminal: int, text: str) -> None:
        """Ctrl-C is sent as what it becomes: the terminal is not the process's controlling one."""
        if text == "\x03":
            process.send_signal(signal.SIGINT)
        else:
            os.write(terminal, text.encode())

    def test_reasoning_is_shown_and_folds_into_one_line(self, served: Served) -> None:
        status, seen = self.watch(served, "chat", QUESTION)
        assert status == 0
        assert "17*20 = 340" in seen
        final = seen[seen.rindex("thought for ") :]
        assert re.match(r"thought for \d+\.\d s", final)
        assert "391" in final
        assert "17*20" not in final

    def test_questions_at_the_prompt_are_one_conversation(self, served: Served) -> None:
        typed = [("› ", "What is 6*7?\n"), ("tokens", "What is 6*8?\n"), ("tokens", "/quit\n")]
        status, seen = self.watch(served, "chat", typed=typed)
        assert status == 0
        assert "42" in seen
        assert "48" in seen
        newest = served.run("conversations", "--limit", "1").stdout.split("\t")
        assert newest[2] == "4"

    def test_a_stopped_answer_leaves_the_prompt_and_the_conversation(self, served: Served) -> None:
        typed = [
            ("› ", "hello\n"),
            ("waiting for demo/slow", "\x03"),
            ("stopped", "/model demo/plain\n"),
            ("› ", "hi\n"),
        ]
        status, _ = self.watch(served, "chat", "--model", "demo/slow", typed=[*typed, ("tokens", "/quit\n")])
        assert status == 0
        newest = served.run("conversations", "--limit", "1").stdout.split("\t")
        assert newest[2:] == ["3", "hello\n"]

    def test_tables_have_a_head_on_a_terminal_only(self, served: Served) -> None:
        _, seen = self.watch(served, "models")
        assert "context" in seen
        assert "context" not in served.run("models").stdout


class TestLists:
    def test_models_are_listed_searched_and_switched(self, served: Served) -> None:
        ids = [line.split("\t")[1] for line in served.run("models").stdout.splitlines()]
        assert "demo/reasoner" in ids
        found = served.run("models", "--search", "TAGS", "--json")
        assert [json.loads(line)["id"] for line in found.stdout.splitlines()] == ["demo/tags"]
        thinking = served.run("models", "--reasoning", "any", "--json").stdout.splitlines()
        assert {json.loads(line)["reasoning"] for line in thinking} <= {"optional", "mandatory"}
        assert thinking
        assert served.run("models", "--min-context", "1M").stdout == ""
        nobody = served.run("models", "--provider", "nobody")
        assert (nobody.returncode, "NOT_FOUND" in nobody.stderr) == (1, True)
        assert served.run("models", "switch", "demo/plain").stdout == "demo/plain\n"
        assert "*\tdemo/plain" in served.run("models").stdout
        assert served.run("models", "switch", "demo/reasoner").returncode == 0
        assert served.run("models", "switch", "demo/nothing").returncode == 1

    def test_runs_are_listed_shown_and_stopped(self, served: Served) -> None:
        run_id = served.run("chat", "--detach", "--model", "demo/slow", "hello").stdout.strip()
        assert run_id in served.run("runs", "--state", "running").stdout
        assert "stopped" in served.run("runs", "stop", run_id).stdout
        assert run_id not in served.run("runs", "--state", "running").stdout
        assert json.loads(served.run("runs", "--json", "--limit", "1").stdout)["run_id"] == run_id

    def test_a_conversation_is_deleted_with_its_runs(self, served: Served) -> None:
        start = events(served.run("chat", "--json", "--model", "demo/plain", "hello").stdout)[0]["data"]
        conversation, run_id = start["conversation_id"], start["run_id"]
        assert conversation in served.run("conversations").stdout
        assert served.run("conversations", "delete", conversation).returncode == 0
        assert served.run("conversations", "show", conversation).returncode == 1
        assert served.run("runs", "show", run_id).returncode == 1

    def test_health_is_an_exit_code(self, served: Served) -> None:
        assert served.run("health").returncode == 0
        assert json.loads(served.run("health", "--json").stdout)["status"] == "healthy"
        assert served.run("health", "--address", "127.0.0.1:1").returncode == 3

    def test_the_effective_configuration_masks_keys(self, served: Served, tmp_path: Path) -> None:
        file = tmp_path / "x.toml"
        file.write_text(
            f'[providers.local]\nbase_url = "http://192.168.0.9/v1"\napi_key = "{CANARY}"\n', encoding="utf-8"
        )
        ended = served.run("config", "check", "--config", str(file))
        assert ended.returncode == 0
        assert 'api_key = "***"' in ended.stdout
        assert CANARY not in ended.stdout + ended.stderr
        assert "caution: providers.local.base_url" in ended.stderr
