"""LiteLLM's own proxy before the bench's provider, on the server's core. Its virtual environment is made by

bash -c '. scripts/venv; VENV=build/venv-litellm; use_venv litellm'
"""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from process import HERE, SERVER_CORE, Server, pinned

PROXY = HERE.parents[1] / "build" / "venv-litellm" / "bin" / "litellm"
READY_S = 120.0
CONFIG = """\
model_list:
  - model_name: bench
    litellm_params:
      model: openai/bench
      api_base: http://%s/v1
      api_key: none
"""


@contextmanager
def proxy(upstream: str) -> Iterator[Server]:
    """The proxy, once it answers."""
    if not PROXY.exists():
        raise SystemExit(f"there is no {PROXY}: {(__doc__ or '').splitlines()[2].strip()}")
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        config = Path(folder) / "litellm.yaml"
        config.write_text(CONFIG % upstream)
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        environment = {
            **os.environ,
            "LITELLM_MODE": "PRODUCTION",
            "LITELLM_LOG": "ERROR",
            # Prices are otherwise fetched when it starts.
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            # Nobody is asked for a key, here as there.
            "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
        }
        process = pinned(
            SERVER_CORE,
            *(str(PROXY), "--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"),
            env=environment,
            stderr=None if os.environ.get("BENCH_VERBOSE") else subprocess.DEVNULL,
            cwd=folder,
        )
        try:
            _wait(process, port)
            yield Server(process, grpc="", http=f"127.0.0.1:{port}")
        finally:
            process.terminate()
            process.wait(20)


def _wait(process: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/liveliness", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise SystemExit("LiteLLM's proxy did not start; BENCH_VERBOSE=1 shows what it says")
