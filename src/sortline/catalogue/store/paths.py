"""Where a version's content is written: its base, and the changes on the way from there.

A branch is a run of versions, each the child of the one before; versions' ids rise along any way. So the way to a
version is a few spans of ids, one a branch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, FromClause, and_, select

from sortline.catalogue.tables import bases, branches, versions
from sortline.catalogue.version import Version
from sortline.db.session import Session


@dataclass(frozen=True, slots=True)
class Segment:
    """The versions of a branch with `low` < id ≤ `high`; where they are few, `ids` names them."""

    branch_id: int
    high: int
    low: int
    ids: tuple[int, ...] = ()

    def holds(self, changes: FromClause) -> ColumnElement[bool]:
        """The condition that a change was made by one of these versions."""
        if self.ids:
            # Without the branch, so that the primary key is the only way: it leads to their changes alone, while the
            # index by branch and entry leads past everything the branch ever changed.
            return changes.c.version_id.in_(self.ids)
        return and_(
            changes.c.branch_id == self.branch_id,
            changes.c.version_id <= self.high,
            changes.c.version_id > self.low,
        )


@dataclass(frozen=True, slots=True)
class Way:
    """How a version resolves: the last change on `segments` (newest first) counts, else what `base_id` has."""

    line_id: int
    base_id: int
    segments: tuple[Segment, ...]


def way_to(session: Session, version: Version) -> Way:
    """The way from a version's base to the version."""
    if version.base_id is None:
        raise ValueError(f"version {version.number} is not built yet")
    start, branch = session.execute(
        select(versions.c.id, versions.c.branch_id)
        .join_from(bases, versions, bases.c.version_id == versions.c.id)
        .where(bases.c.id == version.base_id)
    ).one()
    if start == version.id:
        return Way(version.line_id, version.base_id, ())
    segments = _above(lineage(session, version), start, branch)
    return Way(version.line_id, version.base_id, segments)


def lineage(session: Session, version: Version) -> list[tuple[int, int]]:
    """The branches from a version back to the first, each with the id at which the way to it leaves the branch."""
    fork = (
        select(branches.c.parent_id.label("at"), versions.c.branch_id.label("branch"))
        .join_from(branches, versions, versions.c.id == branches.c.parent_id)
        .where(branches.c.id == version.branch_id)
        .cte("fork", recursive=True)
    )
    further = (
        select(branches.c.parent_id, versions.c.branch_id)
        .join_from(fork, branches, branches.c.id == fork.c.branch)
        .join(versions, versions.c.id == branches.c.parent_id)
    )
    forks = fork.union_all(further)
    rows = session.execute(select(forks.c.branch, forks.c.at).order_by(forks.c.at.desc()))
    return [(version.branch_id, version.id), *((branch, at) for branch, at in rows)]


@dataclass(frozen=True, slots=True)
class Meeting:
    """The latest version that two come from, and the ways from there to either."""

    version_id: int
    ours: tuple[Segment, ...]
    theirs: tuple[Segment, ...]


def meet(session: Session, ours: Version, theirs: Version) -> Meeting:
    """Where two versions of a line part; every two have the line's first version in common."""
    mine, other = lineage(session, ours), lineage(session, theirs)
    highs = dict(other)
    branch, high = next((branch, high) for branch, high in mine if branch in highs)
    common = min(high, highs[branch])
    return Meeting(
        common,
        _named(session, _above(mine, common, branch)),
        _named(session, _above(other, common, branch)),
    )


# Versions that are looked up one by one.
_FEW = 16


def _named(session: Session, segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """The same segments, the short ones with their versions' ids."""
    found = []
    for segment in segments:
        span = versions.c.id > segment.low, versions.c.id <= segment.high
        query = select(versions.c.id).where(versions.c.branch_id == segment.branch_id, *span)
        ids = tuple(session.scalars(query.limit(_FEW + 1)))
        found.append(replace(segment, ids=ids) if len(ids) <= _FEW else segment)
    return tuple(found)


def _above(lineage: list[tuple[int, int]], start: int, start_branch: int) -> tuple[Segment, ...]:
    segments: list[Segment] = []
    for branch, high in lineage:
        if branch == start_branch:
            if high > start:
                segments.append(Segment(branch, high, start))
            return tuple(segments)
        segments.append(Segment(branch, high, 0))
    raise ValueError(f"version {start} is no ancestor")
