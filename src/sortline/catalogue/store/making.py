"""Versions are made: begun, given their changes, finished; in one go where little changes (`create_version`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from sqlalchemy import delete, exists, func, insert, select, update

from sortline.catalogue.store.clock import lock_catalogue
from sortline.catalogue.store.facts import facts_of
from sortline.catalogue.store.group_counts import keep_tally
from sortline.catalogue.store.members import places
from sortline.catalogue.store.summaries import add_version_summary, version_summary
from sortline.catalogue.store.versions import activate, active_version, parent_of, version_of
from sortline.catalogue.summary import Summary
from sortline.catalogue.tables import (
    base_members,
    bases,
    branches,
    entries,
    staged,
    version_changes,
    versions,
)
from sortline.catalogue.version import (
    Change,
    ChangeKind,
    Draft,
    NothingChanged,
    Place,
    Version,
    VersionBusy,
    VersionNameTaken,
    VersionState,
    valid_version_name,
)
from sortline.db.among import among
from sortline.db.session import Session

# Rows in one query.
_ROWS = 500


def create_version(
    session: Session,
    line_id: int,
    draft: Draft,
    wanted: Mapping[int, Place | None],
    *,
    plan: Mapping[str, object],
    merged: Version | None = None,
) -> Version:
    """A version that has each entry of `wanted` as given (None: not at all) and any other as its parent has it.

    Costs the size of the change. `merged` is the second parent of a merge. The first version of a line is active.

    Raises:
        InvalidVersionName, VersionNameTaken, UnknownVersion: the draft cannot be followed.
        VersionBusy: the line's first version is being built.
        NothingChanged: the parent has every entry so already, and nothing is merged.
    """
    writing = begin_version(session, line_id, draft, plan=plan, merged=merged)
    before, writing.summary.groups = writing.summary.groups, None
    steps = extend(session, writing, wanted)
    if not writing.changed and merged is None:
        # The transaction is undone, and with it the row.
        raise NothingChanged(writing.parent.name if writing.parent else None)
    writing.summary.groups = keep_tally(session, line_id, writing.parent, before, steps)
    return finish_version(session, writing)


@dataclass(slots=True, kw_only=True)
class Writing:
    """A version while it is written, and what came of its changes so far."""

    version: Version
    parent: Version | None
    summary: Summary
    counts: dict[ChangeKind, int] = field(default_factory=lambda: dict.fromkeys(ChangeKind, 0))

    @property
    def changed(self) -> int:
        """Entries that differ from the parent so far."""
        return sum(self.counts.values())


def begin_version(
    session: Session,
    line_id: int,
    draft: Draft,
    *,
    plan: Mapping[str, object],
    merged: Version | None = None,
) -> Writing:
    """A version nobody sees yet, without changes. A line's first becomes a base: it is written in full.

    Raises:
        InvalidVersionName, VersionNameTaken, UnknownVersion, VersionBusy: as `create_version`.
    """
    tick = lock_catalogue(session)
    parent = parent_of(session, line_id, draft)
    if parent is None:
        _no_other_first(session, line_id)
    number = 1 + (
        session.scalar(select(func.max(versions.c.number)).where(versions.c.line_id == line_id)) or 0
    )
    name = f"v{number}" if draft.name is None else _free(session, line_id, draft.name)
    row = {
        "line_id": line_id,
        "number": number,
        "name": name,
        "parent_id": parent.id if parent else None,
        "merged_id": merged.id if merged else None,
        "branch_id": _branch(session, line_id, parent),
        "base_id": parent.base_id if parent else None,
        "overlay": parent.overlay if parent else 0,
        "state": VersionState.BUILDING,
        "size": parent.size if parent else 0,
        "plan": dict(plan),
        "notes": draft.notes,
        "author": draft.author,
        "created_at": tick.at,
        **_columns(dict.fromkeys(ChangeKind, 0)),
    }
    made = session.execute(insert(versions).returning(versions), row).mappings().one()
    version = version_of(made)
    if parent is None:
        version = replace(version, base_id=_first_base(session, version))
    summary = version_summary(session, parent.id) if parent else Summary()
    return Writing(version=version, parent=parent, summary=summary)


def extend(session: Session, writing: Writing, wanted: Mapping[int, Place | None]) -> list[Change]:
    """What changed so that the version being written has these entries as given; none of them was given before."""
    steps = look_ahead(session, writing, wanted)
    write(session, writing, wanted, steps)
    return steps


def look_ahead(session: Session, writing: Writing, wanted: Mapping[int, Place | None]) -> list[Change]:
    """What is to be written so that the version has these entries as given; its summary tells of it already.

    All the reading there is to do, so that `write` alone has to hold others up.
    """
    found: list[Change] = []
    ids = iter(sorted(wanted))
    while chunk := list(islice(ids, _ROWS)):
        before = places(session, writing.parent, chunk) if writing.parent else {}
        steps = [Change(entry_id, before.get(entry_id), wanted[entry_id]) for entry_id in chunk]
        steps = [step for step in steps if step.before != step.after]
        summarise(session, writing.summary, steps)
        found += steps
    return found


def write(
    session: Session, writing: Writing, wanted: Mapping[int, Place | None], steps: Sequence[Change]
) -> None:
    """The version being written has these changes, and what waited for them waits no longer."""
    for step in steps:
        writing.counts[step.kind] += 1
    _insert(session, writing, steps)
    ids = iter(wanted)
    while chunk := list(islice(ids, _ROWS)):
        _take_up(session, writing.version.line_id, wanted, chunk)


def finish_version(session: Session, writing: Writing) -> Version:
    """The version is ready and never changes again; a line's first is the active one from now on."""
    tick, version = lock_catalogue(session), writing.version
    counts = writing.counts
    values = {
        "state": VersionState.READY,
        "size": version.size + counts[ChangeKind.ADDED] - counts[ChangeKind.REMOVED],
        # Not as it was when this began: the parent may have been given a base of its own since.
        "overlay": versions.c.overlay + (writing.changed if writing.parent else 0),
        "created_at": tick.at,
        "plan": _made_from(version.plan, writing.summary),
        **_columns(counts),
    }
    statement = update(versions).where(versions.c.id == version.id).values(**values).returning(versions)
    made = version_of(session.execute(statement).mappings().one())
    if writing.parent is None:
        session.execute(update(bases).where(bases.c.version_id == made.id).values(state=VersionState.READY))
    add_version_summary(session, made.id, writing.summary)
    if active_version(session, made.line_id) is None:
        activate(session, made, made.author)
    return made


