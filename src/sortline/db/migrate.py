"""Brings a database to the schema this version of Sortline expects."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, MetaData, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from sortline.db.engine import unavailable
from sortline.db.session import reading
from sortline.errors import SortlineError

if TYPE_CHECKING:
    from alembic.config import Config

# The newest revision in `migrations/versions`. Known here so that a database that has it needs no Alembic,
# whose import would cost a starting server 0.2 s.
HEAD = "0010"

# Any number, as long as no other program takes an advisory lock of the same one in this database.
_ADVISORY_LOCK = 0x50F7_11E5
# Longer than any migration: the others wait until the one that migrates is done.
_WAIT_FOR_ANOTHER_MS = 600_000


def migrate(engine: Engine, metadata: MetaData) -> None:
    """The database has the newest schema, or what it had. Of several processes one migrates, the others wait.

    `metadata` holds the tables of every domain.

    Raises:
        DatabaseTooNew: a newer Sortline has migrated it.
        DatabaseUnavailable: it is gone, full or read-only.
    """
    with reading(engine) as session:
        if revision(session) == HEAD:
            return
    with _alone(engine) as connection:
        _upgrade(connection, metadata)


def revision(session: Connection) -> str | None:
    """The schema a database has, or None for an empty one."""
    if not inspect(session).has_table("alembic_version"):
        return None
    found: str | None = session.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def differences(engine: Engine, metadata: MetaData) -> list[str]:
    """How a database's schema differs from the tables in the code, one line each; empty when they agree."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with reading(engine) as session:
        context = MigrationContext.configure(session, opts={"compare_type": True})
        return [str(difference) for difference in compare_metadata(context, metadata)]


class DatabaseTooNew(SortlineError):
    """The database was migrated by a newer Sortline."""

    def __init__(self, found: str) -> None:
        self.found = found
        self.newest = HEAD
        super().__init__(f"the database has schema {found}, this Sortline knows {HEAD}; upgrade Sortline")


@contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """A transaction beside which no other process migrates."""
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                _prepare_sqlite(connection)
            with connection.begin():
                if engine.dialect.name == "postgresql":
                    # Let go by commit or rollback. SQLite's BEGIN IMMEDIATE is a lock already.
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
                yield connection
    except SQLAlchemyError as error:
        if (problem := unavailable(engine.url, error)) is None:
            raise
        raise problem from error


def _prepare_sqlite(connection: Connection) -> None:
    # Batch mode copies a table and drops the old one, which foreign keys would not let happen; within a
    # transaction the pragma does nothing. The connection is closed afterwards, not pooled.
    connection.detach()
    driver = connection.connection.driver_connection
    if isinstance(driver, sqlite3.Connection):
        driver.execute("PRAGMA foreign_keys=OFF")
        driver.execute(f"PRAGMA busy_timeout={_WAIT_FOR_ANOTHER_MS}")


def _upgrade(connection: Connection, metadata: MetaData) -> None:
    from alembic import command
    from alembic.script import ScriptDirectory

    config = _config()
    found = revision(connection)
    if found is not None and found not in {
        s.revision for s in ScriptDirectory.from_config(config).walk_revisions()
    }:
        raise DatabaseTooNew(found)
    config.attributes.update(connection=connection, metadata=metadata)
    command.upgrade(config, "head")
    if connection.dialect.name == "sqlite" and connection.execute(text("PRAGMA foreign_key_check")).first():
        raise RuntimeError("a migration left rows that refer to nothing; it was rolled back")


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    folder = str(Path(__file__).with_name("migrations"))
    # The configuration interpolates %.
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
