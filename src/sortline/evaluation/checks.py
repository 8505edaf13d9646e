"""The single things a candidate must reach, each with the sentence that says what was found.

A check is there to stop harm, so it asks whether harm is *shown*, not whether a figure moved: figures of a few dozen
pictures move by themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sortline.evaluation.compare import ENOUGH, ClassChange, Comparison, Evidence, Standing
from sortline.evaluation.figures import Calibration, Measured
from sortline.evaluation.metrics import Proportion, wilson
from sortline.evaluation.paired import Difference
from sortline.evaluation.wording import (
    classes,
    equals,
    interval,
    percent,
    photos,
    points,
    recall,
    small,
)

Rule = Literal["at-least-as-good", "non-inferior", "better"]

EVIDENCE, ACCURACY, CLASS_FLOORS = "evidence", "accuracy", "class floors"
NEW_CLASSES, CLASSES_KEPT = "new classes", "classes kept"
CALIBRATION, LATENCY, PARITY, LEAKS, GOLDEN = "calibration", "latency", "parity", "leaks", "golden images"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that had to hold, whether it did, and what was found."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How closely two runtimes agree on real photos: the largest difference of an output, be it logits or
    probabilities, and the one allowed; the share of photos (0..1) they answer alike. `between` names the two:
    "PyTorch and ONNX Runtime".
    """

    between: str
    images: int
    largest_difference: float
    allowed: float
    equal_answers: float


def evidence(comparison: Comparison, least: int) -> Check:
    """At least `least` photos to compare on."""
    count, shared, out = comparison.judged.images, comparison.shared, comparison.left_out
    left = f"; {photos(out.trained)} left out that one of the two was trained on" if out.trained else ""
    if shared is not None and not shared.classes:
        return Check(name=EVIDENCE, passed=False, detail="nothing to compare on: the two share no class")
    if not count:
        of = " of the classes both know" if comparison.everything.images else ""
        return Check(name=EVIDENCE, passed=False, detail=f"nothing to compare on: no test photos{of}{left}")
    if count < least:
        few = f"only {photos(count)} to compare on, {least} are needed{left}"
        return Check(name=EVIDENCE, passed=False, detail=few)
    return Check(name=EVIDENCE, passed=True, detail=f"{photos(count)} to compare on{left}")


def as_accurate(found: Difference, comparison: Comparison, rule: Rule, margin: float) -> Check:
    """Right as often as the rule wants it, on the classes both know."""
    before = found.both + found.only_live
    after = found.both + found.only_candidate
    where = "" if comparison.judged is comparison.everything else " of the classes both know"
    than = f" instead of {percent(before / found.total)}" if after != before else ""
    like = ", as often as what is live" if after == before else ""
    detail = (
        f"{percent(after / found.total)}{than} right on {photos(found.total)}{where}{like} "
        f"({points(found.value)} points, 95 % interval {points(found.low)} to "
        f"{points(found.high)}, McNemar p {equals(found.p_value)})"
    )
    passed, wanted = _rule(found, rule, margin, further=bool(comparison.new_classes))
    return Check(name=ACCURACY, passed=passed, detail=detail if passed else f"{detail}; {wanted}")


def _rule(found: Difference, rule: Rule, margin: float, *, further: bool) -> tuple[bool, str]:
    """Whether the rule holds, and what it wants; `further`: the candidate knows classes that the live one does not."""
    as_often, inferior = found.only_candidate >= found.only_live, found.low <= -margin
    within = f"its interval must lie above {points(-margin)}"
    if rule == "better":
        return found.low > 0, "its interval must lie above zero"
    if rule == "non-inferior":
        return not inferior, within
    if further:
        return as_often or not inferior, f"it must be right as often, or {within}"
    return as_often, "it must be right as often"


