"""Large versions are built in chunks that a kill interrupts, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Event

import pytest
from sqlalchemy import Engine, func, insert, select, update

from sortline.catalogue.entry import EntryFilter, Split
from sortline.catalogue.importing import Import, Options
from sortline.catalogue.store import building, imports
from sortline.catalogue.store.members import members_after
from sortline.catalogue.store.summaries import line_summary, version_summary
from sortline.catalogue.store.versions import active_version, get_version, list_versions, version_by_id
from sortline.catalogue.tables import base_members, bases, import_entries, versions
from sortline.catalogue.version import (
    Draft,
    NothingChanged,
    UnknownVersion,
    Version,
    VersionBusy,
    VersionState,
)
from sortline.db.session import reading, writing
from sortline.flows.extremes import extremes_due, refill_extremes
from sortline.flows.rebase import rebase, rebase_due
from sortline.flows.versions import (
    Changes,
    build,
    build_due,
    from_changes,
    from_filter,
    restore,
    version_of_import,
)
from tests.versions import add_entries, new_line

DRAFT = Draft(author="tester")
EVERYTHING = EntryFilter()


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is large, and chunks are small."""
    monkeypatch.setattr("sortline.flows.versions._AT_ONCE", 3)
    monkeypatch.setattr("sortline.flows.versions._FIRST_ROWS", 8)
    monkeypatch.setattr("sortline.flows.versions.WRITE_S", 0.0)
    monkeypatch.setattr("sortline.flows.rebase._FIRST_ROWS", 8)
    monkeypatch.setattr("sortline.flows.rebase.WRITE_S", 0.0)


@pytest.fixture
def line_id(engine: Engine) -> int:
    """A line with 50 labelled pictures."""
    with writing(engine) as session:
        line, classes = new_line(session, "Glass", "Metal")
        add_entries(session, line, [(classes[n % 2], Split(1 + n % 3)) for n in range(50)])
    return line


def kill_after(monkeypatch: pytest.MonkeyPatch, chunks: int) -> None:
    """The process ends in its next chunk after so many, with the transaction open."""
    kept, done = building.keep, 0

    def keep(*given: object) -> None:
        nonlocal done
        kept(*given)  # type: ignore[arg-type]  # as they came
        if done == chunks:
            raise Killed
        done += 1

    monkeypatch.setattr(building, "keep", keep)


def dead(engine: Engine, version_id: int) -> None:
    """The process at work on a version has been silent for longer than its lease."""
    with writing(engine) as session:
        version = version_by_id(session, version_id)
        long_ago = (datetime.now(UTC) - building.LEASE - timedelta(seconds=1)).isoformat()
        plan = {**version.plan, "beat": long_ago}
        session.execute(update(versions).where(versions.c.id == version_id).values(plan=plan))


def ids_of(engine: Engine, version: Version) -> list[int]:
    """All entries of a version."""
    with reading(engine) as session:
        return [one.entry_id for one in members_after(session, version, 0, 10_000)]


def only_version(engine: Engine) -> int:
    """The id of the one there is."""
    with reading(engine) as session:
        return session.execute(select(versions.c.id)).scalar_one()


