"""One unit of work: the transaction that the edge opens and that everything below it shares.

    with writing(engine) as session:            # a request, a command, a recorder's group
        lines.store.create_line(session, …)     # below the edge nothing commits

Leaving the block commits; an exception rolls back. What the database cannot do now comes out as
`DatabaseUnavailable`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from sortline.db.engine import READ_ONLY, unavailable

# A session is a connection inside its transaction. The stores write SQL over tables and hand out frozen
# values, so there is no identity map to keep in step, and the hot path pays for none.
Session = Connection


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """A transaction that may write. SQLite's one write lock is taken at once, waiting up to 10 s for others.

    Raises:
        DatabaseUnavailable: the database is gone, full, read-only or locked; nothing was kept.
    """
    with _translated(engine), engine.begin() as session:
        yield session


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A transaction that only reads and never waits for SQLite's writer; a write in it fails.

    Raises:
        DatabaseUnavailable: the database is gone.
    """
    with _translated(engine), engine.connect() as connection:
        session = connection.execution_options(**READ_ONLY)
        with session.begin():
            yield session


@contextmanager
def pipelined(session: Session) -> Iterator[None]:
    """What is written within is sent at once, and PostgreSQL's answers are awaited together, at the end of the block.

    A decision of ten writes takes 2 to 4 ms less. Nothing can be read within, and no number of rows is known. What went
    wrong with a write is raised by a later one or by the end. SQLite answers at once as ever.
    """
    if session.dialect.name != "postgresql":
        yield
        return
    driver: Any = session.connection.driver_connection
    trouble: type[Exception] = session.dialect.loaded_dbapi.Error
    try:
        with driver.pipeline():
            yield
    except trouble as error:
        # As every other statement's error comes out.
        raise DBAPIError.instance(None, None, error, trouble, dialect=session.dialect) from error


@contextmanager
def _translated(engine: Engine) -> Iterator[None]:
    try:
        yield
    except (DBAPIError, PoolTimeout) as error:
        if (problem := unavailable(engine.url, error)) is None:
            raise
        raise problem from error
