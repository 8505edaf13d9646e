"""A server of our own to measure: started as a user would start it, asked over HTTP, and always stopped."""

import contextlib
import http.client
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# How long a server may take to become ready, and to stop.
START_SECONDS, STOP_SECONDS = 180, 60
# What would make the server another than a user's, whose Python keeps what it compiled at the first start.
NOT_HANDED_ON = ("DATABASE_URL", "PORT", "PYTHONDONTWRITEBYTECODE")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    """A server process that is ready; `ready_s` is the time from its start to that."""

    process: subprocess.Popen[bytes]
    port: int
    ready_s: float

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def peak_mb(self) -> float:
        """The most memory the process ever had resident, in MB of 10⁶ bytes (Linux: VmHWM)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(kib) * 1024 / 1e6

    def ask(self, method: str, path: str, document: Any = None) -> Any:
        """The JSON answer of a route.

        Raises:
            RuntimeError: it is not a success; with the answer.
        """
        status, answer = _exchange(self.port, method, path, document)
        if status >= 300:
            raise RuntimeError(f"{method} {path} answered {status}: {answer[:500]!r}")
        return json.loads(answer)


@contextmanager
def running_server(
    data_dir: Path, *, log: Path, database_url: str | None = None, variables: Mapping[str, str] | None = None
) -> Iterator[RunningServer]:
    """A ready server on a free port of the loopback address; it is gone when the block ends, however it ends."""
    port = free_port()
    command = [*program(), "serve", "--port", str(port), "--data-dir", str(data_dir)]
    environment = {name: value for name, value in os.environ.items() if name not in NOT_HANDED_ON}
    environment |= {"SORTLINE_DATABASE_URL": database_url} if database_url else {}
    # So that `ask` may do what an admin does. Who a caller is is found out all the same, as without.
    environment |= {"SORTLINE_INSECURE": "true"}
    environment |= variables or {}
    with log.open("ab") as output:
        begun = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
    try:
        _wait_until_ready(process, port, log)
        yield RunningServer(process=process, port=port, ready_s=time.perf_counter() - begun)
    finally:
        stop(process)


def program() -> list[str]:
    """The command line that runs `sortline` of this Python."""
    script = shutil.which("sortline", path=str(Path(sys.executable).parent))
    return [script] if script else [sys.executable, "-m", "sortline.cli.main"]


def stop(process: subprocess.Popen[bytes]) -> None:
    """The process is gone: asked first, killed if it does not listen."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.kill()
        process.wait()


def free_port() -> int:
    """A port of the loopback address that nobody listens on now.

    Below those that the system itself gives out, so that none else gets it before the server does.
    """
    while True:
        port = random.randrange(20_000, 30_000)
        with contextlib.suppress(OSError), socket.socket() as found:
            found.bind(("127.0.0.1", port))
            return port


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.perf_counter() + START_SECONDS
    while time.perf_counter() < end:
        if process.poll() is not None:
            raise SystemExit(f"The server ended as it started:\n{log.read_text(errors='replace')[-2000:]}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            if _exchange(port, "GET", "/health/ready")[0] == 200:
                return
        time.sleep(0.01)
    raise SystemExit(f"The server was not ready after {START_SECONDS} s:\n{log.read_text()[-2000:]}")


def _exchange(port: int, method: str, path: str, document: Any = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        body = None if document is None else json.dumps(document)
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
