"""The review queue at a million items: the next page, a decision, an undo, a look for what is similar, the kinds
of things that wait, the figures.

    python benchmarks/review.py [--quick] [--database-url URL] [--items 1000000]

The items are drawn: 500 kinds, each a cluster, with vectors as the queue keeps them; what is decided about are real
files. A server is started on them as a user would start it, and asked over HTTP, one request at a time: what is timed
is what a client waits for, from its first byte to the last of the answer. The last line is JSON with the medians;
benchmarks/README.md says what its keys are.
"""

from __future__ import annotations

import argparse
import http.client
import json
import math
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from drawn_queue import drawn, fill_queue, open_items
from running_server import RunningServer, running_server
from sortline.accounts.scopes import Scope
from sortline.accounts.store.keys import create_key
from sortline.db.base import metadata
from sortline.db.engine import connect
from sortline.db.session import reading, writing
from sortline.lines import store as lines
from sortline.review.lease import MOST
from sortline.review.store.items import change_items, count_open
from sortline.storage.local import LocalBlobs
from sortline.wiring import TABLES

CLASSES = tuple(f"class-{number:02}" for number in range(12))
# Requests of each kind before the first that is timed: a server that has just started has yet to make its statements.
WARM = 5
# What a decision writes to the log of the database, about, when its commit is flushed.
_FLUSHED_BYTES = 40_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A line with a long queue: some of its items, those that have real pictures, and API keys of people."""

    line: str
    line_id: int
    real: Sequence[str]
    drawn: Sequence[str]
    keys: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one kind of request took: median and 95th percentile in ms, and the server's processor time, ms each."""

    median: float
    p95: float
    cpu: float


