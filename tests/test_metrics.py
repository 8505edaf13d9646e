"""Figures of a classifier, against values worked out by hand and properties they must have."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sortline.evaluation import metrics


def test_wilson_interval_of_a_published_example() -> None:
    """15 of 20 gives 0.531–0.888, as in Brown, Cai and DasGupta's tables."""
    share = metrics.wilson(15, 20)

    assert (share.value, share.total) == (0.75, 20)
    assert share.low == pytest.approx(0.5313, abs=1e-4)
    assert share.high == pytest.approx(0.8881, abs=1e-4)


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_holds_its_value(counts: tuple[int, int]) -> None:
    """The interval stays within 0..1 and always contains the share itself."""
    share = metrics.wilson(*counts)

    assert 0 <= share.low <= share.value <= share.high <= 1


@pytest.mark.parametrize(("successes", "total"), [(0, 0), (3, 2), (-1, 5)])
def test_wilson_refuses_what_is_no_proportion(successes: int, total: int) -> None:
    """Impossible counts are an error, not a number."""
    with pytest.raises(ValueError, match="no proportion"):
        metrics.wilson(successes, total)


def test_confusion_rows_are_the_truth() -> None:
    """One cat taken for a dog stands in the cat's row and the dog's column."""
    labels, predictions = np.array([0, 0, 1]), np.array([0, 1, 1])

    confusion = metrics.confusion_matrix(labels, predictions, 2)

    assert confusion.tolist() == [[1, 1], [0, 1]]
    assert metrics.accuracy(labels, predictions).value == pytest.approx(2 / 3)


def test_per_class_figures_by_hand() -> None:
    """Precision, recall and F1 follow from the matrix; a class never seen scores 0 and counts nowhere."""
    confusion = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0]])

    cat, dog, bird = metrics.per_class(confusion, ("cat", "dog", "bird"))

    assert (cat.precision, cat.recall, cat.support) == (1.0, 0.5, 2)
    assert (dog.precision, dog.recall) == (0.5, 1.0)
    assert cat.f1 == dog.f1 == pytest.approx(2 / 3)
    assert (bird.f1, bird.support) == (0.0, 0)
    assert metrics.macro_f1(confusion) == pytest.approx(2 / 3)


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    """Ten answers at confidence 0.9 of which half are right: the gap is 0.4."""
    right = np.array([True, False] * 5)

    assert metrics.expected_calibration_error(np.full(10, 0.9), right) == pytest.approx(0.4)


def test_calibration_error_counts_confidence_one() -> None:
    """A confidence of exactly 1 belongs to the last bin."""
    assert metrics.expected_calibration_error(np.ones(4), np.ones(4, bool)) == 0.0


def test_accepted_error_takes_the_most_confident() -> None:
    """The one mistake is the least confident answer, so 80 % of five answers hold none."""
    confidences, right = np.array([0.5, 0.9, 0.8, 0.99, 0.7]), np.array([False, True, True, True, True])

    assert metrics.accepted_error(confidences, right, 0.8) == 0.0
    assert metrics.accepted_error(confidences, right, 1.0) == pytest.approx(0.2)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_full_coverage_is_the_plain_error(answers: list[tuple[float, bool]]) -> None:
    """At coverage 1 the risk is one minus the accuracy, whatever the confidences."""
    confidences, right = np.array([c for c, _ in answers]), np.array([r for _, r in answers])

    curve = metrics.risk_coverage(confidences, right)

    assert curve.coverage[-1] == 1.0
    assert curve.risk[-1] == pytest.approx(1 - right.mean())


@given(st.lists(st.integers(-5, 5), min_size=1), st.lists(st.integers(-5, 5), min_size=1))
def test_auroc_counts_pairs(positive: list[int], negative: list[int]) -> None:
    """It equals the share of pairs in which the positive scores higher, ties counted half."""
    pairs = [(p > n) + (p == n) / 2 for p in positive for n in negative]

    assert metrics.auroc(np.array(positive), np.array(negative)) == pytest.approx(np.mean(pairs))


def test_fpr_at_95_by_hand() -> None:
    """Of 20 known scores 1..20 the threshold is 19, which lets one of two unknown through."""
    assert metrics.fpr_at_95(np.arange(1, 21), np.array([19, 19.5])) == 0.5


def test_scores_are_needed_on_both_sides() -> None:
    """Without unknown scores neither figure exists."""
    for figure in (metrics.auroc, metrics.fpr_at_95):
        with pytest.raises(ValueError, match="both sides"):
            figure(np.ones(3), np.array([]))


def test_predictions_that_are_none_of_the_classes_cost_recall_alone() -> None:
    """They stand in a further column, and a class without pictures does not enter the mean."""
    confusion = np.array([[3, 0, 1], [0, 0, 0]])

    (cat, dog) = metrics.per_class(confusion, ("cat", "dog"))

    assert (cat.precision, cat.recall, cat.support) == (1.0, 0.75, 4)
    assert metrics.macro_f1(confusion) == cat.f1 == pytest.approx(6 / 7)
    assert dog.support == 0
    with pytest.raises(ValueError, match="no pictures"):
        metrics.macro_f1(np.zeros((2, 2), int))
