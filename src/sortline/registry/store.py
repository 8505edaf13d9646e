"""Bundles and promotions in the database."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select

from sortline.db import upsert
from sortline.db.among import among
from sortline.db.paging import Page, id_of, page
from sortline.db.rows import row_of
from sortline.db.session import Session
from sortline.registry.ledger import (
    Action,
    AmbiguousBundle,
    BundleRecord,
    Candidate,
    NewEntry,
    Promotion,
    UnknownBundle,
    served,
)
from sortline.registry.tables import bundles, candidates, promotions

_HASHES = select(bundles.c.hash).order_by(bundles.c.hash)
# Asked twice a second by each server, as the shadows and lines are: made once.
_LIVE = (
    select(promotions.c.line_id, bundles)
    .join(bundles, promotions.c.bundle_hash == bundles.c.hash)
    .where(promotions.c.id.in_(select(func.max(promotions.c.id)).group_by(promotions.c.line_id)))
)


def register_bundle(
    session: Session,
    *,
    hash: str,  # noqa: A002 - the field's own word, as in `BundleRecord.hash`
    name: str,
    path: str,
    classes: Sequence[str],
    metrics: Mapping[str, object],
    manifest: str | None = None,
) -> BundleRecord:
    """The bundle, known from now on. Registering it again only notes where its files are now.

    `manifest` says that all of them are in the blob store.
    """
    row = {
        "hash": hash,
        "name": name,
        "path": path,
        "classes": list(classes),
        "metrics": dict(metrics),
        "created_at": datetime.now(UTC),
        "manifest": manifest,
    }
    statement = upsert.insert(session.dialect.name, bundles)
    changes = {
        "path": statement.excluded.path,
        "manifest": func.coalesce(statement.excluded.manifest, bundles.c.manifest),
    }
    session.execute(statement.on_conflict_do_update(index_elements=["hash"], set_=changes), row)
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


def bundle_that_begins(session: Session, start: str) -> BundleRecord:
    """The one bundle whose hash begins with these hex characters.

    Raises:
        UnknownBundle: none does, or they are no hex.
        AmbiguousBundle: several do.
    """
    if not start or len(start) > 64 or set(start) - set("0123456789abcdef"):
        raise UnknownBundle(start)
    first, last = start.ljust(64, "0"), start.ljust(64, "f")
    query = select(bundles).where(bundles.c.hash.between(first, last)).limit(2)
    found = session.execute(query).all()
    if len(found) > 1:
        raise AmbiguousBundle(start)
    if not found:
        raise UnknownBundle(start)
    return _bundle(found[0]._mapping)


def list_bundles(session: Session) -> list[BundleRecord]:
    """Every bundle, newest first."""
    query = select(bundles).order_by(bundles.c.created_at.desc(), bundles.c.hash)
    return [_bundle(row._mapping) for row in session.execute(query)]


def bundle_hashes(session: Session) -> tuple[str, ...]:
    """The hash of every bundle, ascending."""
    return tuple(session.scalars(_HASHES))


def get_bundles(session: Session, hashes: Iterable[str]) -> dict[str, BundleRecord]:
    """Those of up to a few hundred bundles that are known, by hash."""
    query = select(bundles).where(among(session, bundles.c.hash, set(hashes)))
    return {row.hash: _bundle(row._mapping) for row in session.execute(query)}


def bundle_blobs(session: Session) -> list[str]:
    """The SHA-256 of every blob that is a bundle's file."""
    manifests = session.scalars(select(bundles.c.manifest).where(bundles.c.manifest.is_not(None)))
    return sorted({sha256 for text in manifests for sha256 in json.loads(text)["files"].values()})


def live_bundles(session: Session) -> dict[int, BundleRecord]:
    """The bundle that serves each line that has one, by the line's id."""
    return dict(_with_first(session, _LIVE))


def add_candidate(session: Session, line_id: int, bundle_hash: str, *, who: str) -> None:
    """The bundle is one that could serve the line; one that is already stays as it is.

    Raises:
        UnknownBundle: this installation knows none of this hash.
    """
    get_bundle(session, bundle_hash)
    row = {"line_id": line_id, "bundle_hash": bundle_hash, "who": who, "at": datetime.now(UTC)}
    statement = upsert.insert(session.dialect.name, candidates)
    session.execute(statement.on_conflict_do_nothing(index_elements=["line_id", "bundle_hash"]), row)


