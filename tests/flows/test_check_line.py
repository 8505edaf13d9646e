"""`flows/check_line.py`: summaries that say something else than the catalogue are found and written anew."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, update

from sortline.catalogue.entry import Split
from sortline.catalogue.store.summaries import line_summary, set_version_summary, version_summary
from sortline.catalogue.store.versions import list_versions
from sortline.catalogue.summary import Summary
from sortline.catalogue.tables import line_summaries
from sortline.catalogue.version import Draft, Version
from sortline.db.session import reading, writing
from sortline.flows.check_line import LineReport, check_line
from sortline.flows.versions import Changes, from_changes
from sortline.lines import store as lines
from sortline.lines.line import Line
from tests.versions import add_entries, new_line


@pytest.fixture
def line(engine: Engine) -> Line:
    """A line with 40 pictures and three versions: all, five left out, one of these back and two relabelled."""
    draft = Draft(author="tester")
    with writing(engine) as session:
        line_id, (glass, metal) = new_line(session, "Glass", "Metal")
        ids = add_entries(session, line_id, [(glass, Split.TRAIN), (metal, Split.TEST)] * 20)
    for changes in (
        Changes(add=frozenset(ids)),
        Changes(remove=frozenset(ids[:5])),
        Changes(add=frozenset(ids[:1]), relabel={ids[8]: metal, ids[10]: metal}),
    ):
        with writing(engine) as session:
            parent = list_versions(session, line_id).items
            chosen = Draft(author="tester", parent_id=parent[0].id) if parent else draft
            from_changes(session, line_id, chosen, changes)
    with reading(engine) as session:
        return next(one for one in lines.list_lines(session) if one.id == line_id)


def checked(engine: Engine, line: Line, *, repair: bool = False) -> LineReport:
    """What is found."""
    return check_line(engine, line, repair=repair, trained=lambda _: lambda _: None)


def versions(engine: Engine, line: Line) -> list[Version]:
    """The line's versions, oldest first."""
    with reading(engine) as session:
        return list(reversed(list_versions(session, line.id).items))


def spoil(engine: Engine, version: Version) -> None:
    """The version's summary counts a picture too few."""
    with writing(engine) as session:
        summary = version_summary(session, version.id)
        summary.counts[next(iter(summary.counts))] -= 1
        set_version_summary(session, version.id, summary)


def test_summaries_that_are_right_are_sound(engine: Engine, line: Line) -> None:
    """Those of the line and of versions with changes of all kinds."""
    found = checked(engine, line)
    assert (found.pictures, found.summary_wrong, found.wrong_versions, found.sound) == (40, False, (), True)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_wrong_summary_of_a_version_is_told_and_written_anew(
    engine: Engine, line: Line, number: int
) -> None:
    """Alone: what was counted from it before, and what is counted from it now, is right."""
    version = versions(engine, line)[number - 1]
    with reading(engine) as session:
        before = version_summary(session, version.id)
    spoil(engine, version)
    found = checked(engine, line)
    assert (found.wrong_versions, found.repaired, found.sound) == ((number,), False, False)
    found = checked(engine, line, repair=True)
    assert (found.wrong_versions, found.repaired, found.sound) == ((number,), True, True)
    with reading(engine) as session:
        assert version_summary(session, version.id) == before
    assert checked(engine, line).sound


def test_all_summaries_are_written_anew(engine: Engine, line: Line) -> None:
    """The line's and every version's at once."""
    for version in versions(engine, line):
        spoil(engine, version)
    with writing(engine) as session:
        right = line_summary(session, line.id)
        session.execute(update(line_summaries).values(data=Summary().to_bytes()))
    found = checked(engine, line, repair=True)
    assert (found.summary_wrong, found.wrong_versions, found.sound) == (True, (1, 2, 3), True)
    with reading(engine) as session:
        assert line_summary(session, line.id) == right
    assert checked(engine, line).wrong_versions == ()
