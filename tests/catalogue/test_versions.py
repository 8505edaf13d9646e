"""Versions are made, named, found, activated and asked, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, insert, select, update

from sortline.catalogue.entry import UNLABELLED, EntryFilter, Split
from sortline.catalogue.store import labels, paths
from sortline.catalogue.store.changes import diff
from sortline.catalogue.store.members import members, members_after, places
from sortline.catalogue.store.samples import sample
from sortline.catalogue.store.versions import (
    activate,
    active_version,
    get_version,
    list_versions,
    version_by_id,
)
from sortline.catalogue.tables import entries, import_entries, staged, version_changes
from sortline.catalogue.version import (
    ChangeKind,
    Draft,
    InvalidVersionName,
    MergeConflicts,
    NothingChanged,
    NoVersion,
    Place,
    TooManyChanges,
    UnknownPictures,
    UnknownVersion,
    Version,
    VersionNameTaken,
)
from sortline.db.ids import new_id
from sortline.db.paging import BadCursor
from sortline.db.session import Session, reading, writing
from sortline.flows.versions import (
    Changes,
    from_changes,
    from_filter,
    from_import,
    from_staged,
    merge,
    restore,
)
from tests.versions import NOON, add_entries, new_line

TRAIN, TEST = Split.TRAIN, Split.TEST


class Line:
    """A line with six pictures: two classes by turns, the last in test, one a day; none in a version yet."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        with writing(engine) as session:
            self.id, (self.glass, self.metal) = new_line(session, "Glass", "Metal")
            self.ids: list[int] = []
            for number in range(6):
                place = ((self.glass, self.metal)[number % 2], TEST if number == 5 else TRAIN)
                self.ids += add_entries(session, self.id, [place], days=number)

    def version(self, parent: Version | None = None, **changes: object) -> Version:
        """A version with these changes."""
        draft = Draft(author="tester", parent_id=parent.id if parent else None)
        with writing(self.engine) as session:
            return from_changes(session, self.id, draft, Changes(**changes))  # type: ignore[arg-type]

    def first(self) -> Version:
        """The version of all six."""
        return self.version(add=frozenset(self.ids))

    def members(self, version: Version) -> dict[int, Place]:
        """All that is in a version."""
        with reading(self.engine) as session:
            return {one.entry_id: Place(*one[1:]) for one in members_after(session, version, 0, 1000)}


@pytest.fixture
def line(engine: Engine) -> Line:
    """A line with six pictures."""
    return Line(engine)


def test_versions_are_numbered_and_named(engine: Engine, line: Line) -> None:
    """From 1 within a line; found by number, v and number, name, or as the active one."""
    first = line.first()
    with writing(engine) as session:
        draft = Draft(name="without the blurred", notes="see mail", author="ada")
        second = from_changes(session, line.id, draft, Changes(remove=frozenset(line.ids[:1])))
        assert [first.number, second.number] == [1, 2]
        assert (first.name, second.notes, second.author) == ("v1", "see mail", "ada")
        for reference in (2, "2", "v2", "without the blurred"):
            assert get_version(session, line.id, reference) == second
        assert get_version(session, line.id, None) == get_version(session, line.id, "active") == first
        page = list_versions(session, line.id, limit=1)
        assert page.items == (second,)
        assert list_versions(session, line.id, limit=1, cursor=page.next_cursor).items == (first,)


@pytest.mark.parametrize("name", ["", "3", "v3", "V12", "active", " x", "x ", "a\nb", "x" * 201])
def test_some_names_are_refused(engine: Engine, line: Line, name: str) -> None:
    """Those that read as numbers, and those nobody can type."""
    with writing(engine) as session, pytest.raises(InvalidVersionName):
        from_changes(session, line.id, Draft(name=name, author="x"), Changes(add=frozenset(line.ids)))


def test_a_name_is_taken_once(engine: Engine, line: Line) -> None:
    """And nothing is left of the second version."""
    draft = Draft(name="clean", author="x")
    with writing(engine) as session:
        from_changes(session, line.id, draft, Changes(add=frozenset(line.ids)))
    with pytest.raises(VersionNameTaken), writing(engine) as session:
        from_changes(session, line.id, draft, Changes(remove=frozenset(line.ids[:1])))
    with reading(engine) as session:
        assert len(list_versions(session, line.id).items) == 1


def test_what_is_not_there_is_said_to_be(engine: Engine, line: Line) -> None:
    """Versions by number, by name, of another line; an active one before the first."""
    with reading(engine) as session:
        with pytest.raises(NoVersion):
            get_version(session, line.id, None)
        assert active_version(session, line.id) is None
    other = Line(engine).first()
    with writing(engine) as session:
        for reference in (1, "v9", "clean", "9" * 40, "²"):
            with pytest.raises(UnknownVersion):
                get_version(session, line.id, reference)
        with pytest.raises(UnknownVersion):
            version_by_id(session, 10**6)
        draft = Draft(author="x", parent_id=other.id)
        with pytest.raises(UnknownVersion):
            from_changes(session, line.id, draft, Changes(add=frozenset(line.ids)))


