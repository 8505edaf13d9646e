"""Budgets of lines in the database, and what they came to for each bundle."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, select, update

from sortline.db import upsert
from sortline.db.session import Session
from sortline.lines.line import PolicyFit
from sortline.lines.tables import lines, policy_fits


def set_budget(session: Session, line_id: int, budget: Mapping[str, object] | None) -> None:
    """What thresholds are fitted to from now on; what an earlier budget came to is forgotten."""
    session.execute(
        update(lines).where(lines.c.id == line_id).values(budget=None if budget is None else dict(budget))
    )
    session.execute(delete(policy_fits).where(policy_fits.c.line_id == line_id))


def set_fit(
    session: Session,
    line_id: int,
    bundle_hash: str,
    *,
    settings: Mapping[str, object],
    expected: Mapping[str, Any],
) -> None:
    """The budget came to this for the bundle; it takes the place of what it came to before."""
    row = {
        "line_id": line_id,
        "bundle_hash": bundle_hash,
        "settings": dict(settings),
        "expected": dict(expected),
        "at": datetime.now(UTC),
    }
    statement = upsert.insert(session.dialect.name, policy_fits)
    new = {name: statement.excluded[name] for name in ("settings", "expected", "at")}
    session.execute(statement.on_conflict_do_update(index_elements=["line_id", "bundle_hash"], set_=new), row)


def get_fit(session: Session, line_id: int, bundle_hash: str) -> PolicyFit | None:
    """What a line's budget came to for a bundle, or None."""
    query = select(policy_fits).where(
        policy_fits.c.line_id == line_id, policy_fits.c.bundle_hash == bundle_hash
    )
    row = session.execute(query).one_or_none()
    return None if row is None else PolicyFit(**row._mapping)


def list_fits(session: Session) -> dict[tuple[int, str], Mapping[str, object]]:
    """The settings that budgets came to, by line and bundle."""
    query = select(policy_fits.c.line_id, policy_fits.c.bundle_hash, policy_fits.c.settings)
    return {(line_id, bundle): settings for line_id, bundle, settings in session.execute(query)}
