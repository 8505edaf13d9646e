"""What review tells: agreement, live accuracy, pace."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from sortline.review.agreement import agreement
from sortline.review.estimate import live_accuracy, wilson
from sortline.review.pace import Work, paces

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40)


@given(pairs=PAIRS)
def test_agreement_is_cohens_kappa(pairs: list[tuple[int, int]]) -> None:
    """As scikit-learn has it; where all answers are the same one, people agree."""
    found = agreement(pairs)
    assert found is not None
    assert found.pairs == len(pairs)
    if len({answer for pair in pairs for answer in pair}) > 1:
        expected = cohen_kappa_score([one for one, _ in pairs], [other for _, other in pairs])
        assert found.kappa == pytest.approx(expected)
    else:
        assert found.kappa == 1.0


def test_without_pairs_nobody_knows() -> None:
    """None, not zero."""
    assert agreement([]) is None
    assert live_accuracy(0, 0) is None


def test_wilsons_interval() -> None:
    """The textbook's numbers: 81 of 263, and both ends of nothing wrong."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-4)
    low, high = wilson(50, 50)
    assert (round(low, 3), high) == (0.929, 1.0)


@given(n=st.integers(1, 500), accepted=st.integers(0, 5000), corrected=st.integers(0, 50), data=st.data())
def test_live_accuracy_lies_in_its_interval(
    n: int, accepted: int, corrected: int, data: st.DataObject
) -> None:
    """And what is known to be wrong bounds it from above."""
    right = data.draw(st.integers(0, n))
    found = live_accuracy(right, n, accepted=accepted, corrected=corrected)
    assert found is not None
    assert 0 <= found.low <= found.value <= found.high <= 1
    if accepted >= n + corrected:
        assert found.high <= 1 - (corrected + n - right) / accepted + 1e-9


def test_corrections_bound_the_estimate() -> None:
    """Ten known mistakes in a hundred answers: nobody claims more than 90 %, however lucky the draw."""
    found = live_accuracy(5, 5, accepted=100, corrected=10)
    assert found is not None
    assert (found.value, found.high) == (0.9, 0.9)


def test_breaks_are_not_work() -> None:
    """Ten labels, six seconds apart, lunch, ten more: six hundred an hour."""
    moments = [NOON + timedelta(seconds=6 * n) for n in range(10)]
    work = [
        Work(who="ada", at=at + pause, ms=4000)
        for pause in (timedelta(), timedelta(hours=1))
        for at in moments
    ]
    work.append(Work(who="bob", at=NOON, ms=None))
    ada, bob = paces(work)
    assert (ada.who, ada.labels, round(ada.per_hour or 0), ada.seconds) == ("ada", 20, 600, 4.0)
    assert (bob.labels, bob.per_hour, bob.seconds) == (1, None, None)