def summarise(session: Session, summary: Summary, steps: Sequence[Change]) -> None:
    """The summary tells of a version with these up to 500 changes as well."""
    moved = [step for step in steps if step.before is None or step.after is None]
    facts = facts_of(session, [step.entry_id for step in moved]) if moved else {}
    for step in steps:
        if step.before and step.after:
            summary.move(step.entry_id, step.before, step.after)
        elif step.after:
            class_id, split = step.after
            summary.add(replace(facts[step.entry_id], class_id=class_id, split=split))
        elif step.before:
            class_id, split = step.before
            summary.remove(replace(facts[step.entry_id], class_id=class_id, split=split))


# What a plan says of a version only while it is built.
PROGRESS = ("after", "runner", "beat")
# What it says of a version whose summary is to be told its extremes anew (see `Summary.short`).
SHORT = "short"


def short_version(session: Session) -> int | None:
    """The oldest version whose summary is to be told its extremes anew."""
    marked = versions.c.plan[SHORT].as_boolean()
    found: int | None = session.scalar(select(versions.c.id).where(marked).order_by(versions.c.id).limit(1))
    return found


def clear_short(session: Session, version_id: int) -> None:
    """The version's summary has been told."""
    query = select(versions.c.plan).where(versions.c.id == version_id).with_for_update()
    plan = {key: value for key, value in session.execute(query).scalar_one().items() if key != SHORT}
    session.execute(update(versions).where(versions.c.id == version_id).values(plan=plan))


def _no_other_first(session: Session, line_id: int) -> None:
    # All versions of a line come from one, so that any two can be compared and merged.
    query = select(versions.c.number).where(versions.c.line_id == line_id).limit(1)
    if (number := session.scalar(query)) is not None:
        raise VersionBusy(number)


def _free(session: Session, line_id: int, name: str) -> str:
    taken = versions.c.name == valid_version_name(name)
    if session.scalar(select(exists().where(versions.c.line_id == line_id, taken))):
        raise VersionNameTaken(name)
    return name


def _branch(session: Session, line_id: int, parent: Version | None) -> int:
    """The parent's branch if the parent is its tip, otherwise a new one that forks there."""
    if parent is not None:
        later = exists().where(versions.c.branch_id == parent.branch_id, versions.c.id > parent.id)
        if not session.scalar(select(later)):
            return parent.branch_id
    row = {"line_id": line_id, "parent_id": parent.id if parent else None}
    made: int = session.execute(insert(branches).returning(branches.c.id), row).scalar_one()
    return made


def _first_base(session: Session, version: Version) -> int:
    row = {"line_id": version.line_id, "version_id": version.id, "state": VersionState.BUILDING, "copied": 0}
    base_id: int = session.execute(insert(bases).returning(bases.c.id), row).scalar_one()
    session.execute(update(versions).where(versions.c.id == version.id).values(base_id=base_id))
    return base_id


def _insert(session: Session, writing: Writing, steps: Sequence[Change]) -> None:
    version = writing.version
    if not steps:
        return
    if writing.parent is None:
        members = [
            {
                "base_id": version.base_id,
                "entry_id": step.entry_id,
                "class_id": step.after.class_id,
                "split": step.after.split,
            }
            for step in steps
            if step.after
        ]
        session.execute(insert(base_members), members)
        return
    rows = [
        {
            "version_id": version.id,
            "entry_id": step.entry_id,
            "branch_id": version.branch_id,
            "before_class": step.before.class_id if step.before else None,
            "before_split": step.before.split if step.before else None,
            "class_id": step.after.class_id if step.after else None,
            "split": step.after.split if step.after else None,
        }
        for step in steps
    ]
    session.execute(insert(version_changes), rows)


def _take_up(session: Session, line_id: int, wanted: Mapping[int, Place | None], ids: Iterable[int]) -> None:
    """Of these entries those wait no longer that the version has as the catalogue does."""
    query = (
        select(entries.c.id, entries.c.class_id, entries.c.split)
        .join_from(staged, entries, staged.c.entry_id == entries.c.id)
        .where(staged.c.line_id == line_id, among(session, staged.c.entry_id, ids))
    )
    now = {
        entry_id: None if class_id is None else Place(class_id, split)
        for entry_id, class_id, split in session.execute(query)
    }
    taken = [entry_id for entry_id, place in now.items() if wanted[entry_id] == place]
    if taken:
        session.execute(
            delete(staged).where(staged.c.line_id == line_id, among(session, staged.c.entry_id, taken))
        )


def _made_from(plan: Mapping[str, object], summary: Summary) -> dict[str, object]:
    kept = {key: value for key, value in plan.items() if key not in PROGRESS}
    return kept | {SHORT: True} if summary.short else kept


def _columns(counts: Mapping[ChangeKind, int]) -> dict[str, object]:
    return {str(kind): count for kind, count in counts.items()}
