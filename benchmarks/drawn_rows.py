"""Drawn pictures as rows, written the fastest way a database has: what an import would have left, without its work.

All but label events and the look-up of near-duplicates, which no version and no insight reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import Engine, update

from drawn_pictures import Drawn
from sortline.catalogue.entry import Split
from sortline.catalogue.store.clock import advance, lock_catalogue
from sortline.catalogue.store.summaries import line_summary, set_line_summary
from sortline.catalogue.summary import Facts
from sortline.catalogue.tables import catalogue_clock
from sortline.db.session import Session, writing

_ROWS = 50_000
_TICK = timedelta(milliseconds=1)
_IMAGES = (
    "sha256", "media_type", "format", "bytes", "width", "height", "brightness", "sharpness", "phash", "source",
    "client", "first_seen",
)  # fmt: skip
_ENTRIES = (
    "id", "line_id", "image_sha256", "class_id", "split", "declared", "group_id", "source", "name", "added_at",
)  # fmt: skip


def add_rows(
    engine: Engine, line_id: int, drawn: Drawn, classes: list[int], start: int, stop: int
) -> list[int]:
    """Ids of the entries that pictures from number `start` to before `stop` became, a millisecond apart."""
    if start == stop:
        return []
    splits, groups = _placed(drawn, start, stop)
    widen(engine, 400_000)
    with writing(engine) as session:
        tick = lock_catalogue(session)
        offset = tick.next_entry - start
        summary = line_summary(session, line_id)
        for first in range(start, stop, _ROWS):
            numbers = range(first, min(first + _ROWS, stop))
            moments = [tick.at + _TICK * (number - start) for number in numbers]
            # In the order of their key, as an index is filled fastest.
            pictures = sorted(_image_row(drawn, number) for number in numbers)
            insert_tuples(session, "images", _IMAGES, pictures)
            rows = []
            for number, moment in zip(numbers, moments, strict=True):
                facts = _facts(drawn, number, offset, classes, splits[number - start], moment)
                summary.add(facts)
                group = groups[number - start]
                rows.append(_entry_row(drawn, number, facts, line_id, None if group < 0 else group + offset))
            insert_tuples(session, "entries", _ENTRIES, rows)
        set_line_summary(session, line_id, summary)
        advance(session, tick, stop - start)
        session.execute(update(catalogue_clock).values(at=moments[-1]))
    widen(engine, 2_000)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            # As its own upkeep does a minute later.
            connection.exec_driver_sql("VACUUM ANALYZE")
    return [number + offset for number in range(start, stop)]


def _placed(drawn: Drawn, start: int, stop: int) -> tuple[list[Split], list[int]]:
    """Split and group (a picture's number, -1 for none) of each; near-duplicates are in one split."""
    rng = np.random.default_rng(5)
    parts = rng.choice([Split.TRAIN, Split.VALIDATION, Split.TEST], stop - start, p=[0.7, 0.15, 0.15])
    splits, groups = [Split(int(part)) for part in parts], [-1] * (stop - start)
    for number in range(start, stop):
        other = int(drawn.copy_of[number])
        # A copy of one that was imported stays alone: its id is not known here.
        if other < start:
            continue
        if groups[other - start] < 0:
            groups[other - start] = other
        groups[number - start] = groups[other - start]
        splits[number - start] = splits[other - start]
    return splits, groups


def _facts(
    drawn: Drawn, number: int, offset: int, classes: list[int], split: Split, moment: datetime
) -> Facts:
    image = drawn.image(number)
    return Facts(
        entry_id=number + offset, class_id=classes[drawn.kinds[number]], split=split, width=image["width"],
        height=image["height"], bytes=image["bytes"], brightness=image["brightness"],
        sharpness=image["sharpness"], added_at=moment,
    )  # fmt: skip


def _image_row(drawn: Drawn, number: int) -> tuple[Any, ...]:
    row = drawn.image(number)
    return (bytes.fromhex(row["sha256"]), *(row[name] for name in _IMAGES[1:]))


def _entry_row(drawn: Drawn, number: int, facts: Facts, line_id: int, group: int | None) -> tuple[Any, ...]:
    sha256 = bytes.fromhex(drawn.sha256(number))
    return (
        facts.entry_id, line_id, sha256, facts.class_id, int(facts.split), False, group, "import",
        f"{number}.jpg", facts.added_at,
    )  # fmt: skip


def insert_tuples(
    session: Session, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """The rows are in the table, by the driver's fastest way; ids and hashes are bytes already."""
    names = ", ".join(columns)
    cursor = session.connection.cursor()
    if session.dialect.name == "sqlite":
        marks = ", ".join("?" * len(columns))
        shown = [
            tuple(f"{v:%Y-%m-%d %H:%M:%S.%f}" if isinstance(v, datetime) else v for v in row) for row in rows
        ]
        cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", shown)  # noqa: S608 - our own names
    else:
        with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    cursor.close()


def widen(engine: Engine, kibibytes: int) -> None:
    """SQLite's page cache, which it cannot change inside a transaction's work."""
    if engine.dialect.name == "sqlite":
        with writing(engine) as session:
            session.exec_driver_sql(f"PRAGMA cache_size=-{kibibytes}")
