"""Versions are made: at once where little changes, otherwise in chunks that a kill interrupts and anyone continues."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from threading import Event
from typing import Literal

from sqlalchemy import Engine

from sortline.catalogue.duplicates import GroupTally
from sortline.catalogue.entry import EntryFilter
from sortline.catalogue.importing import Import
from sortline.catalogue.store import building, imports, plans
from sortline.catalogue.store.changes import conflicts
from sortline.catalogue.store.clock import lock_catalogue
from sortline.catalogue.store.entries import get_entries
from sortline.catalogue.store.group_counts import count_version, grouping_stamp
from sortline.catalogue.store.making import (
    Writing,
    begin_version,
    create_version,
    finish_version,
    look_ahead,
    write,
)
from sortline.catalogue.store.paths import meet
from sortline.catalogue.store.plans import Plan
from sortline.catalogue.store.versions import parent_of, version_by_id
from sortline.catalogue.version import (
    MOST_AT_ONCE,
    Draft,
    MergeConflicts,
    NothingChanged,
    NoVersion,
    Place,
    TooManyChanges,
    UnknownPictures,
    Version,
    VersionBusy,
    VersionState,
)
from sortline.db.session import Session, reading, writing

# What a transaction may take: whoever else writes to SQLite waits no longer than this, and then has as long.
WRITE_S = 0.020
# A process at work says so at least this often; see `building.LEASE`.
HEARTBEAT_S = 3.0
_FIRST_ROWS, _MOST_ROWS = 100, 4000
# Entries a version made in one transaction may take; tests take fewer.
_AT_ONCE = MOST_AT_ONCE
# Conflicts that are told.
_CONFLICTS = 100
_IDS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Pictures by entry id: to take in (again, as the line has them now), to take out, to give another class."""

    add: frozenset[int] = field(default_factory=frozenset)
    remove: frozenset[int] = field(default_factory=frozenset)
    relabel: Mapping[int, int] = field(default_factory=dict)


def from_changes(session: Session, line_id: int, draft: Draft, changes: Changes) -> Version:
    """A version that differs from its parent by these changes. Splits are the line's: nothing moves between them.

    Raises:
        TooManyChanges, UnknownPictures: the changes cannot be followed.
        InvalidVersionName, VersionNameTaken, UnknownVersion, VersionBusy, NothingChanged: as `create_version`.
    """
    ids = sorted({*changes.add, *changes.remove, *changes.relabel})
    if len(ids) > MOST_AT_ONCE:
        raise TooManyChanges(len(ids))
    wanted: dict[int, Place | None] = {}
    for chunk in _chunks(ids):
        known = get_entries(session, line_id, chunk)
        for entry_id in chunk:
            entry = known.get(entry_id)
            class_id = changes.relabel.get(entry_id, entry.class_id if entry else None)
            if entry_id in changes.remove:
                wanted[entry_id] = None
            elif entry and class_id is not None:
                wanted[entry_id] = Place(class_id, entry.split)
    if missing := [entry_id for entry_id in ids if entry_id not in wanted]:
        raise UnknownPictures(missing)
    return create_version(session, line_id, draft, wanted, plan={"kind": "changes"})


def from_staged(engine: Engine, line_id: int, draft: Draft, *, wait: bool = True) -> Version:
    """A version that takes up every label and split that changed since one last did.

    With `wait` it is ready; without, a large one may still be building, which the worker goes on with.
    """
    return _create(engine, line_id, draft, plans.staged_plan(), wait=wait)


def from_import(engine: Engine, line_id: int, draft: Draft, import_id: str, *, wait: bool = True) -> Version:
    """A version that has the labelled pictures an import brought or met, as the line has them now."""
    return _create(engine, line_id, draft, plans.import_plan(import_id), wait=wait)


def version_of_import(
    engine: Engine, found: Import, draft: Draft, *, stop: Event | None = None
) -> Version | None:
    """The version that belongs to an import: made once, and gone on with after a kill.

    None where nothing in it is new. It is not ready when told to stop, or while another process builds it.
    """
    try:
        if found.version_id is None:
            plan = plans.import_plan(found.id)
            return _create(engine, found.line_id, draft, plan, stop=stop, import_id=found.id)
        with reading(engine) as session:
            version = version_by_id(session, found.version_id)
        if version.state is VersionState.READY:
            return version
        with suppress(VersionBusy):
            return build(engine, version.id, stop) or version
        return version
    except NothingChanged:
        return None


def from_filter(
    engine: Engine, line_id: int, draft: Draft, wanted: EntryFilter, *, of: Version | None, wait: bool = True
) -> Version:
    """A version of exactly what meets the filter: members of version `of`, or labelled pictures of the line."""
    with reading(engine) as session:
        upto = building.last_entry(session, line_id)
    return _create(engine, line_id, draft, plans.filter_plan(wanted, of, upto), wait=wait)


def merge(
    engine: Engine,
    line_id: int,
    draft: Draft,
    theirs: Version,
    *,
    prefer: Literal["ours", "theirs"] | None = None,
    wait: bool = True,
) -> Version:
    """A version with what `theirs` changed since it parted from the draft's parent. `prefer` decides conflicts.

    Raises:
        MergeConflicts: both changed some entries, differently, and nothing is preferred.
        NothingChanged: the parent comes from `theirs`.
    """
    with reading(engine) as session:
        ours = parent_of(session, line_id, draft)
        if ours is None:
            raise NoVersion
        if meet(session, ours, theirs).version_id == theirs.id:
            raise NothingChanged(ours.name)
        if prefer is None:
            found = list(islice(conflicts(session, ours, theirs), _CONFLICTS))
            if found:
                raise MergeConflicts(found, sum(1 for _ in conflicts(session, ours, theirs)))
    draft = replace(draft, parent_id=ours.id)
    return _create(engine, line_id, draft, plans.merge_plan(theirs, prefer), merged=theirs, wait=wait)


