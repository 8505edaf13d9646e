"""Migrations, from an empty database to what the code expects."""

import multiprocessing
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, Table, insert, text

from sortline.db.base import metadata
from sortline.db.engine import connect
from sortline.db.migrate import HEAD, DatabaseTooNew, differences, migrate, revision
from sortline.db.session import reading, writing
from sortline.lines import store as lines
from sortline.lines import tables


def test_an_empty_database_gets_the_tables_of_the_code(empty_database_url: str) -> None:
    """From nothing to the newest schema, which is what the code declares, as `alembic check` compares."""
    engine = connect(empty_database_url)
    with reading(engine) as session:
        assert revision(session) is None
    migrate(engine, metadata)
    assert differences(engine, metadata) == []
    with reading(engine) as session:
        assert revision(session) == HEAD
    engine.dispose()


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    """A second start keeps what is there."""
    with writing(engine) as session:
        lines.create_line(session, "waste")
    migrate(engine, metadata)
    with reading(engine) as session:
        assert lines.get_line(session, "waste").name == "waste"


def test_a_table_without_a_migration_is_a_difference(engine: Engine) -> None:
    """The comparison finds what a migration forgot."""
    forgotten = MetaData(naming_convention=metadata.naming_convention)
    for table in metadata.sorted_tables:
        table.to_metadata(forgotten)
    Table("forgotten", forgotten, Column("id", Integer, primary_key=True))
    assert "forgotten" in str(differences(engine, forgotten))


def test_the_first_migration_keeps_one_default_line_at_most(engine: Engine) -> None:
    """The partial unique index, which the comparison does not look into, is there."""
    row = {"title": "", "policy": {}, "is_default": True, "created_at": datetime.now(UTC)}
    with writing(engine) as session:
        session.execute(insert(tables.lines), {**row, "name": "one"})
    with pytest.raises(Exception, match=r"(?i)unique"), writing(engine) as session:
        session.execute(insert(tables.lines), {**row, "name": "two"})


def test_a_database_of_a_newer_sortline_is_refused(engine: Engine) -> None:
    """Nothing is done to a schema we do not know."""
    with writing(engine) as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseTooNew, match="upgrade Sortline"):
        migrate(engine, metadata)


def test_of_several_processes_one_migrates(empty_database_url: str) -> None:
    """Four servers that start at once on an empty database all come up."""
    spawn = multiprocessing.get_context("spawn")
    servers = [spawn.Process(target=_start, args=(empty_database_url,)) for _ in range(4)]
    for server in servers:
        server.start()
    for server in servers:
        server.join(600)
    assert [server.exitcode for server in servers] == [0, 0, 0, 0]


def test_the_database_layer_stays_light() -> None:
    """Importing it loads neither Alembic nor the ORM nor a driver that may be missing."""
    program = """
import sys
from sortline.db import base, engine, ids, migrate, paging, session, upsert
print([name for name in ("alembic", "sqlalchemy.orm", "psycopg") if name in sys.modules])
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def _start(url: str) -> None:
    engine = connect(url)
    migrate(engine, metadata)
    engine.dispose()
