"""A line with a history, for pages to show: pictures, versions, predictions, things to review, a run, a candidate."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sortline.flows.set_aside import set_aside
from sortline.flows.work import run_next_import
from sortline.jobs.worker import run_jobs
from sortline.training.assess import TRASHNET
from sortline.wiring import import_tools, job_kinds
from tests.api.catalogue import zipped
from tests.browser.visiting import DATA
from tests.importing import scene
from tests.running import RunningServer
from tests.training_runs import COLOURS, blot


@contextmanager
def working(server: RunningServer) -> Iterator[None]:
    """A worker beside the server does its jobs."""
    ready, stop = server.services.installation, threading.Event()
    worker = threading.Thread(target=run_jobs, args=(ready.engine, job_kinds(ready), {}, stop), daemon=True)
    worker.start()
    try:
        yield
    finally:
        stop.set()
        worker.join(timeout=120)


def photos(count: int) -> list[tuple[str, bytes]]:
    """So many pictures with their classes, in turns: real ones where the data folder is there, else drawn ones."""
    root = next((path.parent for path in sorted((DATA / "trashnet").rglob("glass"))), None)
    if root is None:
        return drawn(count)
    each = {name: sorted((root / name).glob("*.jpg")) for name in TRASHNET}
    names = list(TRASHNET)
    return [
        (TRASHNET[name], each[name][n // len(names)].read_bytes())
        for n in range(count)
        for name in [names[n % len(names)]]
    ]


def drawn(count: int, first: int = 0) -> list[tuple[str, bytes]]:
    """So many drawn pictures with their classes, in turns."""
    names = list(COLOURS)
    return [(names[n % len(names)], blot(names[n % len(names)], n)) for n in range(first, first + count)]


def fill(server: RunningServer, line: str, pictures: list[tuple[str, bytes]]) -> None:
    """The line has these pictures, and a version of them."""
    archive = zipped({f"{name}/{n:04d}.jpg": data for n, (name, data) in enumerate(pictures)})
    sent = server.client.post(f"/api/v1/lines/{line}/imports", files={"file": ("photos.zip", archive)})
    assert sent.status_code == 202, sent.text
    installation = server.services.installation
    while run_next_import(installation.engine, lambda: import_tools(installation), threading.Event()):
        pass


def ran(server: RunningServer, line: str, **wanted: object) -> dict[str, Any]:
    """A training run of the line as it ended."""
    begun = server.client.post(f"/api/v1/lines/{line}/runs", json={"method": "probe", **wanted})
    assert begun.status_code == 202, begun.text
    url = f"/api/v1/lines/{line}/runs/{begun.json()['id']}"
    with working(server):
        while (found := server.client.get(url).json())["state"] in ("queued", "running"):
            time.sleep(0.05)
    assert found["state"] == "succeeded", found["error"]
    return dict(found)


def to_review(server: RunningServer, line: str, count: int, first: int = 0) -> None:
    """So many drawn pictures wait for a person."""
    services = server.services
    for n in range(first, first + count):
        set_aside(
            services.engine,
            services.installation.blobs,
            services.live[line].id,
            scene(96, 5000 + n),
            guessed=None,
            source="belt-1",
        )


def classified(server: RunningServer, line: str, pictures: list[tuple[str, bytes]]) -> None:
    """These pictures were classified."""
    for n, (_, data) in enumerate(pictures):
        answer = server.client.post(
            f"/api/v1/lines/{line}/classify?source=belt-1", files={"image": (f"{n}.jpg", data)}
        )
        assert answer.status_code == 200, answer.text
