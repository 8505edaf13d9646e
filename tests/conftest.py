"""What every test may ask for: a database of its own, on SQLite and on PostgreSQL."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy
from sqlalchemy import Engine, event

from sortline.accounts import tables as _accounts  # noqa: F401 - the tables of every domain join the metadata
from sortline.catalogue import tables as _catalogue  # noqa: F401
from sortline.db.base import metadata
from sortline.db.engine import connect
from sortline.db.migrate import migrate
from sortline.jobs import tables as _jobs  # noqa: F401
from sortline.lines import tables as _lines  # noqa: F401
from sortline.monitoring import tables as _monitoring  # noqa: F401
from sortline.registry import tables as _registry  # noqa: F401
from sortline.review import tables as _review  # noqa: F401
from sortline.training import tables as _training  # noqa: F401
from tests.running import RunningServer, run_server

DATABASES = ["sqlite", "postgresql"]


@pytest.fixture(params=DATABASES)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database of this test's own without a table, once on SQLite and once on PostgreSQL."""
    with _database(request.param, tmp_path) as url:
        yield url


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated database of this test's own, once on SQLite and once on PostgreSQL."""
    with _migrated(request.param, tmp_path) as url:
        yield url


@pytest.fixture(scope="module", params=DATABASES)
def shared_database_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a migrated database that the tests of one file share, once on SQLite and once on PostgreSQL."""
    with _migrated(request.param, tmp_path_factory.mktemp("shared")) as url:
        yield url


@pytest.fixture(scope="module", params=DATABASES)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """A real server with the starter bundle, once on SQLite and once on PostgreSQL; the tests of one file share it."""
    folder = tmp_path_factory.mktemp("server")
    with _migrated(request.param, folder) as url, run_server(folder, database_url=url) as running:
        yield running


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """The engine of a migrated, otherwise empty database."""
    with _engine_of(database_url) as engine:
        yield engine


@contextmanager
def _migrated(kind: str, folder: Path) -> Iterator[str]:
    """A database with every table, by what migrating one did: that takes a tenth of the time of migrating."""
    if kind == "sqlite":
        shutil.copy(_sqlite_template(), folder / "sortline.db")
    with _database(kind, folder) as url:
        if kind == "postgresql":
            with _engine_of(url) as engine, engine.begin() as connection:
                connection.exec_driver_sql(_postgresql_script())
        yield url


@cache
def _sqlite_template() -> Path:
    path = Path(tempfile.mkdtemp(prefix="sortline-test-")) / "sortline.db"
    atexit.register(shutil.rmtree, path.parent, ignore_errors=True)
    with _engine_of(f"sqlite:///{path}") as engine:
        migrate(engine, metadata)
    return path


@cache
def _postgresql_script() -> str:
    """What migrating an empty database writes, as one text: that takes a third of the processor's time."""
    statements: list[str] = []

    def heard(_c: object, _r: object, statement: str, parameters: Any, *_: object) -> None:
        if not statement.lstrip().startswith("SELECT"):
            assert not parameters
            statements.append(statement)

    with _database("postgresql", Path()) as url, _engine_of(url) as engine:
        event.listen(engine, "before_cursor_execute", heard)
        migrate(engine, metadata)
    return ";\n".join(statements)


@contextmanager
def _engine_of(url: str) -> Iterator[Engine]:
    engine = connect(url)
    yield engine
    engine.dispose()


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'sortline.db'}"
        return
    server = _postgresql()
    # A schema is made in milliseconds, a database in tenths of a second.
    schema = f"test_{uuid4().hex}"
    with server.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    url = server.url.update_query_dict({"options": f"-csearch_path={schema}"})
    yield url.render_as_string(hide_password=False)
    with server.begin() as connection:
        # The second is DBOS's, where a worker ran.
        connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {schema}, {schema}_jobs CASCADE")
    server.dispose()


def _postgresql() -> Engine:
    url = os.environ.get("SORTLINE_TEST_POSTGRES")
    if not url:
        pytest.skip("set SORTLINE_TEST_POSTGRES to postgresql://USER@HOST/NAME to test on PostgreSQL too")
    return sqlalchemy.create_engine(url.replace("postgres://", "postgresql+psycopg://", 1))
