"""Versions too large for one transaction, while they are built: how far each has come and who is at it.

A version's plan says so itself: `after` is the last entry it has taken, `runner` the process at work, `beat` when that
last wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update

from sortline.catalogue.store.making import PROGRESS, Writing, summarise
from sortline.catalogue.store.summaries import version_summary
from sortline.catalogue.store.versions import version_by_id
from sortline.catalogue.summary import Summary
from sortline.catalogue.tables import base_members, bases, entries, imports, version_changes, versions
from sortline.catalogue.version import Change, ChangeKind, Place, Version, VersionBusy, VersionState
from sortline.db.session import Session

# A process that has written nothing for this long is taken for dead.
LEASE = timedelta(seconds=15)
_ROWS = 500


def abandoned(session: Session, now: datetime) -> int | None:
    """The id of the oldest version that is not ready and that nobody is at; None if there is none."""
    query = select(versions.c.id, versions.c.plan).where(versions.c.state == VersionState.BUILDING)
    for version_id, plan in session.execute(query.order_by(versions.c.id)):
        if not _alive(plan, now):
            return int(version_id)
    return None


def claimed(runner: str, now: datetime) -> dict[str, object]:
    """What a plan says while this process is at it."""
    return {"runner": runner, "beat": now.isoformat()}


def take(session: Session, version_id: int, runner: str, now: datetime) -> Version:
    """The version, which is this process's to build from now on.

    Raises:
        VersionBusy: another process is at it, or has finished it.
        UnknownVersion: there is none.
    """
    version = _locked(session, version_id)
    mine = version.plan.get("runner") == runner
    if version.state is not VersionState.BUILDING or (not mine and _alive(version.plan, now)):
        raise VersionBusy(version.number)
    return _note(session, version, **claimed(runner, now))


def hold(session: Session, version_id: int, runner: str) -> Version:
    """The version as far as it has come, locked until the end.

    Raises:
        VersionBusy: another process has taken it over, or has finished it.
        UnknownVersion: there is none.
    """
    version = _locked(session, version_id)
    if version.state is not VersionState.BUILDING or version.plan.get("runner") != runner:
        raise VersionBusy(version.number)
    return version


def keep(session: Session, version: Version, writing: Writing, after: int, now: datetime) -> None:
    """The version has taken all entries up to `after`."""
    counts: dict[str, int] = {str(kind): count for kind, count in writing.counts.items()}
    session.execute(update(versions).where(versions.c.id == version.id).values(**counts))
    _note(session, version, after=after, beat=now.isoformat())


def beat(session: Session, version_id: int, runner: str, now: datetime) -> None:
    """This process is still at it.

    Raises:
        VersionBusy, UnknownVersion: as `hold`.
    """
    _note(session, hold(session, version_id, runner), beat=now.isoformat())


def let_go(session: Session, version_id: int, runner: str) -> None:
    """Whoever wants may go on."""
    version = hold(session, version_id, runner)
    _note(session, version, runner=None, beat=None)


def progress(version: Version) -> int:
    """The last entry a version being built has taken."""
    after = version.plan.get("after", 0)
    return after if isinstance(after, int) else 0


def resumed(session: Session, version: Version) -> Writing:
    """The version as far as it has come, but for its summary, which tells of its parent alone; see `recount`."""
    parent = None if version.parent_id is None else version_by_id(session, version.parent_id)
    summary = version_summary(session, parent.id) if parent else Summary()
    counts = {kind: int(getattr(version, kind)) for kind in ChangeKind}
    return Writing(version=version, parent=parent, summary=summary, counts=counts)


def recount(session: Session, writing: Writing, after: int) -> int | None:
    """The last of the next 500 changes written so far, of which the summary tells now; None at the end."""
    steps = _written(session, writing.version, after)
    summarise(session, writing.summary, steps)
    return steps[-1].entry_id if steps else None


def discard(session: Session, version: Version) -> None:
    """A version that turned out to change nothing is gone."""
    session.execute(update(imports).where(imports.c.version_id == version.id).values(version_id=None))
    session.execute(delete(bases).where(bases.c.version_id == version.id))
    session.execute(delete(versions).where(versions.c.id == version.id))


def last_entry(session: Session, line_id: int) -> int:
    """The latest of a line's entries, 0 before the first."""
    return session.scalar(select(func.max(entries.c.id)).where(entries.c.line_id == line_id)) or 0


def _locked(session: Session, version_id: int) -> Version:
    session.execute(select(versions.c.id).where(versions.c.id == version_id).with_for_update())
    return version_by_id(session, version_id)


def _alive(plan: Mapping[str, object], now: datetime) -> bool:
    beat = plan.get("beat")
    return isinstance(beat, str) and now - datetime.fromisoformat(beat) < LEASE


def _note(session: Session, version: Version, **progress: object) -> Version:
    if not progress.keys() <= set(PROGRESS):
        raise ValueError(f"no progress of a plan: {progress}")
    plan = dict(version.plan) | progress
    session.execute(update(versions).where(versions.c.id == version.id).values(plan=plan))
    return version_by_id(session, version.id)


def _written(session: Session, version: Version, after: int) -> list[Change]:
    if version.parent_id is None:
        base = base_members.c
        members = (
            select(base.entry_id, base.class_id, base.split)
            .where(base.base_id == version.base_id, base.entry_id > after)
            .order_by(base.entry_id)
            .limit(_ROWS)
        )
        return [
            Change(entry_id, None, Place(class_id, split))
            for entry_id, class_id, split in session.execute(members)
        ]
    change = version_changes.c
    changes = (
        select(change.entry_id, change.before_class, change.before_split, change.class_id, change.split)
        .where(change.version_id == version.id, change.entry_id > after)
        .order_by(change.entry_id)
        .limit(_ROWS)
    )
    return [
        Change(
            entry_id,
            None if before_class is None else Place(before_class, before_split),
            None if class_id is None else Place(class_id, split),
        )
        for entry_id, before_class, before_split, class_id, split in session.execute(changes)
    ]
