"""The verdict: what stops a candidate, what does not, and whether the sentence says why."""

import json

import pytest
from pydantic import ValidationError

from sortline.evaluation.checks import Parity
from sortline.evaluation.compare import Comparison, compare
from sortline.evaluation.figures import Measured
from sortline.evaluation.gates import Gates, Verdict, judge
from tests.evaluation.drawn import said, with_counts


def judged(comparison: Comparison, **gates: object) -> Verdict:
    """The verdict where nothing but the answers matters. Drawn confidences are not calibrated."""
    chosen = Gates.model_validate({"max_calibration_error": 1.0} | gates)
    return judge(comparison, chosen, parity=None, leaks=None, golden=None)


def failed(verdict: Verdict) -> list[str]:
    """The names of the checks that did not pass."""
    return [check.name for check in verdict.checks if not check.passed]


def test_better_is_promoted_and_told_with_its_interval() -> None:
    """What speaks for it is the reason."""
    verdict = judged(compare(*with_counts(80, 12, 3, 5)))

    assert verdict.promote
    assert verdict.text == (
        "promote: 92.0 % instead of 83.0 % right on 100 photos "
        "(+9.0 points, 95 % interval +1.0 to +17.0, McNemar p = 0.035)"
    )


def test_equally_good_is_promoted() -> None:
    """A candidate that knows as much and newer pictures is worth it; one photo fewer keeps what is live."""
    equal = judged(compare(*with_counts(900, 20, 20, 60)))

    assert equal.promote
    assert equal.text.startswith(
        "promote: 92.0 % right on 1,000 photos, as often as what is live (0.0 points"
    )

    fewer = judged(compare(*with_counts(900, 20, 21, 59)))

    assert failed(fewer) == ["accuracy"]
    assert fewer.text.startswith(
        "keep: 92.0 % instead of 92.1 % right on 1,000 photos (\N{MINUS SIGN}0.1 points"
    )
    assert fewer.text.endswith("it must be right as often")


@pytest.mark.parametrize(
    ("rule", "counts", "promote"),
    [
        ("non-inferior", (1960, 5, 8, 27), True),  # −0.15 points, at worst −0.5
        ("non-inferior", (180, 5, 5, 10), False),  # equal, but may lose 3 points
        ("non-inferior", (30, 0, 0, 0), False),  # too few to exclude a loss of one point
        ("better", (180, 9, 5, 6), False),
        ("better", (180, 19, 1, 0), True),
        ("at-least-as-good", (180, 5, 5, 10), True),
    ],
)
def test_the_rule_may_be_another(rule: str, counts: tuple[int, int, int, int], promote: bool) -> None:
    """Non-inferior asks for pictures enough to exclude a loss, better for a gain that is no chance."""
    verdict = judged(compare(*with_counts(*counts)), rule=rule, max_class_fall=1.0)

    assert verdict.promote is promote
    assert failed(verdict) == ([] if promote else ["accuracy"])


def test_a_class_that_falls_keeps_what_is_live() -> None:
    """Though the whole got better: five of 42 photos lost and none won is more than chance."""
    truth = ["Glass"] * 42 + ["Paper"] * 200
    theirs = ["Glass"] * 39 + ["Paper"] * 3 + ["Paper"] * 180 + ["Glass"] * 20
    ours = ["Glass"] * 34 + ["Paper"] * 8 + ["Paper"] * 199 + ["Glass"]
    comparison = compare(said(("Glass", "Paper"), truth, ours), said(("Glass", "Paper"), truth, theirs))

    verdict = judged(comparison)

    assert verdict.text == "keep: Glass falls from 93 % to 81 % of 42 photos"
    assert failed(verdict) == ["class floors"]
    assert judged(comparison, max_class_fall=0.15).promote
    assert judged(comparison, alpha=0.01).promote


def test_small_supports_fall_by_chance() -> None:
    """One of three photos is 33 points, and says nothing; the check tells it and passes."""
    truth = ["Glass"] * 3 + ["Paper"] * 60
    ours = ["Glass"] * 2 + ["Paper"] + ["Paper"] * 60
    theirs = ["Glass"] * 3 + ["Paper"] * 58 + ["Glass"] * 2
    names = ("Glass", "Paper")

    verdict = judged(compare(said(names, truth, ours), said(names, truth, theirs)))

    assert verdict.promote
    floors = next(check for check in verdict.checks if check.name == "class floors")
    assert (
        floors.detail == "at most Glass falls from 100 % to 67 % of 3 photos, which may be chance (p = 0.500)"
    )


