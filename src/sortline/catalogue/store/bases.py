"""Bases in the database: versions written out in full, for themselves and their descendants to resolve from."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, insert, select, update

from sortline.catalogue.store.clock import lock_catalogue
from sortline.catalogue.store.paths import way_to
from sortline.catalogue.store.versions import version_by_id
from sortline.catalogue.tables import base_members, bases, branches, versions
from sortline.catalogue.version import Member, Version, VersionState
from sortline.db.session import Session

# Changes since its base, as a share of the base, above which a version is written out in full; a hundred cost nothing.
LARGEST_OVERLAY = 0.1
_FEW = 100
# Spans of versions on the way from a base, each of which is asked for every question.
MOST_SEGMENTS = 16


def rebase_due(session: Session) -> Version | None:
    """The oldest version that has too many changes, or branches, between it and its base; None if all are well."""
    start = versions.alias("start")
    query = (
        select(versions.c.id)
        .join_from(versions, bases, versions.c.base_id == bases.c.id)
        .join(start, start.c.id == bases.c.version_id)
        .where(
            versions.c.state == VersionState.READY,
            versions.c.overlay > _FEW,
            versions.c.overlay > LARGEST_OVERLAY * start.c.size,
        )
        .order_by(versions.c.id)
        .limit(1)
    )
    found = session.scalar(query)
    return _forked_often(session) if found is None else version_by_id(session, found)


def begin_base(session: Session, version: Version) -> int:
    """The id of a base for the version: the one begun before, where there is one."""
    lock_catalogue(session)
    begun = bases.c.version_id == version.id, bases.c.state == VersionState.BUILDING
    found: int | None = session.scalar(select(bases.c.id).where(*begun).limit(1))
    if found is not None:
        return found
    row = {"line_id": version.line_id, "version_id": version.id, "state": VersionState.BUILDING, "copied": 0}
    made: int = session.execute(insert(bases).returning(bases.c.id), row).scalar_one()
    return made


def copied(session: Session, base_id: int) -> int:
    """The last entry that is in a base being written, 0 before the first; locked until the end."""
    last: int = session.execute(
        select(bases.c.copied).where(bases.c.id == base_id).with_for_update()
    ).scalar_one()
    return last


def copy_members(session: Session, base_id: int, members: Sequence[Member]) -> None:
    """These members, which follow those already there, are in the base."""
    rows = [
        {"base_id": base_id, "entry_id": entry_id, "class_id": class_id, "split": split}
        for entry_id, class_id, split in members
    ]
    session.execute(insert(base_members), rows)
    session.execute(update(bases).where(bases.c.id == base_id).values(copied=members[-1].entry_id))


def finish_base(session: Session, version: Version, base_id: int) -> None:
    """The version resolves from this base alone, and what comes from it without another base between from here on."""
    lock_catalogue(session)
    version = version_by_id(session, version.id)
    session.execute(update(bases).where(bases.c.id == base_id).values(state=VersionState.READY))
    old, since = version.base_id, version.overlay
    spans = [(version.branch_id, version.id)]
    while spans:
        branch_id, first = spans.pop()
        here = versions.c.branch_id == branch_id, versions.c.id >= first, versions.c.base_id == old
        ids = list(session.scalars(select(versions.c.id).where(*here)))
        session.execute(
            update(versions).where(*here).values(base_id=base_id, overlay=versions.c.overlay - since)
        )
        forks = (
            select(branches.c.id)
            .join_from(branches, versions, versions.c.id == branches.c.parent_id)
            .where(versions.c.branch_id == branch_id, versions.c.id >= first)
        )
        if ids:
            spans += [(fork, 0) for fork in session.scalars(forks)]


def _forked_often(session: Session) -> Version | None:
    """The oldest tip of a branch whose way leads over too many branches."""
    many = select(branches.c.line_id).group_by(branches.c.line_id).having(func.count() > MOST_SEGMENTS)
    tips = (
        select(func.max(versions.c.id))
        .where(versions.c.line_id.in_(many), versions.c.state == VersionState.READY)
        .group_by(versions.c.branch_id)
    )
    for version_id in sorted(session.scalars(tips)):
        version = version_by_id(session, version_id)
        if len(way_to(session, version).segments) > MOST_SEGMENTS:
            return version
    return None
