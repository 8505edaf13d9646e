"""Two bundles on the same pictures: which pictures, which classes, and what the figures then are."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sortline.evaluation.answers import Answers
from sortline.evaluation.compare import Evidence, LeftOut, Standing, compare
from sortline.evaluation.figures import Measured
from tests.evaluation.drawn import at_random, said, with_counts


def test_the_difference_is_that_of_the_two_accuracies() -> None:
    """Both stand on the same pictures, and the counts say who was right where."""
    found = compare(*with_counts(70, 12, 5, 13))

    assert found.shared is found.everything is found.judged
    assert found.judged.elsewhere is None
    view = found.judged
    assert view.live is not None
    assert view.candidate.accuracy is not None
    assert view.live.accuracy is not None
    assert (view.candidate.accuracy.value, view.live.accuracy.value) == (0.82, 0.75)
    assert view.difference is not None
    assert view.difference.value == pytest.approx(0.07)
    assert (view.difference.only_candidate, view.difference.only_live) == (12, 5)


def test_pictures_are_paired_by_key() -> None:
    """Order does not matter; one that only one of the two could be asked about is left out and counted."""
    ours = said("ab", "aabb", "abbb", keys=("p", "q", "r", "s"))
    theirs = said("ab", "baab", "aaab", keys=("s", "q", "p", "elsewhere"))

    found = compare(ours, theirs)

    assert found.judged.images == 3
    assert found.left_out == LeftOut(elsewhere=2)
    difference = found.judged.difference
    assert difference is not None
    # p both, q only the live one, s only the candidate
    assert (difference.both, difference.only_candidate, difference.only_live) == (1, 1, 1)


def test_pictures_that_either_was_trained_on_are_left_out() -> None:
    """Each is counted once, by who has seen it, and neither is scored on it."""
    ours, theirs = said("ab", "aabba", "aabba"), said("ab", "aabba", "bbbba")

    found = compare(ours, theirs, candidate_trained=["0", "1", "no test picture"], live_trained=["1", "2"])

    assert found.left_out == LeftOut(candidate=1, live=1, both=1)
    assert (found.left_out.trained, found.left_out.total) == (3, 3)
    assert found.judged.images == 2
    assert found.judged.difference is not None
    assert found.judged.difference.value == 0


def test_a_class_that_live_does_not_know_is_review_for_it() -> None:
    """Shared classes on shared images decide; over all classes such a picture is not right, and no false answer."""
    truth = ["a"] * 10 + ["b"] * 10 + ["new"] * 6
    ours = said(("a", "b", "new"), truth, ["a"] * 9 + ["new"] + ["b"] * 10 + ["new"] * 5 + ["a"])
    theirs = said(("b", "a"), truth, ["a"] * 10 + ["b"] * 8 + ["a"] * 2 + ["a"] * 6)

    found = compare(ours, theirs)

    assert (found.new_classes, found.gone_classes) == (("new",), ())
    shared, everything = found.shared, found.everything
    assert shared is not None
    assert shared.live is not None
    assert everything.live is not None
    assert (shared.images, shared.classes) == (20, ("a", "b"))
    # Taking an `a` for the new class is a mistake, in the last column.
    assert shared.candidate.confusion.tolist() == [[9, 0, 1], [0, 10, 0]]
    assert shared.difference is not None
    assert shared.difference.value == pytest.approx(1 / 20)
    assert (everything.images, everything.classes) == (26, ("a", "b", "new"))
    assert everything.live.confusion.tolist() == [[10, 0, 0, 0], [2, 8, 0, 0], [0, 0, 0, 6]]
    assert everything.candidate.confusion.tolist()[2] == [1, 0, 5, 0]
    assert everything.live.classes[0].precision == pytest.approx(10 / 12)
    assert (shared.elsewhere, everything.elsewhere) == ("another class", "review")
    new = everything.changes[2]
    assert (new.standing, new.evidence, new.live) == (Standing.NEW, Evidence.MEASURED, None)


def test_fewer_than_five_pictures_of_a_new_class_are_insufficient() -> None:
    """Four say nothing, five do; a shared class without any has none."""
    for support, expected in ((4, Evidence.INSUFFICIENT), (5, Evidence.MEASURED), (0, Evidence.INSUFFICIENT)):
        truth = ["a"] * 5 + ["new"] * support
        found = compare(said(("a", "b", "new"), truth, truth), said(("a", "b"), truth, ["a"] * len(truth)))

        evidence = {change.name: change.evidence for change in found.everything.changes}
        assert evidence == {"a": Evidence.MEASURED, "b": Evidence.ABSENT, "new": expected}


def test_a_class_that_the_candidate_gave_up() -> None:
    """It is review for the candidate, and stands in no shared figure."""
    truth = ["a"] * 4 + ["b"] * 4 + ["old"] * 4
    found = compare(
        said(("a", "b"), truth, ["a"] * 4 + ["b"] * 4 + ["a"] * 4), said(("a", "b", "old"), truth, truth)
    )

    assert found.gone_classes == ("old",)
    assert found.everything.classes == ("a", "b", "old")
    assert found.everything.candidate.review is not None
    assert found.everything.candidate.review.value == pytest.approx(1 / 3)
    assert found.everything.changes[2].standing is Standing.GONE
    assert found.everything.changes[2].candidate is None
    assert found.judged.images == 8


def test_a_class_that_neither_knows_is_counted() -> None:
    """Nobody can be right or wrong about it."""
    truth = ["a", "b", "other"]

    found = compare(said("ab", truth, "aba"), said("ab", truth, "aba"))

    assert (found.judged.images, found.left_out) == (2, LeftOut(unknown=1))


def test_without_a_live_bundle() -> None:
    """The figures are the candidate's alone."""
    found = compare(said("ab", "aab", "aaa"), None)

    assert found.shared is None
    assert found.judged is found.everything
    assert (found.judged.live, found.judged.difference, found.new_classes) == (None, None, ())
    assert found.judged.changes[0].standing is Standing.SHARED