def test_a_killed_build_is_gone_on_with(
    engine: Engine, line_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whoever finds it once the lease is over; what was written is not written again, and the summary is right."""
    with monkeypatch.context() as patch:
        kill_after(patch, 2)
        with pytest.raises(Killed):
            from_filter(engine, line_id, DRAFT, EVERYTHING, of=None)
    version_id = only_version(engine)
    with reading(engine) as session:
        assert session.scalar(select(func.count()).select_from(base_members)) == 16
        # Nobody sees it meanwhile.
        assert active_version(session, line_id) is None
        assert list_versions(session, line_id).items == ()
        with pytest.raises(UnknownVersion):
            get_version(session, line_id, 1)
    assert build_due(engine) is None
    with pytest.raises(VersionBusy):
        build(engine, version_id)
    dead(engine, version_id)
    assert build_due(engine) == version_id
    version = build(engine, version_id)
    assert version
    assert (version.state, version.size, version.added) == (VersionState.READY, 50, 50)
    assert version.plan.keys() == {"kind", "of", "upto", "filter"}
    assert len(ids_of(engine, version)) == 50
    assert build_due(engine) is None
    with reading(engine) as session:
        assert active_version(session, line_id) == version
        assert version_summary(session, version.id) == line_summary(session, line_id)


def test_a_killed_delta_is_gone_on_with(
    engine: Engine, line_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restore of many changes: each is written once, the counts are those of all."""
    first = from_filter(engine, line_id, DRAFT, EVERYTHING, of=None)
    half = from_filter(engine, line_id, DRAFT, EntryFilter(split=Split.TRAIN), of=first)
    with monkeypatch.context() as patch:
        kill_after(patch, 1)
        with pytest.raises(Killed):
            restore(engine, line_id, Draft(author="x", parent_id=half.id), first)
    with reading(engine) as session:
        version_id = session.scalar(select(func.max(versions.c.id)))
    assert version_id
    dead(engine, version_id)
    version = build(engine, version_id)
    assert version
    assert (version.added, version.removed, version.size) == (33, 0, 50)
    assert ids_of(engine, version) == ids_of(engine, first)
    with reading(engine) as session:
        assert version_summary(session, version.id) == version_summary(session, first.id)


def test_a_build_that_is_stopped_is_free_for_others(engine: Engine, line_id: int) -> None:
    """At once: no lease has to end."""
    version = from_filter(engine, line_id, DRAFT, EVERYTHING, of=None, wait=False)
    assert version.state is VersionState.BUILDING
    stop = Event()
    stop.set()
    assert build(engine, version.id, stop) is None
    assert build_due(engine) == version.id
    assert build(engine, version.id)


def test_a_builder_that_was_taken_over_writes_nothing_more(
    engine: Engine, line_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had been thought dead; the version is as the other one left it."""
    kept, others = building.keep, list[Version]()

    def keep(*given: object) -> None:
        kept(*given)  # type: ignore[arg-type]  # as they came
        monkeypatch.setattr(building, "keep", kept)
        monkeypatch.setattr("sortline.flows.versions.look_ahead", overtaken)

    def overtaken(*given: object) -> object:
        monkeypatch.setattr("sortline.flows.versions.look_ahead", look)
        dead(engine, only_version(engine))
        built = build(engine, only_version(engine))
        assert built
        others.append(built)
        return look(*given)  # type: ignore[arg-type]  # as they came

    from sortline.catalogue.store.making import look_ahead as look

    monkeypatch.setattr(building, "keep", keep)
    with pytest.raises(VersionBusy):
        from_filter(engine, line_id, DRAFT, EVERYTHING, of=None)
    assert len(ids_of(engine, others[0])) == 50


def test_a_large_version_that_changes_nothing_is_not_made(engine: Engine, line_id: int) -> None:
    """Found out at the end of building it, and then it is gone."""
    first = from_filter(engine, line_id, DRAFT, EVERYTHING, of=None)
    with pytest.raises(NothingChanged, match="v1"):
        from_filter(engine, line_id, DRAFT, EVERYTHING, of=None)
    assert only_version(engine) == first.id
    with reading(engine) as session:
        assert session.scalar(select(func.count()).select_from(bases)) == 1


def test_an_import_has_one_version(engine: Engine, line_id: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed and run again it is the same one; an import with nothing new has none."""
    found = _import(engine, line_id)
    with monkeypatch.context() as patch:
        kill_after(patch, 1)
        with pytest.raises(Killed):
            version_of_import(engine, found, DRAFT)
    found = _again(engine, found)
    assert found.version_id == only_version(engine)
    # Somebody else is at it, for all that is known.
    waiting = version_of_import(engine, found, DRAFT)
    assert waiting
    assert waiting.state is VersionState.BUILDING
    dead(engine, waiting.id)
    version = version_of_import(engine, found, DRAFT)
    assert version
    assert (version.id, version.state, version.size) == (waiting.id, VersionState.READY, 50)
    assert version_of_import(engine, _again(engine, found), DRAFT) == version
    second = _import(engine, line_id)
    assert version_of_import(engine, second, DRAFT) is None
    assert _again(engine, second).version_id is None


def test_a_version_far_from_its_base_is_written_out(
    engine: Engine, line_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a tenth of the base on; its descendants resolve from there, and a kill in the middle costs nothing."""
    monkeypatch.setattr("sortline.catalogue.store.bases._FEW", 0)
    first = from_filter(engine, line_id, DRAFT, EVERYTHING, of=None)
    ids, versions_made = ids_of(engine, first), [first]
    for number in range(8):
        with writing(engine) as session:
            draft = Draft(author="x", parent_id=versions_made[-1].id)
            changes = Changes(remove=frozenset([ids[number]]))
            versions_made.append(from_changes(session, line_id, draft, changes))
        with reading(engine) as session:
            due = rebase_due(session)
            assert (due is not None) == (number >= 5), number
    assert due == versions_made[6].id
    stop = Event()
    stop.set()
    assert not rebase(engine, due, stop)
    assert rebase(engine, due)
    with reading(engine) as session:
        assert rebase_due(session) is None
        found = [version_by_id(session, one.id) for one in versions_made]
        assert [one.overlay for one in found] == [0, 1, 2, 3, 4, 5, 0, 1, 2]
        assert found[7].base_id == found[6].base_id != first.base_id
    for number, version in enumerate(found):
        assert ids_of(engine, version) == ids[number:]


def test_short_lists_are_filled_again(engine: Engine, line_id: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a version lost most of the extreme pictures its parent kept; the worker finds it."""
    monkeypatch.setattr("sortline.catalogue.extremes.Extremes.__init__.__kwdefaults__", {"keep": 30})
    first = from_filter(engine, line_id, DRAFT, EVERYTHING, of=None)
    with reading(engine) as session:
        gone = frozenset(entry for entry, _ in version_summary(session, first.id).darkest.first(10))
    with writing(engine) as session:
        version = from_changes(session, line_id, DRAFT, Changes(remove=gone))
    with reading(engine) as session:
        assert version_summary(session, version.id).short
        assert extremes_due(session) == version.id
    stop = Event()
    stop.set()
    assert not refill_extremes(engine, version.id, stop)
    assert refill_extremes(engine, version.id)
    with reading(engine) as session:
        assert extremes_due(session) is None
        summary = version_summary(session, version.id)
        assert not summary.short
        assert len(summary.darkest.first(24)) == 24
        assert version_by_id(session, version.id).plan == {"kind": "changes"}


def _import(engine: Engine, line_id: int) -> Import:
    with writing(engine) as session:
        found = imports.create(
            session, line_id, kind="folder", location="/photos", options=Options(), who="tester"
        )
        entry_ids = range(1, 51)
        session.execute(
            insert(import_entries), [{"import_id": found.id, "entry_id": one} for one in entry_ids]
        )
    return found


def _again(engine: Engine, found: Import) -> Import:
    with reading(engine) as session:
        return imports.get(session, found.id)
