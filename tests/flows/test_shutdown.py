"""A server told to stop answers what it has accepted."""

import signal
import threading
from pathlib import Path

import httpx

from running_server import RunningServer, running_server
from tests.pictures import photo
from tests.waiting import soon


def taken(server: RunningServer) -> float:
    """Classify requests that the server has taken: those under way and, of batches, those it has answered."""
    told = [line.rpartition(" ") for line in httpx.get(f"{server.url}/metrics").text.splitlines()]
    return sum(
        float(value)
        for name, _, value in told
        if name == "sortline_requests_in_flight"
        or (name.startswith("sortline_requests_total{") and "/batch" in name)
    )


def test_accepted_requests_are_answered(tmp_path: Path) -> None:
    """Twelve requests under way when SIGTERM comes are all answered and recorded; then the process ends by itself."""
    answers: list[int] = []
    with running_server(tmp_path, log=tmp_path / "log") as server:

        def send(number: int) -> None:
            files = [("images", (f"{n}.jpg", photo(seed=number * 8 + n))) for n in range(8)]
            url = f"{server.url}/api/v1/lines/waste/classify/batch"
            answer = httpx.post(url, files=files, timeout=120)
            answers.append(answer.json()["total"] - answer.json()["failed"])

        clients = [threading.Thread(target=send, args=(number,)) for number in range(12)]
        for client in clients:
            client.start()
        soon(lambda: taken(server) == 12)
        server.process.send_signal(signal.SIGTERM)
        for client in clients:
            client.join()
        assert server.process.wait(timeout=120) in (0, -signal.SIGTERM)
    assert answers == [8] * 12
    with running_server(tmp_path, log=tmp_path / "log") as again:
        assert again.ask("GET", "/api/v1/lines/waste/counts")["total"] == 96
