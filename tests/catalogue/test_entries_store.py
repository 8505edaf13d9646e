"""Pictures come into a line's catalogue, on both databases."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import Engine, select

from sortline.catalogue.entry import (
    UNLABELLED,
    Entry,
    EntryFilter,
    NewPicture,
    Placed,
    Split,
    TrainedLookup,
    UnknownEntry,
)
from sortline.catalogue.image import ImageRecord
from sortline.catalogue.store import entries as store
from sortline.catalogue.store import groups
from sortline.catalogue.store.images import add_images, get_image
from sortline.catalogue.store.labels import history
from sortline.catalogue.store.summaries import line_summary
from sortline.catalogue.tables import catalogue_clock, import_entries, near_recent, staged
from sortline.db.paging import BadCursor
from sortline.db.session import Session, writing
from sortline.engine.fingerprint import SIZE
from sortline.lines import store as lines

IMPORT = "ab" * 16


def fingerprint(number: int) -> bytes:
    """A fingerprint far from every other number's."""
    return np.random.default_rng(number).integers(0, 256, SIZE, np.uint8).tobytes()


def picture(
    name: str,
    class_id: int | None,
    *,
    looks: int | None = None,
    declared: Split | None = None,
    source: str = "import",
) -> NewPicture:
    """A picture; those that look like the same number are near-duplicates."""
    sha256 = hashlib.sha256(name.encode()).hexdigest()
    image = ImageRecord(
        sha256=sha256,
        media_type="image/jpeg",
        bytes=1000,
        width=200,
        height=100,
        brightness=120.0,
        sharpness=300.0,
        source=source,
        client=None,
        first_seen=datetime(2026, 5, 1, tzinfo=UTC),
        format="jpeg",
        phash=fingerprint(int(sha256[:8], 16) if looks is None else looks),
    )
    return NewPicture(image=image, class_id=class_id, declared=declared, source=source, name=name)


def line_with(session: Session, *names: str) -> tuple[int, list[int]]:
    """A new line and the ids of its classes."""
    line = lines.create_line(session, "waste", class_names=names)
    return line.id, [label.id for label in lines.list_classes(session, line.id)]


def add(
    session: Session,
    line_id: int,
    *pictures: NewPicture,
    relabel: bool = False,
    stage: bool = False,
    import_id: str | None = None,
    trained: TrainedLookup = lambda _: None,
) -> list[Placed]:
    """The pictures are added by an import."""
    return store.add_pictures(
        session,
        line_id,
        pictures,
        origin="import",
        who="anna",
        trained=trained,
        relabel=relabel,
        stage=stage,
        import_id=import_id,
    )


def everything(session: Session, line_id: int) -> Sequence[tuple[object, ...]]:
    """What the catalogue says of each entry, but for when it came."""
    page = store.list_entries(session, line_id, EntryFilter(), limit=1000)
    return [(e.id, e.image_sha256, e.class_id, e.split, e.why, e.group_id, e.declared) for e in page.items]


def test_a_new_picture_has_an_entry_a_label_and_counts(engine: Engine) -> None:
    """All of it in one call."""
    with writing(engine) as session:
        line, (glass,) = line_with(session, "Glass")
        (placed,) = add(session, line, picture("a.jpg", glass), import_id=IMPORT)
        entry = store.get_entry(session, line, picture("a.jpg", None).image.sha256)
        assert (placed.entry_id, placed.outcome, placed.problems) == (entry.id, "added", ())
        assert (entry.class_id, entry.name, entry.group_id, entry.declared) == (glass, "a.jpg", None, False)
        assert entry.split in {Split.TRAIN, Split.VALIDATION, Split.TEST}
        (event,) = history(session, entry.id)
        assert (event.class_id, event.origin, event.who, event.import_id) == (glass, "import", "anna", IMPORT)
        assert line_summary(session, line).counts == {(glass, entry.split): 1}
        assert session.scalars(select(import_entries.c.entry_id)).all() == [entry.id]
        assert session.scalars(select(staged.c.entry_id)).all() == []


def test_again_changes_nothing(engine: Engine) -> None:
    """Neither in the same call nor in a later one."""
    with writing(engine) as session:
        line, (glass,) = line_with(session, "Glass")
        first = add(session, line, picture("a.jpg", glass), picture("b.jpg", glass), picture("a.jpg", glass))
        before = everything(session, line)
        again = add(session, line, picture("b.jpg", glass), picture("a.jpg", None))
        assert [one.outcome for one in [*first, *again]] == ["added", "added", "known", "known", "known"]
        assert [one.entry_id for one in again] == [first[1].entry_id, first[0].entry_id]
        assert everything(session, line) == before
        assert session.scalar(select(catalogue_clock.c.next_entry)) == 3
        (data,) = session.scalars(select(near_recent.c.data))
        assert len(data) == 2 * 16