def test_only_the_first_version_becomes_active_by_itself(engine: Engine, line: Line) -> None:
    """After that it changes when somebody says so, and new versions are children of the active one."""
    first = line.first()
    second = line.version(remove=frozenset(line.ids[:1]))
    with writing(engine) as session:
        assert active_version(session, line.id) == first
        activate(session, second, "ada")
        assert active_version(session, line.id) == second
    assert line.version(remove=frozenset(line.ids[1:2])).parent_id == second.id


def test_a_version_costs_its_change(engine: Engine, line: Line) -> None:
    """One row for each entry that differs from the parent; none for what is as it was."""
    first = line.first()
    version = line.version(
        remove=frozenset(line.ids[:1]),
        add=frozenset(line.ids[1:3]),
        relabel={line.ids[3]: line.glass, line.ids[4]: line.glass},
    )
    assert (version.added, version.removed, version.relabelled, version.size) == (0, 1, 1, 5)
    with reading(engine) as session:
        assert session.scalar(select(func.count()).select_from(version_changes)) == 2
        assert places(session, version, line.ids[:1]) == {}
        assert places(session, first, line.ids[3:4]) == {line.ids[3]: Place(line.metal, TRAIN)}
        assert places(session, version, line.ids[3:4]) == {line.ids[3]: Place(line.glass, TRAIN)}


def test_a_version_like_its_parent_is_not_made(engine: Engine, line: Line) -> None:
    """Whatever it is made from."""
    first = line.first()
    with pytest.raises(NothingChanged, match="v1"):
        line.version(add=frozenset(line.ids))
    draft = Draft(author="x")
    with pytest.raises(NothingChanged):
        from_staged(engine, line.id, draft)
    with pytest.raises(NothingChanged):
        restore(engine, line.id, draft, first)
    with pytest.raises(NothingChanged):
        from_filter(engine, line.id, draft, EntryFilter(), of=first)
    with reading(engine) as session:
        assert [one.number for one in list_versions(session, line.id).items] == [1]


def test_pictures_that_cannot_be_taken_are_named(engine: Engine, line: Line) -> None:
    """Those of other lines, and those without a label."""
    stranger = Line(engine).ids[0]
    with writing(engine) as session:
        (unlabelled,) = add_entries(session, line.id, [(None, TRAIN)])
    with pytest.raises(UnknownPictures) as caught:
        line.version(add=frozenset([line.ids[0], stranger, unlabelled]))
    assert caught.value.entry_ids == tuple(sorted([stranger, unlabelled]))
    with pytest.raises(TooManyChanges):
        line.version(remove=frozenset(range(10_001)))


def test_what_waits_is_taken_up_once(engine: Engine, line: Line) -> None:
    """Labels that changed since; what changes again meanwhile waits again."""
    line.first()
    with writing(engine) as session:
        labels.label(session, line.id, line.ids[:1], line.metal, origin="review", who="ada")
        labels.label(session, line.id, line.ids[1:2], None, origin="review", who="ada")
        assert session.scalar(select(func.count()).select_from(staged)) == 2
    version = from_staged(engine, line.id, Draft(author="ada"))
    assert (version.relabelled, version.removed, version.plan["kind"]) == (1, 1, "staged")
    assert line.members(version)[line.ids[0]] == Place(line.metal, TRAIN)
    assert line.ids[1] not in line.members(version)
    with reading(engine) as session:
        assert session.scalar(select(func.count()).select_from(staged)) == 0


def test_a_version_is_made_of_an_import(engine: Engine, line: Line) -> None:
    """Of the labelled pictures it brought, beside what the parent has."""
    line.version(add=frozenset(line.ids[:2]))
    import_id = new_id()
    with writing(engine) as session:
        (unlabelled,) = add_entries(session, line.id, [(None, TRAIN)])
        brought = [*line.ids[1:4], unlabelled]
        session.execute(
            insert(import_entries), [{"import_id": import_id, "entry_id": one} for one in brought]
        )
    version = from_import(engine, line.id, Draft(author="x"), import_id)
    assert sorted(line.members(version)) == line.ids[:4]


