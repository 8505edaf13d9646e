"""Bundles and promotions in the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, insert, select

from sortline.db import upsert
from sortline.db.session import Session
from sortline.registry.ledger import Action, BundleRecord, Promotion, UnknownBundle
from sortline.registry.tables import bundles, promotions


def register_bundle(
    session: Session,
    *,
    hash: str,  # noqa: A002 - the field's own word, as in `BundleRecord.hash`
    name: str,
    path: str,
    classes: Sequence[str],
    metrics: Mapping[str, object],
) -> BundleRecord:
    """The bundle, known from now on. Registering it again only notes where its folder stands now."""
    row = {
        "hash": hash,
        "name": name,
        "path": path,
        "classes": list(classes),
        "metrics": dict(metrics),
        "created_at": datetime.now(UTC),
    }
    statement = upsert.insert(session.dialect.name, bundles)
    session.execute(
        statement.on_conflict_do_update(index_elements=["hash"], set_={"path": statement.excluded.path}), row
    )
    return get_bundle(session, hash)


def get_bundle(session: Session, bundle_hash: str) -> BundleRecord:
    """The bundle of this hash (64 hex characters).

    Raises:
        UnknownBundle: this installation knows none.
    """
    row = session.execute(select(bundles).where(bundles.c.hash == bundle_hash)).one_or_none()
    if row is None:
        raise UnknownBundle(bundle_hash)
    return _bundle(row._mapping)


def list_bundles(session: Session) -> list[BundleRecord]:
    """Every bundle, newest first."""
    query = select(bundles).order_by(bundles.c.created_at.desc(), bundles.c.hash)
    return [_bundle(row._mapping) for row in session.execute(query)]


def live_bundles(session: Session) -> dict[int, BundleRecord]:
    """The bundle that serves each line that has one, by the line's id."""
    last = select(func.max(promotions.c.id)).group_by(promotions.c.line_id)
    query = (
        select(promotions.c.line_id, bundles)
        .join(bundles, promotions.c.bundle_hash == bundles.c.hash)
        .where(promotions.c.id.in_(last))
    )
    found = {}
    for row in session.execute(query):
        line_id, *values = row
        found[line_id] = _bundle(dict(zip(bundles.c.keys(), values, strict=True)))
    return found


def promote(
    session: Session,
    line_id: int,
    bundle_hash: str,
    *,
    who: str,
    reason: str,
    action: Action = "promote",
    evidence: Mapping[str, object] | None = None,
) -> Promotion:
    """The ledger entry that makes a bundle the line's live one.

    Raises:
        UnknownBundle: this installation knows none of this hash.
    """
    get_bundle(session, bundle_hash)
    entry = {
        "line_id": line_id,
        "bundle_hash": bundle_hash,
        "action": action,
        "who": who,
        "reason": reason,
        "evidence": dict(evidence or {}),
        "at": datetime.now(UTC),
    }
    row = session.execute(insert(promotions).returning(promotions), entry).one()
    return Promotion(**row._mapping)


def ledger(session: Session, line_id: int, *, limit: int = 100) -> list[Promotion]:
    """What was live on a line, newest first."""
    query = (
        select(promotions)
        .where(promotions.c.line_id == line_id)
        .order_by(promotions.c.id.desc())
        .limit(limit)
    )
    return [Promotion(**row._mapping) for row in session.execute(query)]


def _bundle(row: Mapping[Any, Any]) -> BundleRecord:
    return BundleRecord(**{**row, "classes": tuple(row["classes"])})
