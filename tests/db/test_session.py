"""Transactions on both databases: writes sent together, long lists in a condition."""

from __future__ import annotations

from hashlib import sha256

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, Table, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from sortline.db.among import among
from sortline.db.base import Hex
from sortline.db.engine import DatabaseUnavailable
from sortline.db.session import Session, pipelined, reading, writing

things = Table(
    "session_things",
    MetaData(),
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("hash", Hex, nullable=False),
)


@pytest.fixture
def engine(empty: Engine) -> Engine:
    """A database with one table."""
    things.metadata.create_all(empty)
    return empty


def thing(number: int) -> dict[str, object]:
    """A row."""
    return {"id": number, "hash": sha256(str(number).encode()).hexdigest()}


def ids(engine: Engine) -> list[int]:
    """The ids of all rows, in order."""
    with reading(engine) as session:
        return list(session.scalars(select(things.c.id).order_by(things.c.id)))


def test_writes_sent_together_are_as_if_each_had_been_awaited(engine: Engine) -> None:
    """In their order, one row or many; what comes behind the block reads them."""
    with writing(engine) as session:
        with pipelined(session):
            session.execute(insert(things), thing(1))
            session.execute(insert(things), [thing(2), thing(3)])
            session.execute(update(things).where(things.c.id == 3).values(id=4))
            with pipelined(session):
                session.execute(insert(things), thing(3))
        assert session.scalar(select(func.count()).select_from(things)) == 4
    assert ids(engine) == [1, 2, 3, 4]


def send(session: Session, *numbers: int) -> None:
    """Rows of these ids are written, sent together."""
    with pipelined(session):
        for number in numbers:
            session.execute(insert(things), thing(number))


def sent(engine: Engine, *numbers: int) -> None:
    """The same, in a transaction of its own."""
    with writing(engine) as session:
        send(session, *numbers)


@pytest.mark.parametrize("further", [0, 1, 30])
def test_of_writes_sent_together_none_stays_if_one_is_refused(engine: Engine, further: int) -> None:
    """Whether it was the last, or others had been sent behind it."""
    sent(engine, 1)
    with pytest.raises(DBAPIError) as refused:
        sent(engine, 2, 1, *range(10, 10 + further))
    assert "session_things" in str(refused.value.orig)
    assert ids(engine) == [1]
    sent(engine, 2)
    assert ids(engine) == [1, 2]


def test_a_savepoint_takes_back_what_was_sent_together(engine: Engine) -> None:
    """As an undo of several decisions needs it, of which one cannot be undone."""
    with writing(engine) as session:
        session.execute(insert(things), thing(1))
        nested = session.begin_nested()
        with pytest.raises(DBAPIError):
            send(session, 2, 1)
        nested.rollback()
        session.execute(insert(things), thing(3))
    assert ids(engine) == [1, 3]


def broken(engine: Engine) -> None:
    """A block that fails by itself."""
    with writing(engine) as session, pipelined(session):
        session.execute(insert(things), thing(1))
        raise ZeroDivisionError


def test_an_error_of_the_block_itself_comes_out(engine: Engine) -> None:
    """Not one of the database's."""
    with pytest.raises(ZeroDivisionError):
        broken(engine)
    assert ids(engine) == []


@pytest.mark.parametrize("count", [0, 1, 2, 1500])
def test_a_column_is_among_as_many_values_as_there_are(engine: Engine, count: int) -> None:
    """Numbers, and values that are stored as something else; by one statement whatever their number on PostgreSQL."""
    with writing(engine) as session:
        session.execute(insert(things), [thing(number) for number in range(1600)])
    wanted = range(count)
    with reading(engine) as session:
        by_id = session.scalars(select(things.c.id).where(among(session, things.c.id, wanted))).all()
        hashes = [str(thing(number)["hash"]) for number in wanted]
        by_hash = session.scalars(select(things.c.id).where(among(session, things.c.hash, hashes))).all()
        compiled = str(select(things).where(among(session, things.c.id, wanted)).compile(session))
    assert sorted(by_id) == sorted(by_hash) == list(wanted)
    assert ("ANY" in compiled) is (engine.dialect.name == "postgresql")


def cut_off(engine: Engine) -> None:
    """PostgreSQL ends the connection before what is written is sent."""
    with writing(engine) as session:
        mine = session.scalar(text("SELECT pg_backend_pid()"))
        with engine.connect() as other:
            other.execute(text(f"SELECT pg_terminate_backend({mine})"))
        send(session, 1)


def test_a_server_that_goes_away_meanwhile_is_unavailable(engine: Engine) -> None:
    """Told as by every statement, so that whoever asked may try again."""
    if engine.dialect.name != "postgresql":
        pytest.skip("SQLite is no server")
    with pytest.raises(DatabaseUnavailable):
        cut_off(engine)
    assert ids(engine) == []
