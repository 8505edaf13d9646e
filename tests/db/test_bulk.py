"""Many rows at once, on both databases: as if each had been inserted by itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import Column, Engine, Integer, LargeBinary, MetaData, String, Table, insert, select

from sortline.db.base import Hex, UtcDateTime
from sortline.db.bulk import insert_rows
from sortline.db.session import reading, writing

notes = Table(
    "bulk_notes",
    MetaData(),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("id", Hex, primary_key=True),
    Column("at", UtcDateTime),
    Column("name", String(20)),
    Column("data", LargeBinary),
)


tallies = Table(
    "bulk_tallies",
    notes.metadata,
    Column("kind", String(20), primary_key=True),
    Column("n", Integer),
    Column("sum", Integer),
)


@pytest.fixture
def engine(empty: Engine) -> Engine:
    """A database with these tables."""
    notes.metadata.create_all(empty)
    return empty


def note(number: int, data: bytes = b"", name: str | None = None) -> dict[str, Any]:
    """A row whose columns are not in the table's order."""
    at = datetime(2026, 5, 1, 12, tzinfo=timezone(timedelta(hours=2))) + timedelta(days=number // 2)
    return {"name": name, "at": at, "data": data, "id": f"{number:04x}", "line": 1}


def told(engine: Engine) -> list[Mapping[str, Any]]:
    """The rows of the table."""
    with reading(engine) as session:
        return [dict(row._mapping) for row in session.execute(select(notes).order_by(notes.c.id))]


def test_rows_are_as_if_inserted_one_by_one(engine: Engine) -> None:
    """Values are converted as their columns say, nulls among them, equal moments next to other ones."""
    rows = [note(number, bytes([number, 0, 255]), "ä" if number % 2 else None) for number in range(7)]
    with writing(engine) as session:
        for row in rows:
            session.execute(insert(notes), row)
    expected = told(engine)
    assert expected[3]["at"] == datetime(2026, 5, 2, 10, tzinfo=UTC)
    with writing(engine) as session:
        session.execute(notes.delete())
        assert insert_rows(session, notes, rows) == 7
        assert insert_rows(session, notes, []) == 0
    assert told(engine) == expected


def test_known_rows_stay_are_replaced_or_grow(engine: Engine) -> None:
    """By their primary keys; how many are written is told. Bytes are appended as bytes, zeros and all."""
    with writing(engine) as session:
        insert_rows(session, notes, [note(1, b"\x00one\xff"), note(2, b"two")])
        assert insert_rows(session, notes, [note(2, b"other"), note(3, b"three")], known="keep") == 1
    assert [row["data"] for row in told(engine)] == [b"\x00one\xff", b"two", b"three"]
    with writing(engine) as session:
        insert_rows(session, notes, [note(2, b"new"), note(4, b"four")], known="replace")
    assert [row["data"] for row in told(engine)] == [b"\x00one\xff", b"new", b"three", b"four"]
    with writing(engine) as session:
        grown = [{"line": 1, "id": f"{number:04x}", "data": b"\x00\x80\x00" * number} for number in (1, 2, 5)]
        insert_rows(session, notes, grown, known="append")
    assert [row["data"] for row in told(engine)] == [
        b"\x00one\xff\x00\x80\x00", b"new" + b"\x00\x80\x00" * 2, b"three", b"four", b"\x00\x80\x00" * 5
    ]  # fmt: skip


def test_a_known_row_fails_where_none_is_expected(engine: Engine) -> None:
    """And nothing of the transaction is kept."""
    with pytest.raises(Exception, match=r"(?i)unique"), writing(engine) as session:
        insert_rows(session, notes, [note(1), note(1)])
    assert told(engine) == []


def test_numbers_are_added(engine: Engine) -> None:
    """To those that are there, in every column, below nothing too; what is new is written as it is."""
    with writing(engine) as session:
        insert_rows(session, tallies, [{"kind": "a", "n": 1, "sum": 10}, {"kind": "b", "n": 2, "sum": 20}])
        added = [{"kind": "b", "n": 3, "sum": -25}, {"kind": "c", "n": 4, "sum": 40}]
        insert_rows(session, tallies, added, known="add")
        found = session.execute(select(tallies).order_by(tallies.c.kind)).all()
    assert [tuple(row) for row in found] == [("a", 1, 10), ("b", 5, -5), ("c", 4, 40)]