def test_a_filter_by_date_class_and_split(engine: Engine, line: Line) -> None:
    """Of everything the line has, or of a version; the version then holds nothing else."""
    first = line.first()
    wanted = EntryFilter(class_id=line.metal, since=NOON + timedelta(days=2), split=TRAIN)
    version = from_filter(engine, line.id, Draft(author="x"), wanted, of=None)
    assert list(line.members(version)) == [line.ids[3]]
    version = from_filter(
        engine, line.id, Draft(author="x"), EntryFilter(until=NOON + timedelta(days=2)), of=first
    )
    assert list(line.members(version)) == line.ids[:2]
    assert (version.parent_id, version.removed) == (first.id, 4)


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        (EntryFilter(text="photo"), slice(0, 6)),
        (EntryFilter(source="upload"), slice(6, 7)),
        (EntryFilter(source="import", since=NOON + timedelta(days=4)), slice(4, 6)),
        (EntryFilter(group=7), slice(6, 7)),
        (EntryFilter(import_id="ab" * 16), slice(2, 4)),
    ],
)
def test_a_filter_of_the_parent_takes_out_the_rest(
    engine: Engine, line: Line, wanted: EntryFilter, kept: slice
) -> None:
    """By any condition, also where a picture has no name."""
    with writing(engine) as session:
        nameless = add_entries(session, line.id, [(line.glass, TRAIN)], source="upload", group_id=7)
        session.execute(update(entries).where(entries.c.id.in_(nameless)).values(name=None))
        brought = [{"import_id": "ab" * 16, "entry_id": one} for one in line.ids[2:4]]
        session.execute(insert(import_entries), brought)
    everything = [*line.ids, *nameless]
    parent = line.version(add=frozenset(everything))
    version = from_filter(engine, line.id, Draft(author="x"), wanted, of=parent)
    assert list(line.members(version)) == everything[kept]
    assert version.removed == 7 - len(everything[kept])


def test_members_are_filtered_as_the_version_has_them(engine: Engine, line: Line) -> None:
    """By its own class and split, by source, name, dates, import and group; an unlabelled one is in no version."""
    with writing(engine) as session:
        grouped = add_entries(
            session, line.id, [(line.glass, TRAIN)] * 2, days=9, group_id=7, source="upload"
        )
        import_id = new_id()
        session.execute(insert(import_entries), {"import_id": import_id, "entry_id": line.ids[2]})
    version = line.version(add=frozenset([*line.ids, *grouped]))
    version = line.version(version, relabel={line.ids[0]: line.metal})

    def found(**wanted: object) -> list[int]:
        with reading(engine) as session:
            page = members(session, version, EntryFilter(**wanted))  # type: ignore[arg-type]  # by name
            return [one.entry_id for one in page.items]

    assert found(class_id=line.metal) == [line.ids[5], line.ids[3], line.ids[1], line.ids[0]]
    assert found(class_id=line.metal, split=TEST) == [line.ids[5]]
    assert found(split=TEST) == [line.ids[5]]
    assert found(source="upload") == found(group=7) == grouped[::-1]
    assert found(text=f"PHOTO {line.ids[4]}.") == [line.ids[4]]
    assert found(text="%") == []
    assert found(import_id=import_id) == [line.ids[2]]
    assert found(since=NOON + timedelta(days=4), until=NOON + timedelta(days=6)) == line.ids[5:3:-1]
    assert found(until=NOON) == []
    assert found(class_id=UNLABELLED) == []


def test_a_cursor_is_an_id(engine: Engine, line: Line) -> None:
    """Pages go on from it; anything else is refused."""
    version = line.first()
    with reading(engine) as session:
        page = members(session, version, EntryFilter(), limit=4)
        assert [one.entry_id for one in page.items] == line.ids[:1:-1]
        rest = members(session, version, EntryFilter(), limit=4, cursor=page.next_cursor)
        assert ([one.entry_id for one in rest.items], rest.next_cursor) == (line.ids[1::-1], None)
        with pytest.raises(BadCursor):
            members(session, version, EntryFilter(), cursor="x")


def test_a_sample_is_of_the_class(engine: Engine, line: Line) -> None:
    """As many as there are at most; the same for the same seed."""
    version = line.first()
    with reading(engine) as session:
        some = sample(session, version, line.glass, 2, seed=3)
        assert some == sample(session, version, line.glass, 2, seed=3)
        assert {one.entry_id for one in some} < set(line.ids[::2])
        assert [one.entry_id for one in sample(session, version, line.metal, 9)] == line.ids[1::2]
        assert sample(session, version, 10**6, 3) == []
        assert [one.entry_id for one in sample(session, version, line.metal, 9, split=TEST)] == line.ids[5:]


def test_a_merge_brings_what_the_other_changed(engine: Engine, line: Line) -> None:
    """Since the two parted; both parents are kept, and a second merge brings nothing."""
    first = line.first()
    ours = line.version(first, remove=frozenset(line.ids[:1]))
    theirs = line.version(first, relabel={line.ids[1]: line.glass})
    draft = Draft(author="x", parent_id=ours.id)
    version = merge(engine, line.id, draft, theirs)
    assert (version.parent_id, version.merged_id, version.changed) == (ours.id, theirs.id, 1)
    assert line.members(version)[line.ids[1]] == Place(line.glass, TRAIN)
    assert line.ids[0] not in line.members(version)
    with pytest.raises(NothingChanged):
        merge(engine, line.id, Draft(author="x", parent_id=version.id), first)


