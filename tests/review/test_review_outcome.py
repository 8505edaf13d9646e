"""What becomes of an item: it follows from its decisions, whatever was undone and redone."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sortline.review.outcome import Decision, effective, opinions_needed, outcome, undone

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def decision(place: int, action: str, *, class_id: int | None = None, undoes: int | None = None) -> Decision:
    """A decision by its place in the history; each is another person's."""
    return Decision(
        id=f"{place:032x}",
        line_id=1,
        item_id="f" * 32,
        who=f"person {place}",
        at=NOON,
        action=action,  # type: ignore[arg-type]  # tests name them
        class_id=class_id,
        until=NOON if action == "defer" else None,
        undoes=None if undoes is None else f"{undoes:032x}",
    )


def votes(*given: int | None) -> list[Decision]:
    """Opinions: a class's id, or None for unusable."""
    return [
        decision(place, "unusable" if vote is None else "label", class_id=vote)
        for place, vote in enumerate(given)
    ]


@pytest.mark.parametrize(
    ("given", "needed", "state", "label"),
    [
        ([], 1, "open", None),
        ([1], 1, "done", 1),
        ([None], 1, "unusable", None),
        ([1], 2, "open", None),
        ([1, 1], 2, "done", 1),
        ([None, None], 2, "unusable", None),
        ([1, 2], 2, "disputed", None),
        ([1, 2, 2], 2, "done", 2),
        ([1, 2, 3], 2, "disputed", None),
        ([1, 2, 3, 1], 2, "done", 1),
        ([1, None, None], 2, "unusable", None),
    ],
)
def test_opinions_decide(given: list[int | None], needed: int, state: str, label: int | None) -> None:
    """One where one is needed; two that agree; where they differ, the third person's majority."""
    found = outcome(votes(*given), needed)
    assert (found.state, found.class_id) == (state, label)


@st.composite
def histories(draw: st.DrawFn) -> list[Decision]:
    """Decisions and undos of any earlier ones that hold, undos of undos among them."""
    made: list[Decision] = []
    for place in range(draw(st.integers(0, 12))):
        gone = undone(made)
        holding = [number for number, one in enumerate(made) if one.id not in gone]
        if holding and draw(st.booleans()):
            made.append(decision(place, "undo", undoes=draw(st.sampled_from(holding))))
        else:
            action = draw(st.sampled_from(["label", "unusable", "skip", "defer"]))
            class_id = draw(st.integers(1, 3)) if action == "label" else None
            made.append(decision(place, action, class_id=class_id))
    return made


@given(made=histories(), needed=st.integers(1, 2))
def test_an_item_stands_as_if_what_was_undone_had_never_been(made: list[Decision], needed: int) -> None:
    """What holds, alone, leads to the same outcome as the whole history."""
    assert outcome(made, needed) == outcome(effective(made), needed)


@given(made=histories(), needed=st.integers(1, 2), data=st.data())
def test_undo_takes_back_exactly_one_decision_and_undoing_it_redoes(
    made: list[Decision], needed: int, data: st.DataObject
) -> None:
    """After the undo the rest holds as before; after the undo of the undo all of it does."""
    if not (holding := effective(made)):
        return
    target = data.draw(st.sampled_from(holding))
    undo = decision(len(made), "undo", undoes=int(target.id, 16))
    redo = decision(len(made) + 1, "undo", undoes=len(made))
    assert effective([*made, undo]) == [one for one in holding if one.id != target.id]
    assert effective([*made, undo, redo]) == holding
    assert outcome([*made, undo, redo], needed) == outcome(made, needed)


@given(made=histories(), needed=st.integers(1, 2))
def test_a_label_is_always_what_most_said(made: list[Decision], needed: int) -> None:
    """A done item has a label that at least `needed` people gave, and more than gave any other answer."""
    found = outcome(made, needed)
    said = [one.vote for one in effective(made) if one.action in ("label", "unusable")]
    assert (found.state == "done") == (found.class_id is not None)
    if found.class_id is not None:
        most = said.count(found.class_id)
        assert most >= needed
        assert all(said.count(other) < most for other in set(said) - {found.class_id})


def test_a_share_of_items_gets_a_second_opinion() -> None:
    """By lot, the same each time it is asked."""
    ids = [f"{number:032x}" for number in range(2000)]
    share = sum(opinions_needed(one, 0.25) == 2 for one in ids) / len(ids)
    assert 0.2 < share < 0.3
    assert {opinions_needed(one, 0.0) for one in ids} == {1}
    assert {opinions_needed(one, 1.0) for one in ids} == {2}
