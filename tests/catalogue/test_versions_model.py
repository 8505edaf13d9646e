"""Whatever is done to versions, each resolves as a plain dictionary does, on both databases."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, update

from sortline.catalogue.duplicates import GroupCounts
from sortline.catalogue.entry import EntryFilter, Split
from sortline.catalogue.store.changes import diff
from sortline.catalogue.store.facts import facts_of
from sortline.catalogue.store.group_counts import count_version, version_groups
from sortline.catalogue.store.members import members, members_after, places
from sortline.catalogue.store.samples import sample
from sortline.catalogue.store.summaries import version_summary
from sortline.catalogue.store.versions import active_version, version_by_id
from sortline.catalogue.summary import Summary
from sortline.catalogue.tables import entries
from sortline.catalogue.version import Change, Draft, MergeConflicts, NothingChanged, Place, Version
from sortline.db.session import Session, reading, writing
from sortline.flows.duplicates import count_groups, groups_due
from sortline.flows.rebase import rebase, rebase_due
from sortline.flows.versions import Changes, from_changes, from_filter, merge, restore
from tests.versions import add_entries, new_line

Content = dict[int, Place]
SPLITS = st.sampled_from(list(Split))


@pytest.mark.parametrize("small", [True, False], ids=["in-chunks", "at-once"])
def test_versions_resolve_as_dictionaries_do(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, small: bool
) -> None:
    """Any sequence of changes, filters, branches, merges, restores and new bases; members, counts, summary, diffs."""
    monkeypatch.setattr("sortline.catalogue.store.bases._FEW", 3)
    if small:
        monkeypatch.setattr("sortline.flows.versions._AT_ONCE", 2)
        monkeypatch.setattr("sortline.flows.versions._FIRST_ROWS", 2)
        monkeypatch.setattr("sortline.flows.versions.WRITE_S", 0.0)
        monkeypatch.setattr("sortline.flows.rebase._FIRST_ROWS", 2)
    examples = 15 if engine.dialect.name == "sqlite" else 6
    run_state_machine_as_test(
        lambda: Versions(engine),
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


class Versions(RuleBasedStateMachine):
    """A line's versions, each beside the dictionary it should be."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine
        self.ids: list[int] = []
        self.now: dict[int, Place | None] = {}
        self.groups: dict[int, int] = {}
        self.content: dict[int, Content] = {}
        # Each version's parent.
        self.parents: dict[int, int | None] = {}

    @initialize()
    def begin(self) -> None:
        """A line with three classes, and its first version."""
        with writing(self.engine) as session:
            self.line_id, self.classes = new_line(session, "Glass", "Metal", "Paper")
            ids = add_entries(
                session, self.line_id, [(self.classes[n % 3], Split(1 + n % 3)) for n in range(8)]
            )
            self._know(session, ids)
            version = from_changes(session, self.line_id, _draft(), Changes(add=frozenset(ids)))
        self._made(version, None, {entry: place for entry, place in self.now.items() if place})

    @rule(data=st.data(), wanted=st.lists(st.tuples(st.integers(-1, 2), SPLITS), min_size=1, max_size=4))
    def pictures_come(self, data: st.DataObject, wanted: list[tuple[int, Split]]) -> None:
        """With and without labels, alone or as near-duplicates of others."""
        group = data.draw(st.none() | st.sampled_from(self.ids[:2]))
        with writing(self.engine) as session:
            given = [(None if number < 0 else self.classes[number], split) for number, split in wanted]
            ids = add_entries(session, self.line_id, given, days=len(self.ids), group_id=group)
            self._know(session, ids)
            if group is not None:
                session.execute(update(entries).where(entries.c.id == group).values(group_id=group))
                self.groups |= dict.fromkeys([group, *ids], group)

    @rule()
    def the_worker_counts_groups(self) -> None:
        """Of the versions that people look at."""
        with reading(self.engine) as session:
            due = groups_due(session)
        for version_id in due:
            count_groups(self.engine, version_id)

    @rule(data=st.data(), split=SPLITS, number=st.integers(0, 2))
    def a_label_changes(self, data: st.DataObject, split: Split, number: int) -> None:
        """In the catalogue alone: no version has it so, until one takes it up."""
        entry = data.draw(st.sampled_from(self.ids))
        with writing(self.engine) as session:
            session.execute(
                update(entries)
                .where(entries.c.id == entry)
                .values(class_id=self.classes[number], split=split)
            )
        self.now[entry] = Place(self.classes[number], split)

    @rule(data=st.data())
    def a_version_is_changed(self, data: st.DataObject) -> None:
        """A child of any version, a branch where that has one already."""
        parent = self._any(data)
        some = st.frozensets(st.sampled_from(self.ids), max_size=2)
        labelled = frozenset(entry for entry, place in self.now.items() if place)
        add = data.draw(some) & labelled
        removed = data.draw(some) - add
        relabel = {
            entry: data.draw(st.sampled_from(self.classes))
            for entry in data.draw(some) - add - removed
            if entry in labelled
        }
        wanted = dict(self.content[parent])
        for entry in add:
            wanted[entry] = self._place(entry)
        for entry, class_id in relabel.items():
            wanted[entry] = Place(class_id, self._place(entry).split)
        for entry in removed:
            wanted.pop(entry, None)
        try:
            with writing(self.engine) as session:
                version = from_changes(
                    session,
                    self.line_id,
                    _draft(parent),
                    Changes(add=add, remove=removed, relabel=relabel),
                )
        except NothingChanged:
            assert wanted == self.content[parent]
        else:
            self._made(version, parent, wanted)

    @rule(
        data=st.data(),
        number=st.none() | st.integers(0, 2),
        split=st.none() | SPLITS,
        everything=st.booleans(),
    )
    def a_version_is_filtered(
        self, data: st.DataObject, number: int | None, split: Split | None, everything: bool
    ) -> None:
        """Of another version, or of all the line has."""
        parent, source = self._any(data), self._any(data)
        class_id = None if number is None else self.classes[number]
        of = {e: p for e, p in self.now.items() if p} if everything else self.content[source]
        wanted = {
            entry: place
            for entry, place in of.items()
            if class_id in (None, place.class_id) and split in (None, place.split)
        }
        try:
            version = from_filter(
                self.engine,
                self.line_id,
                _draft(parent),
                EntryFilter(class_id=class_id, split=split),
                of=None if everything else self._version(source),
            )
        except NothingChanged:
            assert wanted == self.content[parent]
        else:
            self._made(version, parent, wanted)

    @rule(data=st.data(), prefer=st.sampled_from(["ours", "theirs", None]))
    def versions_are_merged(self, data: st.DataObject, prefer: str | None) -> None:
        """From where their ways part; what both changed differently is a conflict unless one is preferred."""
        ours, theirs = self._any(data), self._any(data)
        base = self.content[self._parting(ours, theirs)]
        mine, other = self.content[ours], self.content[theirs]
        wanted, clash = dict(mine), set()
        for entry in base.keys() | mine.keys() | other.keys():
            before, now, wish = base.get(entry), mine.get(entry), other.get(entry)
            if wish in (before, now):
                continue
            if now != before:
                clash.add(entry)
                if prefer == "ours":
                    continue
            if wish is None:
                wanted.pop(entry)
            else:
                wanted[entry] = wish
        try:
            version = merge(
                self.engine, self.line_id, _draft(ours), self._version(theirs),
                prefer=prefer,  # type: ignore[arg-type]  # drawn
            )  # fmt: skip
        except MergeConflicts as error:
            _assert_told(error, clash)
            assert prefer is None
        except NothingChanged:
            assert wanted == mine
            assert self._parting(ours, theirs) == theirs
        else:
            assert prefer or not clash
            self._made(version, ours, wanted)

    @rule(data=st.data())
    def a_version_is_restored(self, data: st.DataObject) -> None:
        """As a child of any other."""
        parent, old = self._any(data), self._any(data)
        try:
            version = restore(self.engine, self.line_id, _draft(parent), self._version(old))
        except NothingChanged:
            assert self.content[old] == self.content[parent]
        else:
            self._made(version, parent, dict(self.content[old]))

    @rule(data=st.data())
    def a_version_is_written_out(self, data: st.DataObject) -> None:
        """Its answers, and those of all that come from it, stay the same."""
        rebase(self.engine, self._any(data))

    @rule()
    def the_worker_writes_out_what_is_due(self) -> None:
        """Until nothing is."""
        for _ in range(30):
            with reading(self.engine) as session:
                due = rebase_due(session)
            if due is None:
                return
            rebase(self.engine, due)
        raise AssertionError("some version is always due")

    @precondition(lambda self: self.content)
    @rule(data=st.data())
    def two_versions_differ(self, data: st.DataObject) -> None:
        """By just the entries in which their dictionaries do, also page by page."""
        first, second = self._any(data), self._any(data)
        before, after = self.content[first], self.content[second]
        expected = [
            Change(entry, before.get(entry), after.get(entry))
            for entry in sorted(before.keys() | after.keys())
            if before.get(entry) != after.get(entry)
        ]
        found: list[Change] = []
        cursor: str | None = None
        with reading(self.engine) as session:
            ours, theirs = version_by_id(session, first), version_by_id(session, second)
            while True:
                page = diff(session, ours, theirs, limit=2, cursor=cursor)
                found += page.changes
                assert +Counter(page.counts) == Counter(change.kind for change in expected)
                if (cursor := page.next_cursor) is None:
                    break
        assert found == expected

    def teardown(self) -> None:
        """Every version is what it should be, by every question."""
        if not self.content:
            return
        with reading(self.engine) as session:
            active = active_version(session, self.line_id)
            assert active
            assert active.id == min(self.content)
            for version_id, content in self.content.items():
                self._check(session, version_by_id(session, version_id), content)

    def _check(self, session: Session, version: Version, content: Content) -> None:
        assert version.size == len(content)
        assert _all(session, version) == [(entry, *content[entry]) for entry in sorted(content)]
        assert places(session, version, self.ids) == content
        facts = facts_of(session, list(content)) if content else {}
        summary = version_summary(session, version.id)
        groups = version_groups(session, version, summary)
        assert groups == count_version(session, version) == self._grouped(content)
        assert summary == Summary.of(
            replace(facts[entry], class_id=place.class_id, split=place.split)
            for entry, place in content.items()
        )
        for class_id in (None, *self.classes):
            for split in (None, Split.NONE, Split.TEST):
                expected = [
                    entry
                    for entry, place in sorted(content.items(), reverse=True)
                    if class_id in (None, place.class_id) and split in (None, place.split)
                ]
                assert _paged(session, version, EntryFilter(class_id=class_id, split=split)) == expected
        for class_id in self.classes:
            of_class = {entry for entry, place in content.items() if place.class_id == class_id}
            drawn = [one.entry_id for one in sample(session, version, class_id, 3)]
            assert len(set(drawn)) == len(drawn) == min(3, len(of_class))
            assert set(drawn) <= of_class

    def _grouped(self, content: Content) -> GroupCounts:
        groups: dict[int, list[Place]] = {}
        for entry, group in self.groups.items():
            if entry in content:
                groups.setdefault(group, []).append(content[entry])
        several = {group: places for group, places in groups.items() if len(places) > 1}
        conflicting = [group for group, found in several.items() if len({one.class_id for one in found}) > 1]
        leaking = [
            group for group, found in several.items() if len({one.split for one in found} - {Split.NONE}) > 1
        ]
        return GroupCounts(
            groups=len(several),
            pictures=sum(map(len, several.values())),
            conflicts=len(conflicting),
            leaks=len(leaking),
            conflicting=tuple(sorted(conflicting)),
            leaking=tuple(sorted(leaking)),
        )

    def _know(self, session: Session, ids: list[int]) -> None:
        self.ids += ids
        for entry_id, facts in facts_of(session, ids).items():
            self.now[entry_id] = None if facts.class_id is None else Place(facts.class_id, facts.split)

    def _made(self, version: Version, parent: int | None, content: Content) -> None:
        self.content[version.id], self.parents[version.id] = content, parent
        before = self.content[parent] if parent else {}
        changed = [e for e in before.keys() | content.keys() if before.get(e) != content.get(e)]
        assert version.changed == len(changed)
        assert version.added - version.removed == len(content) - len(before)

    def _any(self, data: st.DataObject) -> int:
        # The latest more often: long chains.
        known = list(self.content)
        return data.draw(st.sampled_from(known) | st.sampled_from(known[-2:]))

    def _place(self, entry: int) -> Place:
        place = self.now[entry]
        assert place
        return place

    def _version(self, version_id: int) -> Version:
        with reading(self.engine) as session:
            return version_by_id(session, version_id)

    def _parting(self, ours: int, theirs: int) -> int:
        mine = set(self._line_of(ours))
        return next(one for one in self._line_of(theirs) if one in mine)

    def _line_of(self, version: int) -> list[int]:
        found = [version]
        while (parent := self.parents[found[-1]]) is not None:
            found.append(parent)
        return found


def _assert_told(error: MergeConflicts, clash: set[int]) -> None:
    assert {one.entry_id for one in error.conflicts} == clash
    assert error.count == len(clash)


def _draft(parent: int | None = None) -> Draft:
    return Draft(author="tester", parent_id=parent)


def _all(session: Session, version: Version) -> list[tuple[int, int, Split]]:
    found: list[tuple[int, int, Split]] = []
    while chunk := members_after(session, version, found[-1][0] if found else 0, 3):
        found += chunk
    return found


def _paged(session: Session, version: Version, wanted: EntryFilter) -> list[int]:
    found: list[int] = []
    cursor: str | None = None
    while True:
        page = members(session, version, wanted, limit=2, cursor=cursor)
        found += [member.entry_id for member in page.items]
        if (cursor := page.next_cursor) is None:
            return found