def test_exactly_five_points_are_allowed() -> None:
    """Whatever rounding makes of a twentieth: 10 of 200 photos, none won, are certain and allowed; 11 are not."""
    for lost, promote in ((10, True), (11, False)):
        comparison = compare(*with_counts(200 - lost, 0, lost, 0))
        verdict = judged(comparison, rule="non-inferior", margin=0.2)
        assert verdict.promote is promote


def test_a_class_may_have_a_floor_of_its_own() -> None:
    """It holds whatever the live bundle has, and for new classes."""
    truth = ["Battery"] * 20 + ["Paper"] * 20
    answers = said(("Battery", "Paper"), truth, ["Battery"] * 17 + ["Paper"] * 23)

    verdict = judged(compare(answers, answers), class_floors={"Battery": 0.9, "no such class": 1.0})

    assert verdict.text == "keep: Battery is found in 85 % of 20 photos, its floor is 90 %"
    first = judged(compare(answers, None), class_floors={"Battery": 0.9})
    assert failed(first) == ["class floors"]
    new = compare(answers, said(("Paper", "Glass"), truth, ["Paper"] * 40))
    assert "class floors" in failed(judged(new, class_floors={"Battery": 0.9}))


def with_new_class(support: int, found: int, lost: int = 0) -> Comparison:
    """A candidate that knows a further class; `lost` of 1,000 shared photos it takes for that class."""
    truth = ["a"] * 500 + ["b"] * 500 + ["new"] * support
    shared = ["a"] * (500 - lost) + ["new"] * lost + ["b"] * 500
    ours = shared + ["new"] * found + ["b"] * (support - found)
    return compare(
        said(("a", "b", "new"), truth, ours), said("ab", truth, ["a"] * 500 + ["b"] * (500 + support))
    )


def test_a_new_class_is_worth_the_margin() -> None:
    """Slightly worse on what both know is fine where the loss is surely small and the new class is found."""
    verdict = judged(with_new_class(support=15, found=12, lost=3))

    assert verdict.promote
    assert "of the classes both know (\N{MINUS SIGN}0.3 points" in verdict.text
    assert verdict.text.endswith("new class new is found in 12 of 15 photos")
    assert failed(judged(with_new_class(support=15, found=12, lost=20))) == ["accuracy"]


def test_a_new_class_needs_evidence() -> None:
    """Four photos are not enough, and a class that is not found is not learned."""
    few = judged(with_new_class(support=4, found=4))
    assert few.text == "keep: insufficient evidence for new: 4 photos in test, 5 are needed; label more"

    poor = judged(with_new_class(support=10, found=4))
    assert poor.text == "keep: new class new is found in 4 of 10 photos, 50 % are needed"


def test_several_new_classes_are_told_in_one_sentence() -> None:
    """The one found least often stands for all; of too few photos all are named."""
    truth = ["a"] * 30 + ["x"] * 8 + ["y"] * 6
    ours = said("abxy", truth, ["a"] * 30 + ["x"] * 7 + ["a"] + ["y"] * 4 + ["a"] * 2)
    theirs = said("ab", truth, ["a"] * 44)

    assert judged(compare(ours, theirs)).text.endswith(
        "new class y is found in 4 of 6 photos; the other new class no less often"
    )
    lacking = judged(compare(ours.take([*range(34), 39]), theirs))
    assert (
        "insufficient evidence for x and y: as few as 1 photo in test, 5 are needed; label more"
        in lacking.text
    )


def test_a_class_that_is_gone_must_have_been_given_up() -> None:
    """Forgetting a class is never an accident that goes live."""
    truth = ["a", "b"] * 20
    comparison = compare(said("ab", truth, truth), said(("a", "b", "old"), truth, truth))

    assert "it no longer knows old" in judged(comparison).text
    allowed = judge(
        comparison,
        Gates(max_calibration_error=1.0),
        parity=None,
        leaks=None,
        golden=None,
        retired=["old", "older"],
    )
    assert allowed.promote


def test_the_first_model_has_floors() -> None:
    """Nothing is live: it must be accurate enough, better than guessing, and find every class."""
    good = ["a"] * 30 + ["b"] * 30
    assert judged(compare(said("ab", good, good), None)).text.endswith("nothing is live to compare with")

    poor = judged(compare(said("ab", good, ["a"] * 35 + ["b"] * 5 + ["a"] * 20), None))
    assert poor.text.startswith("keep: 58.3 % right on 60 photos")
    assert "60 % are needed" in poor.text

    lazy = judged(compare(said("ab", ["a"] * 90 + ["b"] * 10, ["a"] * 100), None))
    assert failed(lazy) == ["accuracy", "class floors"]
    assert "always saying a would be right on 90.0 %" in lazy.text
    assert "b is found in 0 % of 10 photos, 30 % are needed" in lazy.text


