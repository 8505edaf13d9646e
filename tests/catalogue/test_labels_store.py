"""Labels as events, on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, select

from sortline.catalogue.entry import UnknownEntry
from sortline.catalogue.label import NotNewestEvent, UnknownEvent
from sortline.catalogue.store import labels as store
from sortline.catalogue.store.entries import get_entries
from sortline.catalogue.store.summaries import line_summary
from sortline.catalogue.tables import staged
from sortline.db.session import Session, writing
from sortline.lines import store as lines
from tests.catalogue.test_entries_store import add, line_with, picture


def current(session: Session, line: int, entry: int) -> int | None:
    """The label an entry has."""
    return get_entries(session, line, [entry])[entry].class_id


def test_a_label_is_an_event_and_the_rest_follows(engine: Engine) -> None:
    """Entry, summary and staging; who had the label already gets no event."""
    with writing(engine) as session:
        line, (glass, metal) = line_with(session, "Glass", "Metal")
        first, second = (
            p.entry_id or 0 for p in add(session, line, picture("a", glass), picture("b", metal))
        )
        (event,) = store.label(session, line, [first, second], metal, origin="correction", who="ben")
        assert (event.entry_id, event.class_id, event.origin, event.who) == (
            first,
            metal,
            "correction",
            "ben",
        )
        assert store.latest(session, line) == event
        assert [one.class_id for one in store.history(session, first)] == [glass, metal]
        assert current(session, line, first) == metal
        assert {class_id for (class_id, _), n in line_summary(session, line).counts.items() if n} == {metal}
        assert session.scalars(select(staged.c.entry_id)).all() == [first]


def test_undo_restores_and_undoing_that_redoes(engine: Engine) -> None:
    """Every step is an event of its own."""
    with writing(engine) as session:
        line, (glass, metal) = line_with(session, "Glass", "Metal")
        entry = add(session, line, picture("a", glass))[0].entry_id or 0
        (given,) = store.label(session, line, [entry], metal, origin="review", who="ben")
        undone = store.undo(session, line, given.id, who="cleo")
        assert (undone.class_id, undone.undoes, undone.who) == (glass, given.id, "cleo")
        assert current(session, line, entry) == glass
        redone = store.undo(session, line, undone.id, who="cleo")
        assert (redone.class_id, current(session, line, entry)) == (metal, metal)
        assert len(store.history(session, entry)) == 4


def test_the_first_label_undone_leaves_none(engine: Engine) -> None:
    """As it was before."""
    with writing(engine) as session:
        line, (glass,) = line_with(session, "Glass")
        entry = add(session, line, picture("a", None))[0].entry_id or 0
        (given,) = store.label(session, line, [entry], glass, origin="review", who="ben")
        assert store.undo(session, line, given.id, who="ben").class_id is None
        assert current(session, line, entry) is None


def test_only_the_newest_event_can_be_undone(engine: Engine) -> None:
    """The refusal names what is newer; events of other lines are unknown."""
    with writing(engine) as session:
        line, (glass, metal) = line_with(session, "Glass", "Metal")
        other = lines.create_line(session, "other").id
        entry = add(session, line, picture("a", glass))[0].entry_id or 0
        first = store.history(session, entry)[0]
        (second,) = store.label(session, line, [entry], metal, origin="review", who="ben")
        with pytest.raises(NotNewestEvent, match="ben changed its label again") as caught:
            store.undo(session, line, first.id, who="cleo")
        assert caught.value.newest == second
        with pytest.raises(UnknownEvent):
            store.undo(session, other, second.id, who="cleo")
        with pytest.raises(UnknownEntry):
            store.label(session, other, [entry], None, origin="review", who="cleo")