def list_candidates(
    session: Session, line_id: int, *, limit: int = 50, cursor: str | None = None
) -> Page[Candidate]:
    """The bundles that could serve a line, newest first; what is or was live is among them.

    Raises:
        BadCursor: the cursor is not one of ours.
    """
    query = _CANDIDATES.where(candidates.c.line_id == line_id).order_by(candidates.c.id.desc())
    if cursor is not None:
        query = query.where(candidates.c.id < id_of(cursor))
    found = [_candidate(row) for row in session.execute(query.limit(limit + 1))]
    return page(found, limit, lambda last: str(last.id))


def find_candidate(session: Session, line_id: int, bundle_hash: str) -> Candidate | None:
    """The bundle as one that could serve the line, or None."""
    query = _CANDIDATES.where(candidates.c.line_id == line_id, candidates.c.bundle_hash == bundle_hash)
    row = session.execute(query).one_or_none()
    return None if row is None else _candidate(row)


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
    """The ledger entry that makes a bundle the line's live one, whatever was live before.

    Raises:
        UnknownBundle: this installation knows none of this hash.
    """
    add_candidate(session, line_id, bundle_hash, who=who)
    entry = NewEntry(
        line_id=line_id,
        bundle_hash=bundle_hash,
        action=action,
        who=who,
        reason=reason,
        evidence=evidence or {},
    )
    return append(session, entry, after=newest(session, line_id))


def newest(session: Session, line_id: int) -> Promotion | None:
    """The entry that names the line's live bundle; None where nothing is live."""
    query = (
        select(promotions).where(promotions.c.line_id == line_id).order_by(promotions.c.id.desc()).limit(1)
    )
    row = session.execute(query).one_or_none()
    return None if row is None else Promotion(**row._mapping)


def append(session: Session, entry: NewEntry, *, after: Promotion | None) -> Promotion:
    """The entry, behind the line's `newest`, which the caller has read in this transaction, holding the line."""
    now = datetime.now(UTC)
    # Whole milliseconds, as entries are told: whoever asks what was live at an entry's moment gets that entry.
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    # Another server's clock may be ahead of ours.
    at = now if after is None else max(now, after.at + timedelta(milliseconds=1))
    values = {**row_of(entry), "evidence": dict(entry.evidence), "at": at}
    row = session.execute(insert(promotions).returning(promotions), values).one()
    return Promotion(**row._mapping)


def ledger(session: Session, line_id: int, *, limit: int = 100, cursor: str | None = None) -> Page[Promotion]:
    """What was made live on a line, newest first.

    Raises:
        BadCursor: the cursor is not one of ours.
    """
    query = select(promotions).where(promotions.c.line_id == line_id)
    if cursor is not None:
        query = query.where(promotions.c.id < id_of(cursor))
    query = query.order_by(promotions.c.id.desc()).limit(limit + 1)
    found = [Promotion(**row._mapping) for row in session.execute(query)]
    return page(found, limit, lambda last: str(last.id))


def live_at(session: Session, line_id: int, at: datetime) -> Promotion | None:
    """The entry that said what was live at a moment; None before the first."""
    query = (
        select(promotions)
        .where(promotions.c.line_id == line_id, promotions.c.at <= at)
        .order_by(promotions.c.id.desc())
        .limit(1)
    )
    row = session.execute(query).one_or_none()
    return None if row is None else Promotion(**row._mapping)


def served_bundles(session: Session, line_id: int) -> list[str]:
    """The hashes of the bundles a line could roll back through, the live one last; see `ledger.served`."""
    query = select(promotions).where(promotions.c.line_id == line_id).order_by(promotions.c.id)
    return served(Promotion(**row._mapping) for row in session.execute(query))


def once_live(session: Session, line_id: int) -> set[str]:
    """The hashes of all bundles that are or were live on a line."""
    query = select(promotions.c.bundle_hash).where(promotions.c.line_id == line_id).distinct()
    return set(session.scalars(query))


_CANDIDATES = select(candidates.c.id, candidates.c.who, candidates.c.at, bundles).join(
    bundles, candidates.c.bundle_hash == bundles.c.hash
)


def _candidate(row: Any) -> Candidate:
    row_id, who, at, *values = row
    return Candidate(id=row_id, who=who, at=at, bundle=_of_values(values))


def _with_first(session: Session, query: Any) -> Iterator[tuple[int, BundleRecord]]:
    for first, *values in session.execute(query):
        yield first, _of_values(values)


def _of_values(values: Sequence[Any]) -> BundleRecord:
    return _bundle(dict(zip(bundles.c.keys(), values, strict=True)))


def _bundle(row: Mapping[Any, Any]) -> BundleRecord:
    return BundleRecord(**{**row, "classes": tuple(row["classes"])})