def worth_having(accuracy: Proportion, changes: Sequence[ClassChange], least: float) -> Check:
    """Where nothing is live: accurate enough, and surely better than always giving the most frequent answer."""
    commonest = max(changes, key=lambda change: change.support)
    guess = commonest.support / accuracy.total
    detail = (
        f"{percent(accuracy.value)} right on {photos(accuracy.total)} (95 % interval {interval(accuracy)}); "
        "nothing is live to compare with"
    )
    if accuracy.value < least:
        return Check(name=ACCURACY, passed=False, detail=f"{detail}; {percent(least, 0)} are needed")
    if accuracy.low <= guess:
        told = f"; always saying {commonest.name} would be right on {percent(guess)}"
        return Check(name=ACCURACY, passed=False, detail=detail + told)
    return Check(name=ACCURACY, passed=True, detail=detail)


def no_class_falls(
    changes: Sequence[ClassChange], *, most: float, alpha: float, floors: Mapping[str, float]
) -> Check:
    """No shared class is found less often by more than `most` and by more than chance, and none lies below a floor of
    its own.

    The p-value is that of each class alone. Dividing alpha by the number of classes would need eight photos lost and
    none won before one of nine classes counts as fallen; a false alarm costs a second look.
    """
    fallen = [change for change in changes if _falls(change, most, alpha)]
    found = [_fall(change) for change in fallen] + _below_floors(changes, floors)
    if found:
        return Check(name=CLASS_FLOORS, passed=False, detail="; ".join(found))
    lower = [change for change in changes if (change.recall_change or 0) < 0]
    if not lower:
        return Check(name=CLASS_FLOORS, passed=True, detail="no class is found less often")
    worst = min(lower, key=lambda change: change.recall_change or 0)
    chance = f", which may be chance (p {equals(worst.fall_p or 0)})" if _far(worst, most) else ""
    return Check(name=CLASS_FLOORS, passed=True, detail=f"at most {_fall(worst)}{chance}")


def every_class_found(changes: Sequence[ClassChange], least: float, floors: Mapping[str, float]) -> Check:
    """Where nothing is live: no class is surely below `least`, and none below a floor of its own."""
    found = _below_floors(changes, floors) + [
        f"{change.name} is found in {_recall(change)} of {photos(change.support)}, {percent(least, 0)} are needed"
        for change in changes
        if _surely_below(change, least)
    ]
    passed = f"every class reaches {percent(least, 0)}, or may be below by chance"
    return Check(name=CLASS_FLOORS, passed=not found, detail="; ".join(found) or passed)


def _falls(change: ClassChange, most: float, alpha: float) -> bool:
    return change.fall_p is not None and change.fall_p < alpha and _far(change, most)


def _far(change: ClassChange, most: float) -> bool:
    # One photo of 20 is 5 points, whatever rounding makes of it.
    return -(change.recall_change or 0) > most + 1e-9


def _fall(change: ClassChange) -> str:
    before = recall(change.live.recall, change.support) if change.live else "nothing"
    return f"{change.name} falls from {before} to {_recall(change)} of {photos(change.support)}"


def _recall(change: ClassChange) -> str:
    return recall(change.candidate.recall if change.candidate else 0.0, change.support)


def _below_floors(changes: Sequence[ClassChange], floors: Mapping[str, float]) -> list[str]:
    return [
        f"{change.name} is found in {_recall(change)} of {photos(change.support)}, "
        f"its floor is {percent(floors[change.name], 0)}"
        for change in changes
        if change.name in floors
        and change.candidate is not None
        and change.support
        and change.candidate.recall < floors[change.name]
    ]


def _surely_below(change: ClassChange, floor: float) -> bool:
    """Whether the interval of a class's recall lies below the floor."""
    if change.candidate is None or not change.support:
        return False
    return wilson(round(change.candidate.recall * change.support), change.support).high < floor


