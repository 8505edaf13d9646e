"""A server killed under load: what was acknowledged is there, once, and every picture for review is whole."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
from sqlalchemy import select

from sortline.db.engine import connect
from sortline.db.session import reading
from sortline.monitoring.tables import predictions
from sortline.review.tables import review_items
from sortline.storage.blobs import LocalBlobs
from tests.pictures import drawn, encode

SERVE = """
import sys, uvicorn
from pathlib import Path
from sortline.api.app import create_app
from sortline.settings import Settings
settings = Settings(data_dir=Path(sys.argv[1]), database_url=sys.argv[2])
uvicorn.run(create_app(settings), port=int(sys.argv[3]), log_config=None, access_log=False)
"""
CLIENTS = 4


def free_port() -> int:
    """A port nobody listens on."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def start(folder: Path, url: str, port: int) -> subprocess.Popen[bytes]:
    """A server process, ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(folder), url, str(port)], stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health/ready").status_code == 200:
                return process
        except httpx.HTTPError:
            time.sleep(0.05)
    raise RuntimeError("the server did not become ready")


def send_until_killed(port: int, number: int, acknowledged: list[dict[str, str]], sent: list[int]) -> None:
    """Sends one new picture after another, and notes each answer that arrived whole."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
        for turn in range(10_000):
            picture = encode(drawn(80, 60, seed=number * 10_000 + turn))
            sent[0] += 1
            try:
                answer = client.post("/api/v1/lines/waste/classify", files={"image": ("p.jpg", picture)})
                acknowledged.append(answer.raise_for_status().json())
            except (httpx.HTTPError, json.JSONDecodeError):
                return


def test_acknowledged_survives_kill(database_url: str, tmp_path: Path) -> None:
    """Every acknowledged id is recorded exactly once, and every answer that said review has its picture and item."""
    port, acknowledged = free_port(), list[dict[str, str]]()
    folder = tmp_path / "data"
    process = start(folder, database_url, port)
    httpx.patch(
        f"http://127.0.0.1:{port}/api/v1/lines/waste",
        json={"policy": {"sample_share": 0.5, "min_confidence": 0, "ood_threshold": 1e9, "min_side": 1}},
    ).raise_for_status()
    for round_ in range(2):
        if round_:
            process = start(folder, database_url, port)
        counters = [[0] for _ in range(CLIENTS)]
        clients = [
            threading.Thread(
                target=send_until_killed, args=(port, round_ * CLIENTS + n, acknowledged, counters[n])
            )
            for n in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        before = len(acknowledged)
        while len(acknowledged) < before + 40:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        for client in clients:
            client.join()
    check(database_url, folder, acknowledged, in_flight=2 * CLIENTS)


def check(url: str, folder: Path, acknowledged: list[dict[str, str]], in_flight: int) -> None:
    """Holds the database and the pictures against what clients were told."""
    engine = connect(url)
    with reading(engine) as session:
        recorded = list(session.scalars(select(predictions.c.id)))
        items = {row.prediction_id: row.image_sha256 for row in session.execute(select(review_items))}
    engine.dispose()
    ids = [answer["id"] for answer in acknowledged]
    assert len(recorded) == len(set(recorded))
    assert set(ids) <= set(recorded)
    assert len(ids) <= len(recorded) <= len(ids) + in_flight
    reviewed = [answer["id"] for answer in acknowledged if answer["verdict"] == "review"]
    assert len(reviewed) > 10
    assert set(reviewed) <= set(items)
    blobs = LocalBlobs(folder / "blobs")
    for sha256 in items.values():
        assert hashlib.sha256(blobs.get(sha256)).hexdigest() == sha256
    blobs.close()
