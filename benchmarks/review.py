"""The review queue at a million items: the next page, a decision, an undo, a look for what is similar.

    python benchmarks/review.py [--quick] [--database-url URL] [--items 1000000]

The items are drawn: 500 kinds, each a cluster, with vectors as the queue keeps them; what is decided about are real
files. Everything that is timed goes through the flows that the API calls, one call at a time; `p95` stands in
the table beside the medians that the JSON has.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Engine, Index, insert

from drawn_pictures import CHUNK
from drawn_queue import drawn, open_items
from sortline.catalogue import tables as _catalogue  # noqa: F401  # the tables of every domain join the metadata
from sortline.db.base import metadata
from sortline.db.bulk import insert_rows
from sortline.db.engine import connect
from sortline.db.ids import new_id
from sortline.db.session import reading, writing
from sortline.flows.ingest import Tools
from sortline.flows.review import Ask, decide
from sortline.flows.review_queue import Wanted, lease_next, similar
from sortline.flows.review_undo import undo
from sortline.lines import store as lines
from sortline.review.clusters import packed, unit
from sortline.review.order import is_control, priority
from sortline.review.store.items import count_open
from sortline.review.tables import review_clusters, review_items, review_vectors
from sortline.storage.objects import ObjectBlobs
from sortline.wiring import TABLES

KINDS, WIDTH = 500, 256
CLASSES = tuple(f"class-{number:02}" for number in range(12))
NOW = datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A line with a long queue, and some of its items that have real pictures."""

    engine: Engine
    tools: Tools
    line_id: int
    real: list[str]
    drawn: list[str]


