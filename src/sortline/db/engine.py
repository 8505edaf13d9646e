"""The database behind a URL: SQLite set up for one writer and many readers, or PostgreSQL.

SortlineError
└── DatabaseUnavailable      it cannot do this now: gone, full, read-only, locked
    └── DatabaseUnreachable  it cannot be opened or connected to at all
SortlineError
└── BadDatabaseUrl           the URL names no database we speak
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from sortline.errors import SortlineError

# Longer than any transaction of ours, so that a writer waits its turn instead of failing.
BUSY_TIMEOUT_S = 10
CONNECT_TIMEOUT_S = 10

_USE = "use sqlite:///FILE or postgresql://USER@HOST/NAME"

# Execution options of a transaction that only reads (`session.reading`): what each database calls it.
READ_ONLY: dict[str, Any] = {"sortline_reads": True, "postgresql_readonly": True}


def connect(url: str) -> Engine:
    """An engine whose database has answered once.

    Takes `sqlite:///path`, `postgresql://…` and `postgres://…` (both through psycopg 3). A SQLite file
    and its folder are made when missing.

    Raises:
        BadDatabaseUrl: the URL names something else, or the driver is not installed.
        DatabaseUnreachable: the database does not answer.
    """
    parsed = _parsed(url)
    engine = _sqlite(parsed) if parsed.get_backend_name() == "sqlite" else _postgresql(parsed)
    try:
        with engine.connect():
            pass
    except SQLAlchemyError as error:
        engine.dispose()
        raise DatabaseUnreachable(_shown(parsed), _reason(error)) from error
    return engine


class BadDatabaseUrl(SortlineError):
    """The URL names no database we can use."""

    def __init__(self, url: str, problem: str) -> None:
        self.url = url
        self.problem = problem
        super().__init__(f"cannot use the database URL {url}: {problem}")


class DatabaseUnavailable(SortlineError):
    """The database cannot do this now; nothing of the transaction was kept."""

    def __init__(self, url: str, reason: str, advice: str) -> None:
        self.url = url
        self.reason = reason
        super().__init__(f"the database {url} is unavailable: {reason}; {advice}")


class DatabaseUnreachable(DatabaseUnavailable):
    """The database cannot be opened or connected to."""

    def __init__(self, url: str, reason: str) -> None:
        where = (
            "check that its folder can be written" if url.startswith("sqlite") else "check that it runs there"
        )
        super().__init__(url, reason, f"{where}, or set SORTLINE_DATABASE_URL to another")


def unavailable(url: URL, error: SQLAlchemyError) -> DatabaseUnavailable | None:
    """The typed error for a database that cannot work now, or None for a fault of ours (wrong SQL)."""
    if isinstance(error, PoolTimeout):
        return DatabaseUnavailable(_shown(url), "every connection is in use", "try again in a moment")
    advice = _advice(error) if isinstance(error, DBAPIError) else None
    return None if advice is None else DatabaseUnavailable(_shown(url), _reason(error), advice)


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        # Not repeated in the message: it may hold a password.
        raise BadDatabaseUrl(
            "given", "it is no URL; use sqlite:///FILE or postgresql://USER@HOST/NAME"
        ) from error
    if parsed.drivername in {"postgres", "postgresql", "postgresql+psycopg"}:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername in {"sqlite", "sqlite+pysqlite"}:
        if not parsed.database or parsed.database == ":memory:" or parsed.database.startswith("file:"):
            # Each thread would see a database of its own.
            raise BadDatabaseUrl(_shown(parsed), "SQLite needs a file; use sqlite:///FILE")
        return parsed
    raise BadDatabaseUrl(_shown(parsed), _USE)


def _sqlite(url: URL) -> Engine:
    folder = Path(url.database or "").parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseUnreachable(_shown(url), f"{folder}: {error.strerror}") from error
    # isolation_level None: sqlite3 begins nothing by itself, `_begin` does (its own mode begins late, so that
    # reads are not repeatable, and DDL stands outside).
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S, "isolation_level": None})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    for pragma in (
        "journal_mode=WAL",  # readers never wait for the writer
        "synchronous=FULL",  # a commit is on the disk when it returns
        "foreign_keys=ON",
        "temp_store=MEMORY",
        # 16 MB of log instead of 4 until it is copied into the file: an import that commits 500 pictures at a time
        # writes many pages several times in between (4,400 rows/s became 5,300 at a million, in one comparison). A
        # larger page cache, which each connection would have for itself, added little.
        "wal_autocheckpoint=4000",
        "journal_size_limit=67108864",  # the log shrinks back after a burst
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    reads = connection.get_execution_options().get("sortline_reads", False)
    if connection.info.get("reads", False) != reads:
        connection.exec_driver_sql(f"PRAGMA query_only={'ON' if reads else 'OFF'}")
        connection.info["reads"] = reads
    # IMMEDIATE: a transaction that reads and then writes would fail at once if another wrote in between.
    connection.exec_driver_sql("BEGIN DEFERRED" if reads else "BEGIN IMMEDIATE")


def _postgresql(url: URL) -> Engine:
    try:
        return create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": CONNECT_TIMEOUT_S})
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        problem = "PostgreSQL needs its driver; run: pip install 'psycopg[binary]'"
        raise BadDatabaseUrl(_shown(url), problem) from error


# SQLite's result codes and PostgreSQL's SQLSTATEs (its appendix A) that blame the database, not our SQL.
_SQLITE = {
    sqlite3.SQLITE_FULL: "free some disk space",
    sqlite3.SQLITE_READONLY: "make the file and its folder writable",
    sqlite3.SQLITE_BUSY: "another process holds its write lock; try again, and look for a stuck one",
    sqlite3.SQLITE_LOCKED: "another connection holds its write lock; try again",
    sqlite3.SQLITE_IOERR: "check the disk",
    sqlite3.SQLITE_CANTOPEN: "check that its folder exists and can be written",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; restore a backup",
    sqlite3.SQLITE_NOTADB: "the file is no SQLite database; choose another",
}
_POSTGRESQL = {
    "08": "check that the server runs",
    "25006": "it is read-only, perhaps a standby; connect to the primary",
    "40": "another transaction was in the way; try again",
    "53100": "free some disk space on the server",
    "53": "the server is out of resources; try again, or raise its limits",
    "55P03": "another transaction was in the way; try again",
    "57P": "the server is stopping or starting; try again in a moment",
    "58": "check the server's disk",
}


def _advice(error: DBAPIError) -> str | None:
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        # The low byte is the primary code; the rest says more of the same.
        code: int | None = getattr(cause, "sqlite_errorcode", None)
        return None if code is None else _SQLITE.get(code & 0xFF)
    state: str | None = getattr(cause, "sqlstate", None)
    if state is None:
        return "check that the server runs" if error.connection_invalidated or _no_server(error) else None
    matches = [prefix for prefix in _POSTGRESQL if state.startswith(prefix)]
    return _POSTGRESQL[max(matches, key=len)] if matches else None


def _no_server(error: DBAPIError) -> bool:
    # psycopg has no SQLSTATE where no server answered; what the server itself says always has one.
    return type(error.orig).__name__ in {"OperationalError", "ConnectionTimeout", "InterfaceError"}


def _reason(error: SQLAlchemyError) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return str(cause).strip().partition("\n")[0]


def _shown(url: URL) -> str:
    return url.render_as_string(hide_password=True)
