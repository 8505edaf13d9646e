"""Near-duplicates among a version's members, or among all a line has: counted by the groups the line has now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Integer, Select, and_, case, cast, func, literal, null, select, union_all

from sortline.catalogue.entry import Split
from sortline.catalogue.store.paths import Segment, way_to
from sortline.catalogue.tables import base_members, entries, version_changes
from sortline.catalogue.version import Version
from sortline.db.session import Session

# Groups that are named.
NAMED = 50
# PostgreSQL takes a bare null for text.
_NO_ID = cast(null(), Integer)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCounts:
    """Groups of two or more near-duplicates, and the pictures in them.

    `conflicts` have pictures of different classes, `leaks` pictures in different splits (none apart); the first 50 of
    either are named by their ids.
    """

    groups: int
    pictures: int
    conflicts: int
    leaks: int
    conflicting: tuple[int, ...]
    leaking: tuple[int, ...]


def line_groups(session: Session, line_id: int) -> GroupCounts:
    """The groups among everything a line has, by current labels."""
    members = select(entries.c.group_id, entries.c.class_id, entries.c.split).where(
        entries.c.line_id == line_id, entries.c.group_id.is_not(None)
    )
    return _count(session, members)


def version_groups(session: Session, version: Version) -> GroupCounts:
    """The groups among a version's members, by its own labels and splits."""
    way = way_to(session, version)
    latest = [_latest(segment) for segment in way.segments]
    change, base = version_changes.alias("change"), base_members.alias("base")
    # Ids rise along the way: the newest segment that changed an entry has the last word.
    decisive = func.coalesce(*latest, _NO_ID) if latest else _NO_ID
    rows = (
        select(
            entries.c.group_id,
            entries.c.id,
            decisive.label("version_id"),
        )
        .where(entries.c.line_id == version.line_id, entries.c.group_id.is_not(None))
        .cte("grouped")
    )
    resolved = (
        select(
            rows.c.group_id,
            case((change.c.version_id.is_not(None), change.c.class_id), else_=base.c.class_id).label(
                "class_id"
            ),
            case((change.c.version_id.is_not(None), change.c.split), else_=base.c.split).label("split"),
        )
        .outerjoin_from(
            rows, change, and_(change.c.version_id == rows.c.version_id, change.c.entry_id == rows.c.id)
        )
        .outerjoin(base, and_(base.c.base_id == way.base_id, base.c.entry_id == rows.c.id))
        .subquery()
    )
    members = select(resolved.c.group_id, resolved.c.class_id, resolved.c.split)
    return _count(session, members.where(resolved.c.class_id.is_not(None)))


def _latest(segment: Segment) -> Any:
    """The last version on a segment that changed an entry; null where none did."""
    change = version_changes.alias(f"latest_{segment.branch_id}")
    query = (
        select(change.c.version_id)
        .where(segment.holds(change), change.c.entry_id == entries.c.id)
        .order_by(change.c.version_id.desc())
        .limit(1)
    )
    return query.scalar_subquery()


def _count(session: Session, members: Select[Any]) -> GroupCounts:
    row = members.subquery().c
    used = case((row.split != Split.NONE, row.split))
    groups = (
        select(
            row.group_id,
            func.count().label("pictures"),
            case((func.min(row.class_id) != func.max(row.class_id), 1), else_=0).label("conflict"),
            case((func.min(used) != func.max(used), 1), else_=0).label("leak"),
        )
        .group_by(row.group_id)
        .having(func.count() > 1)
        .cte("groups")
    )
    total = select(
        literal("total"), func.count(), func.sum(groups.c.pictures), func.sum(groups.c.conflict),
        func.sum(groups.c.leak),
    )  # fmt: skip
    named = [
        select(
            select(literal(name), groups.c.group_id, _NO_ID, _NO_ID, _NO_ID)
            .where(groups.c[name] == 1)
            .order_by(groups.c.group_id)
            .limit(NAMED)
            .subquery()
        )
        for name in ("conflict", "leak")
    ]
    rows = session.execute(union_all(total, *named)).all()
    _, count, pictures, conflicts, leaks = next(row for row in rows if row[0] == "total")
    by_kind = {kind: tuple(int(row[1]) for row in rows if row[0] == kind) for kind in ("conflict", "leak")}
    return GroupCounts(
        groups=int(count),
        pictures=int(pictures or 0),
        conflicts=int(conflicts or 0),
        leaks=int(leaks or 0),
        conflicting=by_kind["conflict"],
        leaking=by_kind["leak"],
    )
