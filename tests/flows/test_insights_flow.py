"""Insights of a version and of everything, with names, on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, update

from sortline.catalogue.entry import Split
from sortline.catalogue.store.facts import facts_of
from sortline.catalogue.store.making import create_version
from sortline.catalogue.store.versions import version_by_id
from sortline.catalogue.tables import entries
from sortline.catalogue.version import Draft, Place, Version
from sortline.db.session import Session, reading, writing
from sortline.flows.duplicates import count_groups, groups_due
from sortline.flows.insights import insights, older_insights
from sortline.flows.versions import Changes, from_changes
from tests.versions import add_entries, new_line, sha256_of

TRAIN, TEST = Split.TRAIN, Split.TEST


class Line:
    """Ten pictures of glass and two of metal; a pair of near-duplicates with different labels, and one unlabelled."""

    def __init__(self, session: Session) -> None:
        self.id, (self.glass, self.metal, self.paper) = new_line(session, "Glass", "Metal", "Paper")
        self.ids = add_entries(session, self.id, [(self.glass, TRAIN)] * 10)
        self.pair = add_entries(
            session, self.id, [(self.metal, TRAIN), (self.glass, TEST)], days=3, group_id=self.ids[-1] + 1
        )
        add_entries(session, self.id, [(None, TRAIN)], days=4)
        self.version = from_changes(
            session, self.id, Draft(author="x"), Changes(add=frozenset([*self.ids, *self.pair]))
        )


@pytest.fixture
def line(engine: Engine) -> Line:
    """A line with a version of all labelled pictures."""
    with writing(engine) as session:
        return Line(session)


def test_insights_of_everything(engine: Engine, line: Line) -> None:
    """Classes by name in the line's order, those without pictures too; what is unlabelled apart."""
    with reading(engine) as session:
        found = insights(session, line.id)
        facts = list(facts_of(session, [*line.ids, *line.pair, line.pair[-1] + 1]).values())
    assert (found.size, found.unlabelled, found.version) == (13, 1, None)
    assert [(one.name, one.count) for one in found.classes] == [("Glass", 11), ("Metal", 1), ("Paper", 0)]
    assert found.classes[0].splits == {Split.NONE: 0, TRAIN: 10, Split.VALIDATION: 0, TEST: 1}
    assert found.bytes == sum(one.bytes for one in facts)
    assert found.width.mean == pytest.approx(sum(one.width for one in facts) / 13)
    assert (found.balance.largest, found.balance.smallest) == (11, 1)
    assert [added for _, added, _ in found.growth] == [10, 2, 1]
    darkest = min(facts, key=lambda one: (one.brightness, one.entry_id))
    assert found.brightness.lowest[0] == (darkest.entry_id, darkest.brightness)
    assert found.pictures[darkest.entry_id] == sha256_of(darkest.entry_id)


def test_samples_are_of_the_class(engine: Engine, line: Line) -> None:
    """Three where it has them, by hash; as many as asked for."""
    with reading(engine) as session:
        glass, metal, paper = insights(session, line.id, line.version).classes
        assert len({one.entry_id for one in glass.samples} & {*line.ids, line.pair[1]}) == 3
        assert [one.sha256 for one in metal.samples] == [sha256_of(line.pair[0])]
        assert paper.samples == ()
        assert len(insights(session, line.id, line.version, samples=1).classes[0].samples) == 1


def test_duplicates_of_a_version_are_by_its_own_labels(engine: Engine, line: Line) -> None:
    """A pair with different labels and splits in one version, with the same in another, of one picture in a third."""
    with writing(engine) as session:
        agreed = _child(session, line, {line.pair[0]: Place(line.glass, TEST)})
        apart = _child(session, line, {line.pair[0]: None})
    with reading(engine) as session:
        first = insights(session, line.id, line.version).duplicates
        assert (first.groups, first.pictures, first.conflicts, first.leaks) == (1, 2, 1, 1)
        assert first.conflicting == first.leaking == (line.pair[0],)
        second = insights(session, line.id, agreed).duplicates
        assert (second.groups, second.conflicts, second.leaks) == (1, 0, 0)
        third = insights(session, line.id, apart).duplicates
        assert (third.groups, third.pictures) == (0, 0)
        assert insights(session, line.id).duplicates == first


def test_duplicates_are_those_of_today(engine: Engine, line: Line) -> None:
    """Once a picture joins a group, what a version had counted is counted anew; the worker keeps it for next time."""
    with writing(engine) as session:
        assert groups_due(session) == []
        # A picture like three that were alone until now.
        late = add_entries(session, line.id, [(line.glass, TRAIN)], group_id=line.ids[0])
        session.execute(update(entries).where(entries.c.id.in_(line.ids[:3])).values(group_id=line.ids[0]))
    with reading(engine) as session:
        found = insights(session, line.id, line.version).duplicates
        assert (found.groups, found.pictures) == (2, 5)
        assert groups_due(session) == [line.version.id]
    count_groups(engine, line.version.id)
    with writing(engine) as session:
        assert groups_due(session) == []
        assert insights(session, line.id, version_by_id(session, line.version.id)).duplicates == found
        child = from_changes(session, line.id, Draft(author="x"), Changes(add=frozenset(late)))
        assert insights(session, line.id, child).duplicates.pictures == 6


def test_the_older_shape(engine: Engine, line: Line) -> None:
    """Names, three pictures each, and sizes, as clients of older systems read them."""
    with reading(engine) as session:
        found = older_insights(session, line.id)
        facts = list(facts_of(session, [*line.ids, *line.pair, line.pair[-1] + 1]).values())
    assert found.class_distribution == {"Glass": 11, "Metal": 1, "Paper": 0}
    assert {name: len(some) for name, some in found.samples.items()} == {"Glass": 3, "Metal": 1, "Paper": 0}
    assert found.image_dimensions == {
        "min_width": min(one.width for one in facts),
        "max_width": max(one.width for one in facts),
        "avg_width": round(sum(one.width for one in facts) / 13, 2),
        "min_height": min(one.height for one in facts),
        "max_height": max(one.height for one in facts),
        "avg_height": round(sum(one.height for one in facts) / 13, 2),
        "total_images": 13,
    }


def test_an_empty_line_has_insights(engine: Engine) -> None:
    """All zero."""
    with writing(engine) as session:
        line_id, _ = new_line(session, "Glass")
        found = insights(session, line_id)
    assert (found.size, found.duplicates.groups, found.classes[0].count, found.growth) == (0, 0, 0, ())


def _child(session: Session, line: Line, wanted: dict[int, Place | None]) -> Version:
    return create_version(session, line.id, Draft(author="x"), wanted, plan={"kind": "changes"})
