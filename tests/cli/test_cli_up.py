"""`sortline up`: it says where it is, serves there, and leaves cleanly."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from sortline.cli.server import CannotListen, bind
from tests.cli.conftest import Sortline, environment
from tests.pictures import photo


@pytest.fixture
def up(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A running `sortline up` on a free port."""
    command = [sys.executable, "-m", "sortline.cli.main", "up", "--port", "0"]
    env = environment(tmp_path)
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        yield process
        if process.poll() is None:
            process.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
def test_up_prints_its_link_serves_and_ends_on_ctrl_c(up: subprocess.Popen[str]) -> None:
    """The printed link answers, the printed curl line's route classifies, and Ctrl-C ends it with exit code 0."""
    assert up.stdout is not None
    told = "".join(up.stdout.readline() for _ in range(4))
    (link,) = set(re.findall(r"http://127\.0\.0\.1:\d+", told))
    assert f"curl -F image=@photo.jpg {link}/predict" in told
    answer = httpx.post(f"{link}/predict", files={"image": photo(400, 300)})
    assert answer.json()["success"]
    assert httpx.get(f"{link}/health/ready").status_code == 200
    os.kill(up.pid, signal.SIGINT)
    _, errors = up.communicate(timeout=90)
    assert (up.returncode, errors) == (0, "")


def test_a_body_in_pieces_is_the_body_as_a_whole(up: subprocess.Popen[str]) -> None:
    """Whatever pieces a picture comes in, of whatever sizes, on a connection that is used again."""
    assert up.stdout is not None
    (link,) = re.findall(r"http://127\.0\.0\.1:\d+", up.stdout.readline())
    data = photo(1600, 1200)
    cuts = ((), (len(data) // 2,), (1, 1000, 1001, len(data) - 1), ())

    def pieces(*at: int) -> Iterator[bytes]:
        for start, end in pairwise((0, *at, len(data))):
            yield data[start:end]
            time.sleep(0.05)

    with httpx.Client(headers={"Content-Type": "image/jpeg"}) as client:
        answers = [
            client.post(f"{link}/api/v1/lines/waste/classify", content=pieces(*at)).json() for at in cuts
        ]
    assert len({json.dumps(answer["probabilities"]) for answer in answers}) == 1


def test_a_taken_port_is_told_in_one_line(sortline: Sortline) -> None:
    """Where something listens already, it is said at once, with another port to try."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = sortline("up", "--port", str(port))
    assert result.returncode == 1
    assert f"127.0.0.1:{port}: the port is taken" in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_address_of_another_machine_is_refused() -> None:
    """192.0.2.0/24 belongs to documentation, so to no machine."""
    with pytest.raises(CannotListen, match="no address of this machine"):
        bind("192.0.2.1", 8000)


def test_an_answer_before_the_whole_body_is_read(up: subprocess.Popen[str]) -> None:
    """Whoever sends too much is told so, not cut off; the connection ends, and what comes after is not looked at."""
    assert up.stdout is not None
    (link,) = re.findall(r"http://127\.0\.0\.1:\d+", up.stdout.readline())
    url = httpx.URL(link)
    size = 100 * 2**20
    head = f"POST /api/v1/lines/waste/classify HTTP/1.1\r\nHost: {url.host}:{url.port}\r\nContent-Type: image/jpeg\r\n"
    with socket.create_connection((url.host, url.port or 0), timeout=60) as client:
        client.sendall(f"{head}Content-Length: {size}\r\n\r\n".encode())
        for _ in range(100):
            client.sendall(bytes(size // 100))
        client.sendall(f"GET /health/live HTTP/1.1\r\nHost: {url.host}\r\n\r\n".encode())
        told = b"".join(iter(lambda: client.recv(65536), b""))
    assert told.startswith(b"HTTP/1.1 413 ")
    assert b"send smaller or fewer pictures" in told
    assert told.count(b"HTTP/1.1") == 1
