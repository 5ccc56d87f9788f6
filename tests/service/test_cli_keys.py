"""Keys from the command line, with a server that runs meanwhile."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from fakes.served import Served


class KeyedServed(Served):
    """One that asks for keys; `key` is what its commands bring."""

    key = ""

    def client_environment(self) -> dict[str, str]:
        return {**super().client_environment(), **({"THINKALOUD_API_KEY": self.key} if self.key else {})}

    def keys(self, *words: str) -> str:
        ended = self.run("keys", *words, "--data-dir", str(self.home / "data"))
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()

    def ask(self) -> subprocess.CompletedProcess[str]:
        return self.run("chat", "--model", "demo/plain", "What is 6*7?")


def test_a_key_that_is_made_while_the_server_runs_lets_its_caller_in_until_it_is_revoked(tmp_path: Path) -> None:
    with KeyedServed(tmp_path, "--auth") as server:
        cautions = [json.loads(line).get("caution", "") for line in server.log().splitlines()]
        assert any("thinkaloud keys create" in caution for caution in cautions)
        refused = server.ask()
        assert refused.returncode == 1
        assert "AUTH_REQUIRED" in refused.stderr
        server.key = server.keys("create", "--name", "laptop")
        assert server.ask().returncode == 0, "the server did not notice the key"
        watching = server.begin("chat", "--json", "--model", "demo/slow", "hello")
        assert watching.stdout is not None
        watching.stdout.readline()
        server.keys("revoke", server.key)
        out, errors = watching.communicate(timeout=5)
        assert watching.returncode == 1
        assert "AUTH_REVOKED" in errors + out
        assert "AUTH_REVOKED" in server.ask().stderr
        pepper = (tmp_path / "data" / "pepper").read_text().strip()
        for secret in (server.key[14:], pepper):
            assert secret not in server.log()


def test_a_public_address_with_keys_is_served(tmp_path: Path) -> None:
    with KeyedServed(tmp_path, "--auth", "--grpc-address", "0.0.0.0:0", "--http-address", "off") as server:
        assert "whoever reaches" not in server.log()
