"""What tests of the database's own mechanisms share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from sortline.db.engine import connect


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Engine]:
    """A database of this test's own without a table, once on SQLite and once on PostgreSQL."""
    engine = connect(empty_database_url)
    yield engine
    engine.dispose()