def main() -> None:
    """Fill a queue, time it, print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--database-url", default=None)
    parser.add_argument("--items", type=int, default=1_000_000)
    given = parser.parse_args()
    begun = time.monotonic()
    # So many items with real pictures are one person's at a time.
    rounds = (50 if given.quick else MOST) - WARM
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = connect(given.database_url or f"sqlite:///{folder / 'sortline.db'}")
        queue = build(engine, folder, given.items, people=rounds + WARM)
        built = time.monotonic() - begun
        print(f"{given.items:,} items wait, after {built:.0f} s", flush=True)
        with running_server(folder, log=folder / "server.log", database_url=given.database_url) as server:
            costs = timed(server, queue, rounds)
        with reading(engine) as session:
            waiting = count_open(session, queue.line_id)
        engine.dispose()
        flush = flush_ms(folder)
    print("| what | median ms | p95 ms | of it the server's processor, ms |\n|---|---:|---:|---:|")
    for name, cost in costs.items():
        print(f"| {name} | {cost.median:.1f} | {cost.p95:.1f} | {cost.cpu:.1f} |")
    print(f"\nA flush to the disk, of which a decision and an undo wait for one, takes {flush:.1f} ms here.")
    told: dict[str, Any] = {f"{name}_ms_1m": round(cost.median, 2) for name, cost in costs.items()}
    told |= {f"{name}_cpu_ms": round(cost.cpu, 2) for name, cost in costs.items()}
    told |= {"flush_ms": round(flush, 2), "built_s": round(built, 1), "database": engine.dialect.name}
    print(json.dumps(told | {"n": waiting, "seconds": round(time.monotonic() - begun, 1)}))


def build(engine: Engine, folder: Path, count: int, *, people: int) -> Queue:
    """A line on which so many items wait, as many of them as there are people with pictures that can be labelled."""
    from sortline.db.migrate import migrate

    assert TABLES
    migrate(engine, metadata)
    name = f"queue-{time.time_ns()}"
    with writing(engine) as session:
        line_id = lines.create_line(session, name, class_names=CLASSES).id
        people_names = [f"person-{time.time_ns()}-{number}" for number in range(people)]
        keys = [
            create_key(session, name=one, scopes=[Scope.REVIEW], who="benchmark")[1] for one in people_names
        ]
    ids = fill_queue(engine, line_id, count - people, classes=CLASSES)
    return Queue(
        line=f"/api/v1/lines/{name}/review",
        line_id=line_id,
        real=_real(engine, folder, line_id, people),
        drawn=random.Random(7).sample(ids, people),
        keys=keys,
    )


def timed(server: RunningServer, queue: Queue, rounds: int) -> dict[str, Cost]:
    """What each kind of request took."""
    client = _Client(server)

    def page(place: int) -> None:
        found = client.ask("POST", f"{queue.line}/lease", queue.keys[place], {"limit": 20})
        assert len(found["items"]) == 20

    def label(place: int) -> None:
        said = {"item": queue.real[place], "action": "label", "class": CLASSES[place % 12]}
        said |= {"ms": 1200, "key": f"key-{place}"}
        found = client.ask("POST", f"{queue.line}/decide", queue.keys[0], {"decisions": [said]})
        assert not found["refused"]

    def back(_: int) -> None:
        found = client.ask("POST", f"{queue.line}/undo", queue.keys[0], {})
        assert len(found["undone"]) == 1

    def alike(place: int) -> None:
        found = client.ask("GET", f"{queue.line}/{queue.drawn[place]}/similar?limit=50", queue.keys[0])
        assert len(found["items"]) == 50

    def kinds(_: int) -> None:
        assert len(client.ask("GET", f"{queue.line}/clusters?limit=20", queue.keys[0])["clusters"]) == 20

    def figures(_: int) -> None:
        assert client.ask("GET", f"{queue.line}/stats", queue.keys[0])["waiting"]

    def costs(work: Callable[[int], None], rounds: int) -> Cost:
        for place in range(WARM):
            work(place)
        took, cpu = [], _cpu_ms(server)
        for place in range(WARM, WARM + rounds):
            begun = time.perf_counter()
            work(place)
            took.append((time.perf_counter() - begun) * 1000)
        cpu = (_cpu_ms(server) - cpu) / rounds
        return Cost(median=statistics.median(took), p95=statistics.quantiles(took, n=20)[-1], cpu=cpu)

    # A person's key is looked up when it first comes, and then remembered.
    for key in queue.keys:
        client.ask("GET", f"{queue.line}/settings", key)
    # Whoever decides was given the pictures before, and has looked at them for a while.
    asked = {"limit": len(queue.real), "class": CLASSES[0]}
    given = client.ask("POST", f"{queue.line}/lease", queue.keys[0], asked)
    assert {item["id"] for item in given["items"]} == set(queue.real)
    _rest(server)
    return {
        "decide": costs(label, rounds),
        "undo": costs(back, rounds),
        "next": costs(page, rounds),
        "similar": costs(alike, rounds),
        "clusters": costs(kinds, max(5, rounds // 10)),
        "stats": costs(figures, rounds),
    }


def flush_ms(folder: Path) -> float:
    """How long a flush of what a decision writes takes on this disk, the median of 50."""
    took = []
    with (folder / "flushed").open("wb", buffering=0) as file:
        for _ in range(50):
            file.write(os.urandom(_FLUSHED_BYTES))
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - begun) * 1000)
    return statistics.median(took)


class _Client:
    """One connection that is kept, as a browser keeps its own."""

    def __init__(self, server: RunningServer) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)

    def ask(self, method: str, path: str, key: str, document: Mapping[str, Any] | None = None) -> Any:
        """The JSON of a successful answer."""
        body = None if document is None else json.dumps(document)
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{method} {path} answered {answer.status}: {text[:500]!r}")
        return json.loads(text)


def _cpu_ms(server: RunningServer) -> float:
    """Processor time that the server's process has used, ms (Linux)."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def _rest(server: RunningServer) -> None:
    """Returns once the server has done what it does behind an answer."""
    before = -math.inf
    while (after := _cpu_ms(server)) - before > 20:
        before = after
        time.sleep(0.5)


def _real(engine: Engine, folder: Path, line_id: int, count: int) -> list[str]:
    """Ids of so many items with pictures of their own."""
    jpegs = (drawn(seed, grain=33, size=524) for seed in range(count))
    blobs = LocalBlobs(folder / "blobs")
    ids = open_items(engine, blobs, line_id, jpegs, class_name=CLASSES[0])
    with writing(engine) as session:
        # As gathered: they belong to no measurement of clusters. And next in the queue.
        change_items(session, [{"id": one, "cluster_id": 0, "priority": 10.0} for one in ids])
    return ids


if __name__ == "__main__":
    main()