def main() -> None:
    """Fill a queue, time it, print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--database-url", default=None)
    parser.add_argument("--items", type=int, default=1_000_000)
    given = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        engine = connect(given.database_url or f"sqlite:///{Path(folder) / 'review.db'}")
        rounds = 40 if given.quick else 200
        built = build(engine, given.items, real=2 * rounds)
        print(f"{given.items:,} items wait, after {time.monotonic() - begun:.0f} s", flush=True)
        figures = timed(built, rounds)
        with reading(engine) as session:
            waiting = count_open(session, built.line_id)
        engine.dispose()
    print("| what | median ms | p95 ms |\n|---|---:|---:|")
    for name, (median, p95) in figures.items():
        print(f"| {name} | {median:.1f} | {p95:.1f} |")
    told: dict[str, Any] = {f"{name}_ms_1m": round(median, 2) for name, (median, _) in figures.items()}
    told |= {"database": engine.dialect.name, "n": waiting, "seconds": round(time.monotonic() - begun, 1)}
    print(json.dumps(told))


def build(engine: Engine, count: int, *, real: int) -> Built:
    """A line on which so many items wait, `real` of which have pictures that can be labelled."""
    from sortline.db.migrate import migrate

    assert TABLES
    migrate(engine, metadata)
    with writing(engine) as session:
        line_id = lines.create_line(session, f"queue-{time.time_ns()}", class_names=CLASSES).id
        centres = unit(np.random.default_rng(7).standard_normal((KINDS, WIDTH)))
        clusters = [
            session.execute(insert(review_clusters).returning(review_clusters.c.id), row).scalar_one()
            for row in _cluster_rows(line_id, centres, count)
        ]
    indexes: list[Index] = sorted(review_items.indexes, key=lambda index: str(index.name))
    # Filled without its indexes, which is many times faster; then they are made.
    for index in indexes:
        index.drop(engine)
    ids: list[str] = []
    for start in range(0, count - real, CHUNK):
        ids += _fill(engine, line_id, clusters, centres, start, min(start + CHUNK, count - real))
    for index in indexes:
        index.create(engine)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")
    tools = Tools(engine=engine, blobs=ObjectBlobs(), trained=lambda _: None)
    pictures = _real(tools, line_id, real)
    return Built(
        engine=engine, tools=tools, line_id=line_id, real=pictures, drawn=random.Random(7).sample(ids, 1000)
    )


def timed(built: Built, rounds: int) -> dict[str, tuple[float, float]]:
    """Median and 95th percentile in ms of each operation."""
    people = [f"person {number}" for number in range(rounds)]

    def page(place: int) -> None:
        found = lease_next(
            built.engine,
            built.line_id,
            who=people[place],
            wanted=Wanted(),
            limit=20,
            chance=random.Random(place),
        )
        assert len(found.items) == 20

    def label(place: int) -> None:
        ask = Ask(item=built.real[place], action="label", class_name=CLASSES[place % 12], ms=1200)
        assert not decide(built.tools, built.line_id, [ask], who="ada").refused

    def back(_: int) -> None:
        done, _left = undo(built.tools, built.line_id, [], who="ada")
        assert len(done) == 1

    def alike(place: int) -> None:
        found = similar(built.engine, built.line_id, built.drawn[place], limit=50)
        assert len(found) == 50

    return {
        "next": _times(page, rounds),
        "decide": _times(label, rounds),
        "undo": _times(back, rounds),
        "similar": _times(alike, rounds),
    }


def _times(work: Callable[[int], None], rounds: int) -> tuple[float, float]:
    took = []
    for place in range(rounds):
        begun = time.perf_counter()
        work(place)
        took.append((time.perf_counter() - begun) * 1000)
    return statistics.median(took), statistics.quantiles(took, n=20)[-1]


def _cluster_rows(line_id: int, centres: np.ndarray, count: int) -> list[dict[str, object]]:
    return [
        {
            "line_id": line_id,
            "space": "ab" * 32,
            "centre": row,
            "size": count // KINDS,
            "made_at": NOW,
            "newest_at": NOW,
        }
        for row in packed(centres)
    ]


def _fill(
    engine: Engine, line_id: int, clusters: list[int], centres: np.ndarray, start: int, end: int
) -> list[str]:
    """Ids of the items from `start` to `end`, which wait now."""
    draw = np.random.default_rng(start)
    n = end - start
    kinds = draw.integers(0, KINDS, n)
    vectors = packed(unit(centres[kinds] + 0.4 * unit(draw.standard_normal((n, WIDTH)))))
    confidence, novelty = draw.random(n), draw.random(n)
    reasons = draw.choice(["unknown", "ambiguous", "watched", "sampled"], n, p=[0.4, 0.4, 0.1, 0.1])
    hashes = draw.bytes(32 * n)
    rows, ids = [], []
    for place in range(n):
        item_id, reason = new_id(), str(reasons[place])
        facts = {
            "reason": reason,
            "confidence": float(confidence[place]),
            "ood_score": float(novelty[place]),
            "control": is_control(item_id, reason),
            "crowd": (start + place) // KINDS,
        }
        ids.append(item_id)
        rows.append(
            {
                "id": item_id,
                "line_id": line_id,
                "image_sha256": hashes[32 * place : 32 * place + 32].hex(),
                "prediction_id": new_id(),
                "state": "open",
                **facts,
                "class_name": CLASSES[place % 12],
                "source": f"belt-{place % 4}",
                "at": NOW - timedelta(seconds=1_000_000 - start - place),
                "width": 640,
                "height": 480,
                "bytes": 40_000,
                "seen": 1,
                "priority": priority(item_id, **facts),  # type: ignore[arg-type]  # the facts are its arguments
                "cluster_id": clusters[kinds[place]],
            }
        )
    found = [
        {"cluster_id": row["cluster_id"], "item_id": row["id"], "vector": vector}
        for row, vector in zip(rows, vectors, strict=True)
    ]
    with writing(engine) as session:
        insert_rows(session, review_items, rows)
        insert_rows(session, review_vectors, found)
    return ids


def _real(tools: Tools, line_id: int, count: int) -> list[str]:
    """Ids of so many items with pictures of their own."""
    from sortline.review.store.items import change_items

    jpegs = (drawn(seed, grain=33, size=524) for seed in range(count))
    ids = open_items(tools.engine, tools.blobs, line_id, jpegs, class_name=CLASSES[0])
    with writing(tools.engine) as session:
        # As gathered: they belong to no measurement of clusters.
        change_items(session, [{"id": one, "cluster_id": 0} for one in ids])
    return ids


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    main()