def test_no_picture_at_all() -> None:
    """Everything is there, and empty."""
    none = said("ab", (), ())
    found = compare(none, none)

    assert found.judged.images == 0
    assert found.judged.difference is None
    assert [change.evidence for change in found.judged.changes] == [Evidence.ABSENT] * 2
    json.dumps(found.as_json(), allow_nan=False)


def test_nothing_in_common() -> None:
    """Two bundles for different things share no class and no picture."""
    truth = ["a", "b", "c", "d"]
    found = compare(said("ab", truth, "abab"), said("cd", truth, "cdcd"))

    assert found.shared is not None
    assert (found.shared.classes, found.shared.images, found.everything.images) == ((), 0, 4)


def test_one_truth_for_both() -> None:
    """A label that changed between asking the two is a slip, not a mistake of either."""
    with pytest.raises(ValueError, match="different labels"):
        compare(said("ab", "ab", "ab"), said("ab", "aa", "ab"))


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc"), st.sampled_from("abc")), min_size=1)
)
@settings(max_examples=40, deadline=None)
def test_comparing_is_symmetric(rows: list[tuple[str, str, str]]) -> None:
    """The other way round differences change their sign and nothing else changes."""
    truth, ours, theirs = zip(*rows, strict=True)
    one, other = said("abc", truth, ours), said("abc", truth, theirs)

    there, back = compare(one, other, resamples=50).judged, compare(other, one, resamples=50).judged

    assert there.difference is not None
    assert back.difference is not None
    assert there.difference.value == -back.difference.value
    assert there.difference.p_value == back.difference.p_value
    assert there.macro_f1_difference is not None
    assert back.macro_f1_difference is not None
    assert there.macro_f1_difference.low == pytest.approx(-back.macro_f1_difference.high)
    for before, after in zip(there.changes, back.changes, strict=True):
        assert (before.only_candidate, before.only_live) == (after.only_live, after.only_candidate)
        assert before.live == after.candidate


@given(st.integers(0, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_class_changes_add_up_to_the_difference(count: int, seed: int) -> None:
    """What classes win and lose is what the whole wins and loses."""
    truth = np.random.default_rng(seed).choice(list("abc"), count).tolist()
    view = compare(
        at_random("abc", truth, seed=seed % 97), at_random("abc", truth, seed=7), resamples=20
    ).judged

    if view.difference is not None:
        assert sum(change.only_candidate for change in view.changes) == view.difference.only_candidate
        assert sum(change.only_live for change in view.changes) == view.difference.only_live
        assert sum(change.support for change in view.changes) == count


def test_the_document_is_plain_json() -> None:
    """Classes that differ give both views, and what was measured stands beside them."""
    truth = ["a", "b"] * 20 + ["new"] * 6

    def answers(classes: tuple[str, ...], seed: int) -> Answers:
        return at_random(classes, truth, seed=seed, skill=2)

    found = compare(
        answers(("a", "b", "new"), 1),
        answers(("a", "b"), 2),
        candidate_measured=Measured(latency_ms=float("nan"), size_bytes=9_100_000),
        live_measured=Measured(latency_ms=3.1),
    )
    document = json.loads(json.dumps(found.as_json(), allow_nan=False))

    assert document["shared"]["images"] == 40
    assert document["all"]["images"] == 46
    assert document["all"]["changes"][2]["evidence"] == "measured"
    assert document["shared"]["changes"][0]["recall_change"] is not None
    assert document["candidate_measured"] == {"latency_ms": None, "size_bytes": 9_100_000, "outliers": []}
    assert len(document["mistakes"]) <= 24
    same = compare(answers(("a", "b"), 1), answers(("a", "b"), 2)).as_json()
    assert same["all"] is None
