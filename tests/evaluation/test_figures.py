"""Figures of one bundle: against scikit-learn, and by hand where it has no word for them."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support, roc_auc_score

from sortline.evaluation.figures import calibration, figures, mistakes, outlier_figures
from tests.evaluation.drawn import at_random, said

NAMES = ("Glass", "Metal", "Paper", "Plastic")


def test_figures_agree_with_scikit_learn() -> None:
    """Confusion, precision, recall, F1 and their mean are scikit-learn's."""
    truth = np.random.default_rng(0).choice(NAMES, 400, p=[0.4, 0.3, 0.2, 0.1])
    answers = at_random(NAMES, truth.tolist(), skill=1.5)
    predicted = np.array(NAMES)[answers.predictions]

    found = figures(answers)

    assert found.confusion[:, :4].tolist() == confusion_matrix(truth, predicted, labels=NAMES).tolist()
    assert found.macro_f1 == pytest.approx(f1_score(truth, predicted, average="macro"))
    expected = precision_recall_fscore_support(truth, predicted, labels=NAMES)
    ours = [(c.precision, c.recall, c.f1, c.support) for c in found.classes]
    assert pytest.approx(np.array(expected)) == np.array(ours).T


@given(st.lists(st.tuples(st.sampled_from("abcx"), st.sampled_from("abc"), st.booleans()), max_size=50))
@settings(max_examples=40, deadline=None)
def test_counts_add_up(rows: list[tuple[str, str, bool]]) -> None:
    """Every picture stands in the confusion matrix once, in its class's row; x is a class the bundle does not know."""
    truth, predicted, flagged = ([row[i] for row in rows] for i in range(3))
    answers = said("abc", truth, predicted, flagged=flagged)

    found = figures(answers, ("a", "b", "c", "x"))

    assert found.confusion.sum(axis=1).tolist() == [truth.count(name) for name in "abcx"]
    assert found.confusion[:, -1].sum() == truth.count("x")
    assert (found.accuracy.value * len(rows) if found.accuracy else 0) == pytest.approx(answers.right.sum())
    if found.review and found.accepted:
        assert round(found.review.value * len(rows)) + found.accepted.total == len(rows)


def test_a_class_it_does_not_know_goes_to_review() -> None:
    """Such a picture is not right and no mistake; calibration, which asks of answers, leaves it out."""
    answers = said("ab", ("a", "b", "new", "new"), ("a", "b", "a", "b"), flagged=[True, False, False, False])

    found = figures(answers, ("a", "b", "new"))

    assert found.accuracy is not None
    assert found.accuracy.value == 0.5
    assert found.confusion.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 2]]
    assert [c.precision for c in found.classes] == [1.0, 1.0, 0.0]
    assert found.review is not None
    assert found.review.value == 0.75
    assert found.accepted is not None
    assert (found.accepted.value, found.accepted.total) == (1.0, 1)
    assert found.calibration is not None
    assert sum(one.count for one in found.calibration.bins) == 2
    assert mistakes(answers) == ()


def test_a_class_that_is_not_to_be_reported_is_refused() -> None:
    """A picture without a row would silently fall out of the figures."""
    with pytest.raises(ValueError, match="'b' is the class"):
        figures(said("ab", "ab", "ab"), ("a",))


def test_a_class_without_pictures_counts_nowhere() -> None:
    """It has a row of zeros, and macro F1 is the mean of the others."""
    found = figures(said("abc", "aab", "aab"))

    assert found.macro_f1 == 1.0
    assert found.classes[2].support == 0


def test_no_pictures_no_figures() -> None:
    """Nothing is made up of nothing, and JSON has null for it."""
    found = figures(said("ab", (), ()))
    document = found.as_json()

    assert (found.images, found.accuracy, found.calibration, found.accepted) == (0, None, None, None)
    assert document["macro_f1"] is None
    assert document["confusion"] == [[0, 0, 0], [0, 0, 0]]


def test_two_hundred_classes_with_one_picture_each() -> None:
    """Width costs nothing and the document stays plain JSON."""
    names = tuple(f"class {i}" for i in range(200))
    found = figures(at_random(names, names, skill=6))

    assert found.images == 200
    assert len(found.confusion) == 200
    json.dumps(found.as_json(), allow_nan=False)


def test_calibration_by_hand() -> None:
    """Half right at 0.9: an error of 0.4 that chance does not explain, in one bin."""
    found = calibration(np.full(50, 0.9), np.array([True, False] * 25))

    assert found.error == pytest.approx(0.4)
    assert 0 < found.chance < 0.2
    (only,) = found.bins
    assert (only.count, only.accuracy) == (50, 0.5)
    assert only.low <= 0.9 < only.high
    assert only.confidence == pytest.approx(0.9)


def test_chance_explains_the_error_of_a_perfect_network() -> None:
    """Of 200 networks whose confidences are true, about 95 of 100 stay below what chance allows."""
    rng, below = np.random.default_rng(0), 0
    for seed in range(200):
        confidences = rng.uniform(0.5, 1, 150)
        found = calibration(confidences, rng.random(150) < confidences, seed=seed)
        below += found.error <= found.chance

    assert 0.91 <= below / 200 <= 1


def test_calibration_needs_answers() -> None:
    """There is none of nothing."""
    with pytest.raises(ValueError, match="no calibration"):
        calibration(np.zeros(0), np.zeros(0, bool))


def test_the_curve_ends_at_the_plain_error() -> None:
    """At full coverage the risk is one minus the accuracy; at most a hundred points are kept."""
    truth = np.random.default_rng(1).choice(NAMES, 777).tolist()
    found = figures(at_random(NAMES, truth, skill=2))

    assert found.risk_coverage is not None
    assert found.accuracy is not None
    assert len(found.risk_coverage.risk) == 100
    assert found.risk_coverage.coverage[-1] == 1.0
    assert found.risk_coverage.risk[-1] == pytest.approx(1 - found.accuracy.value)


def test_outliers_agree_with_scikit_learn() -> None:
    """AUROC is scikit-learn's, with outliers as the positives."""
    rng = np.random.default_rng(0)
    known, outliers = rng.normal(0, 1, 300), rng.normal(1.5, 1, 200)

    found = outlier_figures("flowers", known, outliers, outliers > 1.6)

    labels = np.r_[np.zeros(300), np.ones(200)]
    assert found.auroc == pytest.approx(roc_auc_score(labels, np.r_[known, outliers]))
    assert found.flagged == pytest.approx(np.mean(outliers > 1.6))
    assert found.fpr95 == pytest.approx(np.mean(outliers <= np.sort(known)[284]))


def test_mistakes_come_surest_first() -> None:
    """With what the live bundle says, and whether they would have gone to review all the same."""
    answers = said(
        "abc", "aabc", "bcbc", confidence=[0.6, 0.99, 0.9, 0.9], flagged=[True, False, False, False]
    )
    live = said("ab", "aabc", "abab", keys="0123")

    first, second = mistakes(answers, live)

    assert (first.key, first.truth, first.predicted, first.live) == ("1", "a", "c", "b")
    assert first.confidence == pytest.approx(0.99, abs=1e-6)
    assert (second.key, second.flagged, second.live) == ("0", True, "a")
    assert mistakes(answers, limit=1) == (mistakes(answers)[0],)
    assert [one.key for one in mistakes(answers, pictured=["0"])] == ["0", "1"]
