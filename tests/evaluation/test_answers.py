"""What a bundle said: what follows from it, and what it refuses."""

import numpy as np
import pytest

from sortline.errors import SortlineError
from sortline.evaluation.answers import Answers, NotNumbers
from tests.evaluation.drawn import said


def test_labels_are_indices_into_the_bundles_own_classes() -> None:
    """A class the bundle does not know is −1, never right, and goes to review."""
    answers = said(
        ("dog", "cat"), ("cat", "bird", "dog"), ("cat", "cat", "cat"), flagged=[False, False, True]
    )

    assert answers.labels.tolist() == [1, -1, 0]
    assert answers.right.tolist() == [True, False, False]
    assert answers.reviewed.tolist() == [False, True, True]


def test_confidence_is_calibrated() -> None:
    """The temperature flattens the softmax, and never changes the answer."""
    answers = said(("a", "b"), ("a",), ("a",), confidence=0.9)
    flat = Answers(
        classes=answers.classes,
        keys=answers.keys,
        truth=answers.truth,
        logits=answers.logits,
        temperature=2.0,
        flagged=answers.flagged,
    )

    assert answers.confidences[0] == pytest.approx(0.9, abs=1e-6)
    assert flat.confidences[0] == pytest.approx(0.75, abs=1e-6)  # odds 9 → 3
    assert flat.predictions.tolist() == answers.predictions.tolist()


def test_taking_some_keeps_them_together() -> None:
    """Rows move with their keys, truth and flags."""
    answers = said(("a", "b"), "aab", "abb", flagged=[True, False, False])

    some = answers.take([2, 0])

    assert (some.keys, some.truth) == (("2", "0"), ("b", "a"))
    assert some.right.tolist() == [True, True]
    assert some.flagged.tolist() == [False, True]


@pytest.mark.parametrize(
    "change",
    [
        {"truth": ("a",)},
        {"logits": np.zeros((2, 3), np.float32)},
        {"flagged": np.zeros(3, bool)},
        {"keys": ("same", "same")},
        {"classes": ("a", "a")},
        {"temperature": 0.0},
        {"temperature": float("nan")},
    ],
)
def test_parts_that_do_not_fit_are_refused(change: dict[str, object]) -> None:
    """A slip in the caller's arrays is an error at once, not a wrong figure later."""
    parts = {
        "classes": ("a", "b"),
        "keys": ("1", "2"),
        "truth": ("a", "b"),
        "logits": np.zeros((2, 2), np.float32),
        "temperature": 1.0,
        "flagged": np.zeros(2, bool),
    }
    Answers(**parts)  # type: ignore[arg-type]

    with pytest.raises(ValueError, match=r"fit together|twice|positive"):
        Answers(**(parts | change))  # type: ignore[arg-type]


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_diverged_network_is_told_as_that(broken: float) -> None:
    """Logits that are no numbers are an error a caller can act on."""
    logits = np.zeros((3, 2), np.float32)
    logits[1, 0] = broken

    with pytest.raises(NotNumbers, match=r"1 of 3 answers .* diverged") as caught:
        Answers(
            classes=("a", "b"),
            keys=("1", "2", "3"),
            truth=("a", "b", "a"),
            logits=logits,
            temperature=1.0,
            flagged=np.zeros(3, bool),
        )
    assert isinstance(caught.value, SortlineError)


def test_no_pictures_are_answers_too() -> None:
    """An empty test part is a value like any other."""
    none = said(("a", "b"), (), ())

    assert len(none) == 0
    assert none.confidences.tolist() == []