def test_another_label_is_reported_and_taken_only_when_asked(engine: Engine) -> None:
    """The current label stays; with `relabel` the new one becomes current, and history keeps both."""
    with writing(engine) as session:
        line, (glass, metal) = line_with(session, "Glass", "Metal")
        add(session, line, picture("a.jpg", glass))
        (kept,) = add(session, line, picture("a.jpg", metal))
        assert kept.outcome == "known"
        assert [(p.code, p.class_id) for p in kept.problems] == [("label-conflict", glass)]
        (changed,) = add(session, line, picture("a.jpg", metal), relabel=True, stage=True)
        assert (changed.outcome, changed.problems) == ("relabelled", ())
        entry = store.get_entry(session, line, picture("a.jpg", None).image.sha256)
        assert entry.class_id == metal
        assert [event.class_id for event in history(session, entry.id)] == [glass, metal]
        assert line_summary(session, line).counts == {(metal, entry.split): 1}
        assert session.scalars(select(staged.c.entry_id)).all() == [entry.id]


def test_a_label_for_a_picture_without_one_is_taken(engine: Engine) -> None:
    """Also in the call that brought the picture."""
    with writing(engine) as session:
        line, (glass, metal) = line_with(session, "Glass", "Metal")
        outcomes = add(
            session,
            line,
            picture("a.jpg", None),
            picture("a.jpg", glass),
            picture("a.jpg", metal),
        )
        assert [one.outcome for one in outcomes] == ["added", "labelled", "known"]
        entry = store.get_entry(session, line, picture("a.jpg", None).image.sha256)
        assert entry.class_id == glass
        assert line_summary(session, line).counts == {(glass, entry.split): 1}


@pytest.mark.parametrize("chunk", [1, 3, 7])
def test_chunks_make_no_difference(engine: Engine, chunk: int) -> None:
    """Near-duplicates within a chunk count just as those that came before."""
    made = [
        picture(f"{number}.jpg", None, looks=number % 5, declared=[None, None, Split.TEST][number % 3])
        for number in range(20)
    ]
    with writing(engine) as session:
        first, second = (lines.create_line(session, name).id for name in ("first", "second"))
        whole = add(session, first, *made)
        parts = [one for at in range(0, 20, chunk) for one in add(session, second, *made[at : at + chunk])]
        shift = len(made)
        assert [(one.outcome, [p.code for p in one.problems]) for one in whole] == [
            (one.outcome, [p.code for p in one.problems]) for one in parts
        ]
        moved = [
            (id_ + shift, sha, class_id, split, why, group and group + shift, declared)
            for id_, sha, class_id, split, why, group, declared in everything(session, first)
        ]
        assert everything(session, second) == moved
        assert {row[5] for row in moved} - {None}


def test_groups_merge_and_keep_the_smallest_id(engine: Engine) -> None:
    """A picture near two groups of one split makes them one, those in the database too."""
    left, right = fingerprint(1), bytearray(fingerprint(1))
    # Eight and nine signs from each other are too many; both are near the middle.
    middle = bytearray(left)
    middle[0] ^= 0b11111
    right[0] ^= 0b11111
    right[2] ^= 0b11111
    looks = [left, bytes(right), left, bytes(right), bytes(middle)]
    with writing(engine) as session:
        line, _ = line_with(session)
        for number, phash in enumerate(looks):
            one = picture(f"{number}.jpg", None, declared=Split.TRAIN)
            add(session, line, replace(one, image=replace(one.image, phash=phash)))
            if number == 3:
                assert [row[5] for row in everything(session, line)] == [2, 1, 2, 1]
        assert [row[5] for row in everything(session, line)] == [1] * 5


