"""INSERT … ON CONFLICT, which both databases speak and SQLAlchemy keeps in two dialects."""

from __future__ import annotations

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite


def insert(database: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An insert with `on_conflict_do_nothing` and `…_do_update`; `database` is `session.dialect.name`."""
    return postgresql.insert(table) if database == "postgresql" else sqlite.insert(table)