def test_nothing_to_compare_on() -> None:
    """No photos, too few, or none of a shared class: the verdict is keep, and says what is missing."""
    none = said("ab", (), ())
    assert judged(compare(none, none)).text == "keep: nothing to compare on: no test photos"
    assert judged(compare(none, None)).text == "keep: nothing to compare on: no test photos"

    one = said("ab", "ab", "ab")
    assert judged(compare(one, one)).text == "keep: only 2 photos to compare on, 20 are needed"
    assert judged(compare(one, one), min_images=2).promote

    seen = judged(compare(one, one, live_trained=["0", "1"]))
    assert seen.text.endswith("no test photos; 2 photos left out that one of the two was trained on")

    apart = judged(compare(said("ab", "ab", "ab"), said("cd", "ab", "cd")))
    assert "nothing to compare on: the two share no class" in apart.text

    only_new = compare(said("abn", "nn", "nn"), said("ab", "nn", "ab"))
    assert "no test photos of the classes both know" in judged(only_new).text


def test_two_hundred_classes_with_one_photo_each() -> None:
    """No single photo makes a class fall."""
    names = tuple(f"c{i}" for i in range(200))
    ours, theirs = list(names), list(names)
    ours[3], theirs[4] = "c0", "c0"

    assert judged(compare(said(names, names, ours), said(names, names, theirs))).promote


def test_calibration_is_bounded_by_the_bound_live_or_chance() -> None:
    """Confidences off by 10 points fail; as far off as live, or as chance takes few answers, they pass."""
    truth = ["a"] * 400
    right = ["a"] * 320 + ["b"] * 80
    honest, boastful = (said("ab", truth, right, confidence=c) for c in (0.8, 0.9))

    def verdict(candidate: object, live: object) -> Verdict:
        found = compare(candidate, live)  # type: ignore[arg-type]
        return judge(found, Gates(), parity=None, leaks=None, golden=None)

    kept = verdict(boastful, honest)
    assert failed(kept) == ["calibration"]
    assert kept.text.startswith("keep: calibration error 10.0 %, by chance alone up to ")
    assert kept.text.endswith("live 0.0 %; 5.0 % is allowed")
    assert verdict(boastful, boastful).promote
    few = range(0, 400, 16)
    assert verdict(boastful.take(few), honest.take(few)).promote


@pytest.mark.parametrize(
    ("ours", "theirs", "gates", "passed"),
    [
        (3.0, 2.0, {}, True),
        (5.0, 2.0, {}, False),
        (5.0, 2.0, {"max_latency_ratio": 3}, True),
        (5.0, None, {"max_latency_ms": 4}, False),
        (5.0, None, {}, True),
    ],
)
def test_latency(ours: float, theirs: float | None, gates: dict[str, float], passed: bool) -> None:
    """At most twice as long as live, and within an absolute bound where there is one."""
    answers = with_counts(30, 0, 0, 0)
    live = None if theirs is None else Measured(latency_ms=theirs)
    found = compare(*answers, candidate_measured=Measured(latency_ms=ours), live_measured=live)

    assert (failed(judged(found, **gates)) == []) is passed


def test_runtimes_must_agree_nothing_may_leak_and_golden_images_must_pass() -> None:
    """Each is a reason of its own; a difference that is not a number is no agreement."""
    found = compare(*with_counts(30, 0, 0, 0))
    gates = Gates(max_calibration_error=1.0)

    def parity(largest: float) -> Parity:
        return Parity(
            between="ONNX Runtime and OpenVINO",
            images=16,
            largest_difference=largest,
            allowed=1e-3,
            equal_answers=15 / 16,
        )

    good = judge(found, gates, parity=[parity(1e-5)], leaks=0, golden=True)
    bad = judge(found, gates, parity=[parity(1e-5), parity(float("nan"))], leaks=2, golden=False)

    assert good.promote
    assert failed(bad) == ["parity", "leaks", "golden images"]
    assert "2 photos of test with a near-duplicate in another part" in bad.text
    assert "ONNX Runtime and OpenVINO answer 15 of 16 photos alike" in bad.text


def test_the_verdict_is_plain_json() -> None:
    """With the line for a person, the reasons and every check."""
    document = json.loads(json.dumps(judged(compare(*with_counts(10, 2, 5, 3))).as_json(), allow_nan=False))

    assert document["promote"] is False
    assert document["text"] == "keep: " + "; ".join(document["reasons"])
    assert {"name", "passed", "detail"} == set(document["checks"][0])


def test_gates_refuse_what_they_do_not_know() -> None:
    """By name, so that a misspelt gate is not an open one."""
    for wrong in ({"margins": 0.1}, {"margin": 1.5}, {"rule": "always"}, {"class_floors": {"a": -1}}):
        with pytest.raises(ValidationError, match=next(iter(wrong))):
            Gates.model_validate(wrong)