def test_leaks_are_listed_and_mended(engine: Engine) -> None:
    """`resplit` moves a group to its most frozen part, but nothing trained on; `drop` takes the rest out."""
    pictures = [
        picture("a.jpg", None, looks=1, declared=Split.TRAIN),
        picture("b.jpg", None, looks=1, declared=Split.TEST),
        picture("c.jpg", None, looks=1, declared=Split.VALIDATION),
        picture("d.jpg", None, looks=2, declared=Split.TEST),
        picture("e.jpg", None, looks=2, declared=Split.TEST),
    ]
    trained_on = {pictures[2].image.sha256: Split.TRAIN}
    with writing(engine) as session:
        line, _ = line_with(session)
        add(session, line, *pictures)
        (leak,) = groups.leaks(session, line).items
        assert [entry.name for entry in leak.entries] == ["a.jpg", "b.jpg", "c.jpg"]
        assert len(groups.duplicates(session, line).items) == 2
        assert groups.resplit(session, line, who="anna", trained=trained_on.get) == 2
        assert groups.resplit(session, line, who="anna", trained=trained_on.get) == 0
        assert groups.leaks(session, line).items == ()
        splits = {entry.name: (entry.split, entry.why) for entry in _all(session, line)}
        assert splits["a.jpg"] == (Split.TEST, None)
        assert splits["c.jpg"] == (Split.NONE, "trained")
        assert line_summary(session, line).counts == {(None, Split.TEST): 4, (None, Split.NONE): 1}
        assert sorted(session.scalars(select(staged.c.entry_id))) == [1, 3]

        add(session, line, picture("f.jpg", None, looks=2, declared=Split.TRAIN))
        assert groups.drop(session, line, who="anna") == 1
        assert groups.leaks(session, line).items == ()
        assert next((e.split, e.why) for e in _all(session, line)) == (Split.NONE, "dropped")


def test_groups_come_in_pages_and_conflicts_by_themselves(engine: Engine) -> None:
    """The latest first; only groups with different labels conflict."""
    with writing(engine) as session:
        line, (glass, metal) = line_with(session, "Glass", "Metal")
        for looks in range(3):
            labels = (glass, metal if looks == 1 else glass)
            add(
                session,
                line,
                *(picture(f"{looks}-{at}", label, looks=looks) for at, label in enumerate(labels)),
            )
        first = groups.duplicates(session, line, limit=2)
        rest = groups.duplicates(session, line, limit=2, cursor=first.next_cursor)
        assert [group.id for group in [*first.items, *rest.items]] == [5, 3, 1]
        assert rest.next_cursor is None
        (conflict,) = groups.label_conflicts(session, line).items
        assert {entry.class_id for entry in conflict.entries} == {glass, metal}


def test_a_picture_the_recorder_kept_gets_its_fingerprint(engine: Engine) -> None:
    """What was noted at its first sight stays, and is what the summary counts."""
    with writing(engine) as session:
        line, (glass,) = line_with(session, "Glass")
        new = picture("a.jpg", glass)
        add_images(session, [replace(new.image, phash=None, format=None, brightness=99.0, source="api")])
        add(session, line, new)
        found = get_image(session, new.image.sha256)
        assert found is not None
        assert (found.phash, found.format, found.brightness, found.source) == (
            new.image.phash,
            "jpeg",
            99.0,
            "api",
        )


def test_entries_are_filtered_and_paged(engine: Engine) -> None:
    """Every filter alone, and pages that go on where the last ended."""
    with writing(engine) as session:
        line, (glass,) = line_with(session, "Glass")
        add(session, line, picture("one_a.jpg", glass), picture("Two.jpg", None), import_id=IMPORT)
        add(session, line, picture("three.jpg", glass, source="upload", declared=Split.TEST))
        now = datetime.now(UTC)

        def names(wanted: EntryFilter) -> list[str | None]:
            return [entry.name for entry in store.list_entries(session, line, wanted).items]

        assert names(EntryFilter()) == ["three.jpg", "Two.jpg", "one_a.jpg"]
        assert names(EntryFilter(class_id=glass)) == ["three.jpg", "one_a.jpg"]
        assert names(EntryFilter(class_id=UNLABELLED)) == ["Two.jpg"]
        assert names(EntryFilter(source="upload", split=Split.TEST)) == ["three.jpg"]
        assert names(EntryFilter(import_id=IMPORT)) == ["Two.jpg", "one_a.jpg"]
        assert names(EntryFilter(text="two")) == ["Two.jpg"]
        # An underscore is no wildcard.
        assert names(EntryFilter(text="_")) == ["one_a.jpg"]
        hour = timedelta(hours=1)
        assert len(names(EntryFilter(since=now - hour, until=now + hour))) == 3
        assert names(EntryFilter(since=now + hour)) == names(EntryFilter(until=now - hour)) == []
        first = store.list_entries(session, line, EntryFilter(), limit=2)
        rest = store.list_entries(session, line, EntryFilter(), limit=2, cursor=first.next_cursor)
        assert ([e.name for e in rest.items], rest.next_cursor) == (["one_a.jpg"], None)
        with pytest.raises(BadCursor):
            store.list_entries(session, line, EntryFilter(), cursor="x")
        with pytest.raises(UnknownEntry):
            store.get_entry(session, line, "0" * 64)


def _all(session: Session, line_id: int) -> Sequence[Entry]:
    return store.list_entries(session, line_id, EntryFilter()).items
