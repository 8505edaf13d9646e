"""In what order pictures are shown."""

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from sortline.db.ids import new_id
from sortline.review.order import control_places, interest, is_control, mixed, priority

UNIT = st.floats(0, 1)


def place(item_id: str = "a" * 32, **changes: object) -> float:
    """The priority of an unknown thing, with changes."""
    facts = {"reason": "unknown", "confidence": 0.4, "ood_score": 0.9, "control": False}
    return priority(item_id, **{**facts, **changes})  # type: ignore[arg-type]  # the fields are the ones above


@given(confidence=UNIT, ood_score=UNIT, more=UNIT)
def test_the_new_and_the_uncertain_come_first(confidence: float, ood_score: float, more: float) -> None:
    """More novelty never makes a picture less interesting, more confidence never more."""
    facts = {"reason": "ambiguous", "confidence": confidence, "ood_score": ood_score}
    value = interest(**facts)  # type: ignore[arg-type]  # the fields are the ones above
    assert 0 <= value <= 1
    assert interest(**{**facts, "ood_score": max(ood_score, more)}) >= value  # type: ignore[arg-type]
    assert interest(**{**facts, "confidence": max(confidence, more)}) <= value  # type: ignore[arg-type]


def test_a_few_of_a_kind_come_forward_and_many_stand_back() -> None:
    """Four may be a class; the eighth odd thing comes after a first one of another kind that is less odd."""
    other = place(ood_score=0.6)
    assert place() > other > place(crowd=7)
    assert place() < place(crowd=1) < place(crowd=2) < place(crowd=3)
    assert place() > place(crowd=4) > place(crowd=5) > place(crowd=100)


def test_what_was_passed_on_comes_after_everything_else_and_disputes_come_first() -> None:
    """Whatever the pictures look like."""
    dull = place(ood_score=0.0, confidence=1.0, crowd=1000)
    assert place(state="disputed", ood_score=0.0, confidence=1.0) > place() > dull > place(skips=1)


def test_the_control_share_is_drawn_by_lot_alone() -> None:
    """What was sampled is of it, and a twentieth of the rest; its order knows nothing of the picture."""
    ids = [new_id() for _ in range(4000)]
    assert 0.03 < sum(is_control(one, "unknown") for one in ids) / len(ids) < 0.07
    assert all(is_control(one, "sampled") for one in ids[:50])
    assert place(control=True, ood_score=0.1, crowd=50) == place(control=True, ood_score=0.9)
    drawn = [place(one, control=True) for one in ids]
    assert 0.45 < sum(drawn) / len(drawn) < 0.55


@given(n=st.integers(0, 200), share=UNIT)
def test_places_for_the_control_share_are_its_expectation(n: int, share: float) -> None:
    """Never further from it than one place."""
    assert abs(control_places(n, share, random.Random(1)) - n * share) <= 1


@given(first=st.integers(0, 60), control=st.integers(0, 60))
def test_mixing_keeps_everything_in_its_order(first: int, control: int) -> None:
    """Each comes once, and of both the order stays."""
    one, other = list(range(first)), list(range(1000, 1000 + control))
    found = mixed(one, other)
    assert Counter(found) == Counter(one + other)
    assert [value for value in found if value < 1000] == one
    assert [value for value in found if value >= 1000] == other


def test_a_tenth_is_spread_evenly() -> None:
    """Two of twenty are not next to each other."""
    places = [place for place, value in enumerate(mixed(list(range(18)), [100, 101])) if value >= 100]
    assert places == [4, 14]
