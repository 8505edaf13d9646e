"""Near-duplicates among a version's members, or among all a line has: counted by the groups the line has now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Integer, Select, and_, case, cast, func, literal, null, select, union_all

from sortline.catalogue.duplicates import NAMED, GroupCounts, GroupTally
from sortline.catalogue.entry import Split
from sortline.catalogue.store.members import places
from sortline.catalogue.store.paths import Segment, way_to
from sortline.catalogue.summary import Summary
from sortline.catalogue.tables import base_members, entries, version_changes
from sortline.catalogue.version import Change, Place, Version
from sortline.db.among import among
from sortline.db.session import Session

# Ids in one query, and members of groups that making a version looks up: a camera over an empty belt makes thousands
# alike, and a version is not to wait for them.
_IDS, _MOST_MEMBERS = 500, 5000
# PostgreSQL takes a bare null for text.
_NO_ID = cast(null(), Integer)


def line_groups(session: Session, line_id: int) -> GroupCounts:
    """The groups among everything a line has, by current labels."""
    everything = entries.c.group_id.label("member")
    members = select(entries.c.group_id, entries.c.class_id, entries.c.split, everything).where(
        entries.c.line_id == line_id, entries.c.group_id.is_not(None)
    )
    return _count(session, members)


def version_groups(session: Session, version: Version, summary: Summary) -> GroupCounts:
    """The groups among a version's members, by its own labels and splits.

    As its summary has them, while no picture has joined a group since they were counted; else counted anew, which
    costs a look-up for each grouped picture of the line.
    """
    if summary.groups is not None and summary.groups.stamp == grouping_stamp(session, version.line_id):
        return summary.groups.told()
    return count_version(session, version)


def grouping_stamp(session: Session, line_id: int) -> str:
    """Names how a line's pictures are grouped: the grouping changes only with a picture that joins a group."""
    grouped = entries.c.line_id == line_id, entries.c.group_id.is_not(None)
    latest, count = session.execute(select(func.max(entries.c.id), func.count()).where(*grouped)).one()
    return f"{latest or 0}-{count}"


def keep_tally(
    session: Session,
    line_id: int,
    parent: Version | None,
    before: GroupTally | None,
    steps: Sequence[Change],
) -> GroupTally | None:
    """The tally of a version that differs from its parent, of which `before` tells, by these steps.

    Costs the groups that the changed entries are in. None where the parent's is of no use, or those are too large.
    """
    stamp = grouping_stamp(session, line_id)
    tally = GroupTally(stamp) if parent is None else before
    if tally is None or tally.stamp != stamp:
        return None
    changed = {step.entry_id: step for step in steps}
    groups = _groups_of(session, line_id, changed)
    if groups is None:
        return None
    members = [entry_id for ids in groups.values() for entry_id in ids]
    known: Mapping[int, Place] = places(session, parent, members) if parent else {}
    for group_id, ids in groups.items():
        was = [known[one] for one in ids if one in known]
        now = [changed[one].after if one in changed else known.get(one) for one in ids]
        tally.change(group_id, was, [place for place in now if place is not None])
    return tally


def count_version(session: Session, version: Version) -> GroupCounts:
    """The groups among a version's members, counted."""
    way = way_to(session, version)
    latest = [_latest(segment) for segment in way.segments]
    change, base = version_changes.alias("change"), base_members.alias("base")
    # Ids rise along the way: the newest segment that changed an entry has the last word.
    decisive = func.coalesce(*latest, _NO_ID) if latest else _NO_ID
    resolved = (
        select(
            entries.c.group_id,
            case((change.c.version_id.is_not(None), change.c.class_id), else_=base.c.class_id).label(
                "class_id"
            ),
            case((change.c.version_id.is_not(None), change.c.split), else_=base.c.split).label("split"),
        )
        .outerjoin_from(
            entries, change, and_(change.c.version_id == decisive, change.c.entry_id == entries.c.id)
        )
        .outerjoin(base, and_(base.c.base_id == way.base_id, base.c.entry_id == entries.c.id))
        .where(entries.c.line_id == version.line_id, entries.c.group_id.is_not(None))
        .subquery()
    )
    # What has no class there is no member. It is not counted, rather than left out, which would cost as much again.
    member = resolved.c.class_id.label("member")
    return _count(session, select(resolved.c.group_id, resolved.c.class_id, resolved.c.split, member))


def _groups_of(session: Session, line_id: int, entry_ids: Iterable[int]) -> dict[int, list[int]] | None:
    """The groups that any of the entries is in, with all their members; None if those are too many."""
    ids, found = iter(entry_ids), set[int]()
    grouped = entries.c.line_id == line_id, entries.c.group_id.is_not(None)
    while chunk := list(islice(ids, _IDS)):
        found.update(
            session.scalars(select(entries.c.group_id).where(*grouped, among(session, entries.c.id, chunk)))
        )
    groups: dict[int, list[int]] = {}
    wanted, seen = iter(sorted(found)), 0
    while chunk := list(islice(wanted, _IDS)):
        query = select(entries.c.group_id, entries.c.id).where(
            *grouped, among(session, entries.c.group_id, chunk)
        )
        for group_id, entry_id in session.execute(query.limit(_MOST_MEMBERS + 1)):
            groups.setdefault(group_id, []).append(entry_id)
            seen += 1
        if seen > _MOST_MEMBERS:
            return None
    return groups


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
            func.count(row.member).label("pictures"),
            case((func.min(row.class_id) != func.max(row.class_id), 1), else_=0).label("conflict"),
            case((func.min(used) != func.max(used), 1), else_=0).label("leak"),
        )
        .group_by(row.group_id)
        .having(func.count(row.member) > 1)
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
