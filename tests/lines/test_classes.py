"""Classes that are renamed, retired and merged, on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from sortline.db.session import Session, writing
from sortline.lines import classes as store
from sortline.lines.line import ClassExists, InvalidMerge, UnknownClass
from sortline.lines.store import create_line


def line_of(session: Session, *names: str) -> int:
    """A new line with these classes."""
    return create_line(session, "waste", class_names=names).id


def resolved(session: Session, line: int, name: str) -> str:
    """The name of the class that a name leads to."""
    return store.resolve_class(session, line, name).name


def test_the_old_name_leads_to_the_renamed_class(engine: Engine) -> None:
    """And a label of that name makes no new class."""
    with writing(engine) as session:
        line = line_of(session, "Glas")
        renamed = store.rename_class(session, line, "Glas", "Glass", who="anna")
        store.add_classes(session, line, ["Glas"])
        assert [(c.id, c.name) for c in store.list_classes(session, line)] == [(renamed.id, "Glass")]
        assert resolved(session, line, "Glas") == "Glass"
        actions = [(event.action, event.who) for event in store.class_history(session, renamed.id)]
        assert actions == [("created", "system"), ("renamed", "anna")]


def test_a_taken_name_is_refused_and_two_classes_can_swap(engine: Engine) -> None:
    """By way of a third name."""
    with writing(engine) as session:
        line = line_of(session, "A", "B")
        a, b = (store.resolve_class(session, line, name).id for name in "AB")
        with pytest.raises(ClassExists):
            store.rename_class(session, line, "A", "B", who="anna")
        for before, after in (("A", "aside"), ("B", "A"), ("aside", "B")):
            store.rename_class(session, line, before, after, who="anna")
        assert store.class_ids(session, line, ["A", "B", "C"]) == {"A": b, "B": a}


def test_a_retired_class_is_listed_as_such_and_comes_back(engine: Engine) -> None:
    """Nothing is deleted."""
    with writing(engine) as session:
        line = line_of(session, "A", "B")
        assert store.retire_class(session, line, "A", who="anna").retired_at is not None
        assert [c.name for c in store.list_classes(session, line, retired=False)] == ["B"]
        assert len(store.list_classes(session, line)) == 2
        assert store.restore_class(session, line, "A", who="anna").retired_at is None


def test_a_merged_class_and_its_former_names_lead_to_the_other(engine: Engine) -> None:
    """Through any number of merges; asked again it is the same."""
    with writing(engine) as session:
        line = line_of(session, "A", "B", "C")
        store.rename_class(session, line, "A", "a", who="anna")
        gone, kept = store.merge_class(session, line, "a", "B", who="anna")
        assert (gone.merged_into, kept.name) == (kept.id, "B")
        assert store.merge_class(session, line, "a", "B", who="anna")[0] == gone
        store.merge_class(session, line, "B", "C", who="anna")
        assert [resolved(session, line, name) for name in ("A", "a", "B", "C")] == ["C"] * 4
        with pytest.raises(InvalidMerge):
            store.merge_class(session, line, "C", "a", who="anna")
        store.restore_class(session, line, "B", who="anna")
        assert [resolved(session, line, name) for name in ("a", "B", "C")] == ["B", "B", "C"]


def test_an_unknown_class_names_those_there_are(engine: Engine) -> None:
    """Whoever mistypes sees them."""
    with writing(engine) as session:
        line = line_of(session, "Glass")
        with pytest.raises(UnknownClass, match="it has: Glass"):
            store.resolve_class(session, line, "Gloss")
        with pytest.raises(InvalidMerge):
            store.merge_class(session, line, "Glass", "Glass", who="anna")
