"""What every test may ask for: a database of its own, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy
from sqlalchemy import Engine

from sortline.catalogue import tables as _catalogue  # noqa: F401 - the tables of every domain join the metadata
from sortline.db.base import metadata
from sortline.db.engine import connect
from sortline.db.migrate import migrate
from sortline.lines import tables as _lines  # noqa: F401
from sortline.monitoring import tables as _monitoring  # noqa: F401
from sortline.registry import tables as _registry  # noqa: F401
from sortline.review import tables as _review  # noqa: F401


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database of this test's own, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'sortline.db'}"
        return
    server = _postgresql()
    # A schema is made in milliseconds, a database in tenths of a second.
    schema = f"test_{uuid4().hex}"
    with server.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    url = server.url.update_query_dict({"options": f"-csearch_path={schema}"})
    yield url.render_as_string(hide_password=False)
    with server.begin() as connection:
        connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
    server.dispose()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """The engine of a migrated, otherwise empty database."""
    engine = connect(database_url)
    migrate(engine, metadata)
    yield engine
    engine.dispose()


def _postgresql() -> Engine:
    url = os.environ.get("SORTLINE_TEST_POSTGRES")
    if not url:
        pytest.skip("set SORTLINE_TEST_POSTGRES to postgresql://USER@HOST/NAME to test on PostgreSQL too")
    return sqlalchemy.create_engine(url.replace("postgres://", "postgresql+psycopg://", 1))
