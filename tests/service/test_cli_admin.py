"""The admin port of a server as a process; what it answers is `test_admin.py`'s."""

from __future__ import annotations

import re
import socket
import subprocess
import urllib.request
from pathlib import Path

from fakes.served import Served, command, environment


def test_it_is_in_the_ready_line_and_answers_until_the_end(tmp_path: Path) -> None:
    with Served(tmp_path, "--admin-address", "127.0.0.1:0") as server:
        found = re.fullmatch(r"ready grpc=\S+ http=\S+ admin=(127\.0\.0\.1:[1-9]\d*)\n", server.ready)
        assert found is not None, server.ready
        with urllib.request.urlopen(f"http://{found[1]}/metrics", timeout=10) as response:
            assert b"\nthinkaloud_build_info{" in response.read()
        server.signal()
        assert server.wait() == 0
        assert "Traceback" not in server.log()


def test_an_address_in_use_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        words = command(
            *("serve", "--grpc-address", "127.0.0.1:0", "--http-address", "off", "--admin-address", address)
        )
        ended = subprocess.run(
            words, capture_output=True, text=True, timeout=30, env=environment(tmp_path), check=False
        )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"error: cannot listen on {address}" in ended.stderr
