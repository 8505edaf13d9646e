"""Review queues that are drawn: of pictures that are really there, or as long as asked."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from PIL import Image
from sqlalchemy import Engine, Index, event, insert

from drawn_rows import insert_tuples
from sortline.catalogue.store.images import add_images
from sortline.db.ids import new_id
from sortline.db.session import writing
from sortline.flows.prepare import measured
from sortline.review.clusters import Vectors, packed, unit
from sortline.review.item import Sighting
from sortline.review.order import is_control, priority
from sortline.review.store import tallies
from sortline.review.store.items import open_or_join
from sortline.review.tables import review_clusters, review_items, review_vectors
from sortline.storage.blobs import Blobs

# So many kinds of things wait, each a cluster.
KINDS, WIDTH = 500, 256
_ROWS = 50_000
_SOURCES = 4
_COLUMNS = (
    "id", "line_id", "image_sha256", "prediction_id", "state", "reason", "class_name", "confidence", "ood_score",
    "source", "at", "width", "height", "bytes", "seen", "control", "priority", "crowd", "cluster_id",
)  # fmt: skip


def drawn(seed: int, *, grain: int, size: int) -> bytes:
    """A square JPEG of so many px, made of `grain` × `grain` random colours."""
    pixels = np.random.default_rng(seed).integers(0, 255, (grain, grain, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).resize((size, size)).save(file, "JPEG", quality=90)
    return file.getvalue()


def open_items(
    engine: Engine, blobs: Blobs, line_id: int, jpegs: Iterable[bytes], *, class_name: str
) -> list[str]:
    """Ids of the items by which these pictures wait as unknown; each was taken for the class."""
    now = datetime.now(UTC)
    records, sightings = [], []
    for jpeg in jpegs:
        stored, record = measured(jpeg, now=now, source="belt-0")
        blobs.put_many([(record.sha256, stored.data)])
        records.append(replace(record, phash=None, format=None))
        sightings.append(
            Sighting(
                line_id=line_id,
                image_sha256=record.sha256,
                prediction_id=new_id(),
                reason="unknown",
                class_name=class_name,
                confidence=0.4,
                ood_score=0.5,
                source="belt-0",
                at=now,
                width=record.width,
                height=record.height,
                bytes=record.bytes,
            )
        )
    with writing(engine) as session:
        add_images(session, records)
        return open_or_join(session, sightings)


def fill_queue(engine: Engine, line_id: int, count: int, *, classes: tuple[str, ...]) -> list[str]:
    """Ids of so many items that wait, in their clusters, as they would had they come one by one in the last days.

    Written in the order of the tables' keys and without their indexes, which are made at the end: many times faster.
    """
    centres = unit(np.random.default_rng(7).standard_normal((KINDS, WIDTH)))
    kinds = np.random.default_rng(8).integers(0, KINDS, count)
    indexes: list[Index] = sorted(review_items.indexes, key=lambda index: str(index.name))
    with _hurrying(engine):
        clusters = _add_clusters(engine, line_id, centres, count)
        with writing(engine) as session:
            for index in indexes:
                index.drop(session)
        ids: list[bytes] = []
        for start in range(0, count, _ROWS):
            some = kinds[start : start + _ROWS]
            ids += _add_items(engine, line_id, [clusters[kind] for kind in some], start, count, classes)
        _add_vectors(engine, clusters, centres, kinds, ids)
        with writing(engine) as session:
            if session.dialect.name == "postgresql":
                session.exec_driver_sql("SET LOCAL maintenance_work_mem = '512MB'")
            for index in indexes:
                index.create(session)
    return [one.hex() for one in ids]


@contextmanager
def _hurrying(engine: Engine) -> Iterator[None]:
    """Nothing need survive a crash until the block ends; then everything is on the disk, and the planner knows it."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _carefree)
        engine.dispose()
    yield
    if engine.dialect.name == "sqlite":
        event.remove(engine, "connect", _carefree)
        engine.dispose()
        # What the system has not yet written would be written while something is timed.
        file = os.open(str(engine.url.database), os.O_RDWR)
        os.fsync(file)
        os.close(file)
    else:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            # As its own upkeep does a minute later.
            connection.exec_driver_sql("VACUUM ANALYZE")
            connection.exec_driver_sql("CHECKPOINT")


def _carefree(connection: Any, _record: object) -> None:
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-500000", "threads=2"):
        connection.execute(f"PRAGMA {pragma}")


def _add_clusters(engine: Engine, line_id: int, centres: Vectors, count: int) -> list[int]:
    now = datetime.now(UTC)
    statement = insert(review_clusters).returning(review_clusters.c.id)
    facts = {"line_id": line_id, "space": "ab" * 32, "size": count // KINDS, "made_at": now, "newest_at": now}
    with writing(engine) as session:
        return [
            session.execute(statement, {**facts, "centre": centre}).scalar_one() for centre in packed(centres)
        ]


def _add_items(
    engine: Engine, line_id: int, clusters: list[int], start: int, count: int, classes: tuple[str, ...]
) -> list[bytes]:
    """Ids of the items from number `start` on, one for each of `clusters`, a second apart; the last came now."""
    draw, n = np.random.default_rng(start), len(clusters)
    confidence, novelty = draw.random(n).tolist(), draw.random(n).tolist()
    reasons = draw.choice(["unknown", "ambiguous", "watched", "sampled"], n, p=[0.4, 0.4, 0.1, 0.1]).tolist()
    hashes, now = draw.bytes(32 * n), datetime.now(UTC)
    rows = []
    for place in range(n):
        item_id, number, reason = new_id(), start + place, reasons[place]
        facts = {"reason": reason, "confidence": confidence[place], "ood_score": novelty[place]}
        facts |= {"control": is_control(item_id, reason), "crowd": number // KINDS}
        row = facts | {
            "id": bytes.fromhex(item_id),
            "line_id": line_id,
            "image_sha256": hashes[32 * place : 32 * place + 32],
            "prediction_id": bytes.fromhex(new_id()),
            "state": "open",
            "class_name": classes[number % len(classes)],
            "source": f"belt-{number % _SOURCES}",
            "at": now - timedelta(seconds=count - number),
            "width": 640,
            "height": 480,
            "bytes": 40_000,
            "seen": 1,
            "priority": priority(item_id, **facts),
            "cluster_id": clusters[place],
        }
        rows.append(row)
    with writing(engine) as session:
        insert_tuples(
            session, "review_items", _COLUMNS, [tuple(map(row.__getitem__, _COLUMNS)) for row in rows]
        )
        tallies.came(session, Counter((line_id, row["reason"], row["at"].date()) for row in rows))
    return [row["id"] for row in rows]


def _add_vectors(
    engine: Engine, clusters: list[int], centres: Vectors, kinds: np.ndarray, ids: list[bytes]
) -> None:
    """Each item's vector, near its cluster's centre."""
    draw = np.random.default_rng(9)
    # PostgreSQL leaves rows where they came, one cluster's far from each other; SQLite keeps them by their key.
    arranged = np.argsort(kinds, kind="stable") if engine.dialect.name == "sqlite" else np.arange(len(kinds))
    for start in range(0, len(arranged), _ROWS):
        part = arranged[start : start + _ROWS]
        noise = unit(draw.standard_normal((len(part), WIDTH), np.float32))
        vectors = packed(unit(centres[kinds[part]] + 0.4 * noise))
        rows = [
            (clusters[kinds[place]], ids[place], vector)
            for place, vector in zip(part.tolist(), vectors, strict=True)
        ]
        with writing(engine) as session:
            insert_tuples(session, review_vectors.name, ("cluster_id", "item_id", "vector"), rows)