def test_a_merge_conflict_is_told_and_decided(engine: Engine, line: Line) -> None:
    """Removed here, relabelled there: an error that lists it, unless one side is preferred."""
    first, entry = line.first(), line.ids[0]
    ours = line.version(first, remove=frozenset([entry, line.ids[2]]))
    theirs = line.version(first, relabel={entry: line.metal}, remove=frozenset([line.ids[2]]))
    draft = Draft(author="x", parent_id=ours.id)
    with pytest.raises(MergeConflicts) as caught:
        merge(engine, line.id, draft, theirs)
    (conflict,) = caught.value.conflicts
    assert (conflict.entry_id, conflict.ours, conflict.theirs) == (entry, None, Place(line.metal, TRAIN))
    assert conflict.base == Place(line.glass, TRAIN)
    assert entry not in line.members(merge(engine, line.id, draft, theirs, prefer="ours"))
    version = merge(engine, line.id, draft, theirs, prefer="theirs")
    assert line.members(version)[entry] == Place(line.metal, TRAIN)


def test_a_restored_version_equals_the_old_one(engine: Engine, line: Line) -> None:
    """As a child of the active one; the old one's splits and labels come back too."""
    first = line.first()
    second = line.version(first, remove=frozenset(line.ids[:3]), relabel={line.ids[3]: line.glass})
    with writing(engine) as session:
        activate(session, second, "x")
    version = restore(engine, line.id, Draft(author="x"), first)
    assert (version.parent_id, version.added, version.relabelled) == (second.id, 3, 1)
    assert line.members(version) == line.members(first)


def test_a_diff_costs_the_ways_between(engine: Engine, line: Line) -> None:
    """Two branches differ by what either changed; a version does not differ from itself."""
    first = line.first()
    one = line.version(first, remove=frozenset(line.ids[:2]))
    other = line.version(first, relabel={line.ids[3]: line.glass})
    assert one.branch_id != other.branch_id
    with reading(engine) as session:
        found = diff(session, one, other, limit=2)
        assert {kind: count for kind, count in found.counts.items() if count} == {
            ChangeKind.ADDED: 2,
            ChangeKind.RELABELLED: 1,
        }
        assert [change.entry_id for change in found.changes] == line.ids[:2]
        rest = diff(session, one, other, limit=2, cursor=found.next_cursor)
        assert [change.entry_id for change in rest.changes] == [line.ids[3]]
        assert rest.next_cursor is None
        assert not diff(session, one, one).changes
        with pytest.raises(BadCursor):
            diff(session, one, other, cursor="-1")


def test_children_made_at_once_are_all_right(engine: Engine, line: Line) -> None:
    """From several threads: numbers of their own, at most one on the parent's branch, each with its own content."""
    first = line.first()

    def child(entry: int) -> Version:
        return line.version(first, remove=frozenset([entry]))

    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(child, line.ids))
    assert sorted(one.number for one in made) == list(range(2, 8))
    assert sum(one.branch_id == first.branch_id for one in made) == 1
    assert len({one.branch_id for one in made}) == 6
    for entry, version in zip(line.ids, made, strict=True):
        assert set(line.members(version)) == set(line.ids) - {entry}


def test_a_first_version_is_made_once(engine: Engine, line: Line) -> None:
    """Two at once cannot both be a line's first: the second is the first's child, or has nothing to change."""
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda part: line.version(add=frozenset(part)), (line.ids[:3], line.ids[3:])))
    assert sorted([one.parent_id is None for one in made]) == [False, True]
    assert {one.size for one in made} == {3, 6}


def test_ways_lead_over_branches(engine: Engine, line: Line) -> None:
    """One span of versions for each branch on the way, newest first, from the base on."""
    first = line.first()
    second = line.version(first, remove=frozenset(line.ids[:1]))
    third = line.version(second, remove=frozenset(line.ids[1:2]))
    fork = line.version(second, remove=frozenset(line.ids[2:3]))
    tip = line.version(fork, remove=frozenset(line.ids[3:4]))
    with reading(engine) as session:
        assert paths.way_to(session, first).segments == ()
        assert [(one.branch_id, one.low, one.high) for one in paths.way_to(session, tip).segments] == [
            (fork.branch_id, 0, tip.id),
            (first.branch_id, first.id, second.id),
        ]
        assert paths.meet(session, tip, third).version_id == second.id
        assert _all(session, tip) == [line.ids[1], *line.ids[4:]]


def _all(session: Session, version: Version) -> list[int]:
    return [one.entry_id for one in members_after(session, version, 0, 100)]