def restore(engine: Engine, line_id: int, draft: Draft, old: Version, *, wait: bool = True) -> Version:
    """A version with just what an older one had."""
    return _create(engine, line_id, draft, plans.restore_plan(old), wait=wait)


def build(
    engine: Engine, version_id: int, stop: Event | None = None, *, runner: str | None = None
) -> Version | None:
    """The version, built to its end; None when told to stop, with what is done kept.

    Raises:
        VersionBusy: another process is building it.
        NothingChanged: its parent has everything so already; it is gone.
    """
    runner, stop = runner or _runner(), stop or Event()
    state = _resume(engine, version_id, runner)
    after, rows = building.progress(state.version), _FIRST_ROWS
    while not stop.is_set():
        with reading(engine) as session:
            plan, line_id = state.version.plan, state.version.line_id
            wanted = dict(plans.wanted_after(session, line_id, state.parent, plan, after, rows))
            if not wanted:
                break
            steps = look_ahead(session, state, wanted)
        begun = time.perf_counter()
        with writing(engine) as session:
            version = building.hold(session, version_id, runner)
            write(session, state, wanted, steps)
            building.keep(session, version, state, after := max(wanted), datetime.now(UTC))
        took = time.perf_counter() - begun
        rows = max(8, min(_MOST_ROWS, 2 * rows, round(len(wanted) * WRITE_S / max(took, 1e-4))))
        if engine.dialect.name == "sqlite":
            # Others had to wait as long for SQLite's one write lock.
            stop.wait(min(took, 1.0))
    else:
        with writing(engine) as session:
            building.let_go(session, version_id, runner)
        return None
    return _finish(engine, state, runner)


def build_due(engine: Engine) -> int | None:
    """The id of a version that was begun and that nobody builds now; None if there is none."""
    with reading(engine) as session:
        return building.abandoned(session, datetime.now(UTC))


def _create(
    engine: Engine,
    line_id: int,
    draft: Draft,
    plan: Plan,
    *,
    merged: Version | None = None,
    wait: bool = True,
    stop: Event | None = None,
    import_id: str | None = None,
) -> Version:
    """The version; as far as it is built where it is large and there is no waiting for it."""
    runner = _runner()
    while True:
        # Read first, so that nobody waits for it.
        with reading(engine) as session:
            parent = parent_of(session, line_id, draft)
            wanted = plans.wanted_after(session, line_id, parent, plan, 0, _AT_ONCE + 1)
            small = len(wanted) <= _AT_ONCE and not _more(session, line_id, parent, plan, wanted)
        with writing(engine) as session:
            lock_catalogue(session)
            if parent_of(session, line_id, draft) != parent:
                # Another was made the active one in between.
                continue
            if small:
                version = create_version(session, line_id, draft, dict(wanted), plan=plan, merged=merged)
            else:
                claim = building.claimed(runner, datetime.now(UTC)) if wait else {}
                begun = begin_version(session, line_id, draft, plan={**plan, **claim}, merged=merged)
                version = begun.version
            if import_id is not None:
                imports.set_version(session, import_id, version.id)
        if small or not wait:
            return version
        return build(engine, version.id, stop, runner=runner) or version


def _more(session: Session, line_id: int, parent: Version | None, plan: Plan, wanted: plans.Wanted) -> bool:
    """Whether a plan goes on: a page may be shorter than asked for where two lists are read together."""
    return bool(wanted) and bool(plans.wanted_after(session, line_id, parent, plan, wanted[-1][0], 1))


def _resume(engine: Engine, version_id: int, runner: str) -> Writing:
    """A version this process builds from now on, as far as it has come."""
    with writing(engine) as session:
        version = building.take(session, version_id, runner, datetime.now(UTC))
        state = building.resumed(session, version)
    after: int | None = 0 if state.changed else None
    beat = time.monotonic()
    while after is not None:
        with reading(engine) as session:
            after = building.recount(session, state, after)
        if time.monotonic() - beat > HEARTBEAT_S:
            beat = time.monotonic()
            with writing(engine) as session:
                building.beat(session, version_id, runner, datetime.now(UTC))
    return state


def _finish(engine: Engine, state: Writing, runner: str) -> Version:
    with reading(engine) as session:
        stamp = grouping_stamp(session, state.version.line_id)
        state.summary.groups = GroupTally(stamp, count_version(session, state.version))
    with writing(engine) as session:
        # The clock first, as everywhere, then the version.
        lock_catalogue(session)
        building.hold(session, state.version.id, runner)
        if state.changed or state.version.merged_id is not None:
            return finish_version(session, state)
        building.discard(session, state.version)
    raise NothingChanged(state.parent.name if state.parent else None)


def _runner() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{time.monotonic_ns()}"


def _chunks(ids: Iterable[int]) -> Iterable[list[int]]:
    iterator = iter(ids)
    while chunk := list(islice(iterator, _IDS)):
        yield chunk
