"""What every test may ask for: a database of its own, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy
from sqlalchemy import Engine

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
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database of this test's own, once on SQLite and once on PostgreSQL."""
    with _database(request.param, tmp_path) as url:
        yield url


@pytest.fixture(scope="module", params=DATABASES)
def shared_database_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of an empty database that the tests of one file share, once on SQLite and once on PostgreSQL."""
    with _database(request.param, tmp_path_factory.mktemp("shared")) as url:
        yield url


@pytest.fixture(scope="session", params=DATABASES)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """A real server with the starter bundle, once on SQLite and once on PostgreSQL; tests share it."""
    folder = tmp_path_factory.mktemp("server")
    with _database(request.param, folder) as url, run_server(folder, database_url=url) as running:
        yield running


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real server on SQLite."""
    with run_server(tmp_path_factory.mktemp("page")) as running:
        yield running.url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """The engine of a migrated, otherwise empty database."""
    engine = connect(database_url)
    migrate(engine, metadata)
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
