"""Lines and their classes, on both databases."""

import pytest
from sqlalchemy import Engine

from sortline.db.session import writing
from sortline.lines import store
from sortline.lines.line import InvalidClassName, InvalidLineName, LineExists, NoDefaultLine, UnknownLine


def test_the_first_line_is_the_default_until_another_is_made_so(engine: Engine) -> None:
    """Exactly one line is the default as soon as there is one."""
    with writing(engine) as session:
        with pytest.raises(NoDefaultLine):
            store.default_line(session)
        waste = store.create_line(session, "waste", title="Waste")
        store.create_line(session, "returns")
        assert store.default_line(session) == waste
        store.make_default(session, "returns")
        assert [line.name for line in store.list_lines(session) if line.is_default] == ["returns"]


def test_an_unknown_line_names_the_known_ones(engine: Engine) -> None:
    """Whoever mistypes sees what there is."""
    with writing(engine) as session:
        store.create_line(session, "waste")
        with pytest.raises(UnknownLine, match="known: waste") as caught:
            store.get_line(session, "wsate")
        with pytest.raises(UnknownLine):
            store.make_default(session, "wsate")
        with pytest.raises(UnknownLine):
            store.set_policy(session, "wsate", {})
    assert caught.value.known == ("waste",)


def test_a_name_is_taken_once(engine: Engine) -> None:
    """The second line of a name is refused and the transaction can go on."""
    with writing(engine) as session:
        store.create_line(session, "waste")
        with pytest.raises(LineExists):
            store.create_line(session, "waste")
        assert len(store.list_lines(session)) == 1


@pytest.mark.parametrize("name", ["", "-x", "Waste", "a b", "ä", "x" * 64, "../etc", "x\n"])
def test_a_name_that_does_not_fit_a_url_is_refused(engine: Engine, name: str) -> None:
    """Only slugs name lines."""
    with writing(engine) as session, pytest.raises(InvalidLineName):
        store.create_line(session, name)


@pytest.mark.parametrize("name", ["", " Glass", "a\nb", "x" * 201, "nul\0"])
def test_a_class_that_cannot_be_shown_is_refused(engine: Engine, name: str) -> None:
    """Nothing is added with it."""
    with writing(engine) as session:
        line = store.create_line(session, "waste")
        with pytest.raises(InvalidClassName):
            store.add_classes(session, line.id, ["Metal", name])
        assert store.list_classes(session, line.id) == []


def test_classes_only_grow_and_keep_their_order(engine: Engine) -> None:
    """Known classes stay where they are, new ones follow."""
    with writing(engine) as session:
        line = store.create_line(session, "waste", class_names=["Metal", "Glass", "Metal"])
        store.add_classes(session, line.id, ["Glass", "Paper"])
        found = store.list_classes(session, line.id)
    assert [(label.name, label.position) for label in found] == [("Metal", 0), ("Glass", 1), ("Paper", 2)]
    assert all(label.retired_at is None for label in found)


def test_a_policy_is_kept_as_given(engine: Engine) -> None:
    """Any JSON goes in and comes out."""
    policy = {"watched": ["Metal"], "sampled": 0.02, "method": None, "nested": {"tau": -1.5}}
    with writing(engine) as session:
        line = store.create_line(session, "waste", policy=policy)
        assert line.policy == policy
        assert store.set_policy(session, "waste", {"sampled": 0.5}).policy == {"sampled": 0.5}