def new_classes_found(changes: Sequence[ClassChange], least: float) -> Check:
    """Each class that the live bundle does not know is found in at least `least` of enough photos."""
    new = [change for change in changes if change.standing is Standing.NEW]
    lacking = [change for change in new if change.evidence is Evidence.INSUFFICIENT]
    found = [_lacking(lacking)] if lacking else []
    found += [
        f"{_found(change)}, {percent(least, 0)} are needed"
        for change in new
        if change not in lacking and _share(change) < least
    ]
    if found:
        return Check(name=NEW_CLASSES, passed=False, detail="; ".join(found))
    others = {1: "", 2: "; the other new class no less often"}
    more = others.get(len(new), f"; the other {len(new) - 1} new classes no less often")
    return Check(name=NEW_CLASSES, passed=True, detail=_found(min(new, key=_share)) + more)


def _lacking(changes: Sequence[ClassChange]) -> str:
    fewest = photos(min(change.support for change in changes))
    has = fewest if len(changes) == 1 else f"as few as {fewest}"
    names = classes(tuple(change.name for change in changes))
    return f"insufficient evidence for {names}: {has} in test, {ENOUGH} are needed; label more"


def _share(change: ClassChange) -> float:
    return change.candidate.recall if change.candidate else 0.0


def _found(change: ClassChange) -> str:
    hits = round(_share(change) * change.support)
    return f"new class {change.name} is found in {hits:,} of {photos(change.support)}"


def classes_kept(gone: Sequence[str], retired: Collection[str]) -> Check:
    """Every class the live bundle knows is still known, or given up on purpose."""
    lost = tuple(name for name in gone if name not in set(retired))
    if lost:
        return Check(name=CLASSES_KEPT, passed=False, detail=f"it no longer knows {classes(lost)}")
    told = f"given up on purpose: {classes(tuple(gone))}" if gone else "it knows every class that is live"
    return Check(name=CLASSES_KEPT, passed=True, detail=told)


def calibrated(candidate: Calibration, live: Calibration | None, most: float) -> Check:
    """Confidences as true as wanted, or as the live bundle's, or no further off than chance makes them."""
    detail = (
        f"calibration error {percent(candidate.error)}, by chance alone up to {percent(candidate.chance)}"
    )
    if live is not None:
        detail += f"; live {percent(live.error)}"
    bound = max(most, candidate.chance, live.error if live else 0.0)
    if candidate.error > bound:
        return Check(name=CALIBRATION, passed=False, detail=f"{detail}; {percent(most)} is allowed")
    return Check(name=CALIBRATION, passed=True, detail=detail)


def fast_enough(
    candidate: Measured, live: Measured | None, *, most_ms: float | None, ratio: float
) -> Check | None:
    """A picture takes no longer than allowed; None where it was not measured."""
    ours, theirs = candidate.latency_ms, live.latency_ms if live else None
    if ours is None:
        return None
    detail = f"{ours:.1f} ms a picture" + (f" instead of {theirs:.1f} ms" if theirs else "")
    if theirs and ours > ratio * theirs:
        return Check(name=LATENCY, passed=False, detail=f"{detail}; {ratio:g} times as long is allowed")
    if most_ms is not None and ours > most_ms:
        return Check(name=LATENCY, passed=False, detail=f"{detail}; {most_ms:g} ms are allowed")
    return Check(name=LATENCY, passed=True, detail=detail)


def agree(parity: Parity) -> Check:
    """Two runtimes compute the same."""
    alike = round(parity.equal_answers * parity.images)
    detail = (
        f"{parity.between} answer {alike:,} of {photos(parity.images)} alike; they differ by at most "
        f"{small(parity.largest_difference)}, {small(parity.allowed)} is allowed"
    )
    # NaN is no agreement: it compares as False.
    return Check(
        name=PARITY, passed=parity.images > 0 and parity.largest_difference <= parity.allowed, detail=detail
    )


def no_leak(leaks: int) -> Check:
    """No test photo has a near-duplicate in another part."""
    found = (
        f"{photos(leaks)} of test with a near-duplicate in another part" if leaks else "no test photo leaks"
    )
    return Check(name=LEAKS, passed=not leaks, detail=found)


def golden_images(right: bool) -> Check:
    """The runtime answers the golden images as the reference did."""
    told = "as they should be" if right else "otherwise than they should be"
    return Check(name=GOLDEN, passed=right, detail=f"golden images are answered {told}")
