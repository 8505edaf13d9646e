"""A candidate beside the live bundle, on the same pictures.

Where the two know different classes there are two views. In `shared` stand the pictures of the classes both know; it
is what a candidate is judged by. A candidate that takes one of them for a class that only it knows is wrong: that is
what a user would see. In `everything` stand the pictures of all classes; one of a class that a bundle does not know
counts as sent to review by it, whatever it would have answered. Where both know the same classes the views are one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np

from sortline.evaluation.answers import Answers
from sortline.evaluation.figures import (
    Figures,
    Measured,
    Mistake,
    columns_of,
    figures,
    mistakes,
    rows_of,
)
from sortline.evaluation.metrics import ClassFigures
from sortline.evaluation.paired import (
    RESAMPLES,
    Difference,
    Interval,
    accuracy_difference,
    falls,
    macro_f1_difference,
)
from sortline.evaluation.plain import plain

# Test pictures of a new class below which nothing can be said of it: with 4 right of 4 its recall is above 51 %.
ENOUGH = 5


class Standing(StrEnum):
    """Who knows a class."""

    SHARED = "shared"  # both, or the candidate where there is nothing live
    NEW = "new"  # only the candidate
    GONE = "gone"  # only the live bundle


class Evidence(StrEnum):
    """Whether the test pictures say anything of a class."""

    MEASURED = "measured"
    INSUFFICIENT = "insufficient evidence"  # a new class with fewer than 5 of them
    ABSENT = "no test pictures"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Pictures that are not compared on, each counted once.

    elsewhere: only one of the two could be asked; candidate, live, both: who has trained on them; unknown: neither
    knows their class.
    """

    candidate: int = 0
    live: int = 0
    both: int = 0
    elsewhere: int = 0
    unknown: int = 0

    @property
    def trained(self) -> int:
        """Those that were trained on."""
        return self.candidate + self.live + self.both

    @property
    def total(self) -> int:
        """All of them."""
        return self.trained + self.elsewhere + self.unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassChange:
    """One class before and after.

    `candidate` and `live` are the figures of those that know it. `only_candidate` and `only_live` count its pictures
    that one alone gets right; `fall_p` is the one-sided p-value of McNemar's test that the candidate finds it no less
    often, None unless both know it and it has pictures.
    """

    name: str
    standing: Standing
    evidence: Evidence
    support: int
    candidate: ClassFigures | None
    live: ClassFigures | None
    only_candidate: int
    only_live: int
    fall_p: float | None

    @property
    def recall_change(self) -> float | None:
        """Recall of the candidate less that of the live bundle, in −1..1; None unless both can be told."""
        if self.candidate is None or self.live is None or not self.support:
            return None
        return (self.only_candidate - self.only_live) / self.support


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Both bundles on one set of pictures; what needs a live one or a picture is None without."""

    classes: tuple[str, ...]
    candidate: Figures
    live: Figures | None
    difference: Difference | None
    macro_f1_difference: Interval | None
    changes: tuple[ClassChange, ...]

    @property
    def images(self) -> int:
        """How many pictures."""
        return self.candidate.images

    @property
    def elsewhere(self) -> str | None:
        """What the last column of the confusion matrices holds; None where it is empty in both."""
        both = [one.confusion for one in (self.candidate, self.live) if one is not None]
        if not any(confusion[:, -1].any() for confusion in both):
            return None
        # A view has classes that one does not know, or answers that are none of its classes, never both.
        shared = all(change.standing is Standing.SHARED for change in self.changes)
        return "another class" if shared else "review"

    def as_json(self) -> dict[str, Any]:
        """Everything, as plain JSON."""
        document: dict[str, Any] = plain(self)
        for change, row in zip(self.changes, document["changes"], strict=True):
            row["recall_change"] = plain(change.recall_change)
        return {"images": self.images, "elsewhere": self.elsewhere} | document


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A candidate beside the live bundle, or alone where nothing is live.

    `shared` is None where nothing is live, and the same object as `everything` where both know the same classes.
    `candidate_classes` and `live_classes` stand in the order of each one's outputs.
    """

    candidate_classes: tuple[str, ...]
    live_classes: tuple[str, ...] | None
    shared: View | None
    everything: View
    left_out: LeftOut
    candidate_measured: Measured
    live_measured: Measured | None
    mistakes: tuple[Mistake, ...] = field(default=())

    @property
    def judged(self) -> View:
        """The view that gates apply to."""
        return self.everything if self.shared is None else self.shared

    @property
    def new_classes(self) -> tuple[str, ...]:
        """Classes that the live bundle does not know; none where nothing is live."""
        return _without(self.candidate_classes, self.live_classes) if self.live_classes is not None else ()

    @property
    def gone_classes(self) -> tuple[str, ...]:
        """Classes that only the live bundle knows."""
        return _without(self.live_classes or (), self.candidate_classes)

    def as_json(self) -> dict[str, Any]:
        """Everything, as plain JSON; `all` is null where it would repeat `shared`."""
        return {
            "format": 1,
            "candidate_classes": list(self.candidate_classes),
            "live_classes": None if self.live_classes is None else list(self.live_classes),
            "new_classes": list(self.new_classes),
            "gone_classes": list(self.gone_classes),
            "left_out": plain(self.left_out),
            "shared": None if self.shared is None else self.shared.as_json(),
            "all": None if self.everything is self.shared else self.everything.as_json(),
            "candidate_measured": plain(self.candidate_measured),
            "live_measured": plain(self.live_measured),
            "mistakes": plain(self.mistakes),
        }


def compare(
    candidate: Answers,
    live: Answers | None,
    *,
    candidate_trained: Collection[str] = (),
    live_trained: Collection[str] = (),
    candidate_measured: Measured | None = None,
    live_measured: Measured | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    most_mistakes: int = 24,
    pictured: Collection[str] | None = None,
) -> Comparison:
    """The two beside each other on the pictures that both answered, paired by key, in any order.

    `candidate_trained` and `live_trained` hold the keys of the pictures each was trained or tuned on; these are left
    out and counted. The same seed gives the same intervals. `pictured` are the keys of the pictures that can be shown;
    mistakes on them come first.

    Raises:
        ValueError: the two disagree on a picture's true class.
    """
    ours, theirs, elsewhere = _paired(candidate, live)
    ours, theirs, left_out = _untrained(ours, theirs, frozenset(candidate_trained), frozenset(live_trained))
    ours, theirs, unknown = _of_some_class(ours, theirs)
    classes = ours.classes if theirs is None else ours.classes + _without(theirs.classes, ours.classes)
    everything = _view(ours, theirs, classes, resamples=resamples, seed=seed)
    shared = None
    if theirs is not None:
        common = _without(ours.classes, _without(ours.classes, theirs.classes))
        same = len(common) == len(classes)
        shared = everything if same else _shared(ours, theirs, common, resamples=resamples, seed=seed)
    return Comparison(
        candidate_classes=ours.classes,
        live_classes=None if theirs is None else theirs.classes,
        shared=shared,
        everything=everything,
        left_out=replace(left_out, elsewhere=elsewhere, unknown=unknown),
        candidate_measured=candidate_measured or Measured(),
        live_measured=None if theirs is None else live_measured or Measured(),
        mistakes=mistakes(ours, theirs, limit=most_mistakes, pictured=pictured),
    )


def _paired(candidate: Answers, live: Answers | None) -> tuple[Answers, Answers | None, int]:
    """Both on the pictures that both answered, in the candidate's order, and how many only one did."""
    if live is None:
        return candidate, None, 0
    if tuple(candidate.keys) != tuple(live.keys):
        place = {key: row for row, key in enumerate(live.keys)}
        rows = [row for row, key in enumerate(candidate.keys) if key in place]
        elsewhere = len(candidate) + len(live) - 2 * len(rows)
        candidate = candidate.take(rows)
        live = live.take([place[key] for key in candidate.keys])
    else:
        elsewhere = 0
    if tuple(candidate.truth) != tuple(live.truth):
        raise ValueError("the two were asked about the same pictures under different labels")
    return candidate, live, elsewhere


def _untrained(
    candidate: Answers, live: Answers | None, by_candidate: frozenset[str], by_live: frozenset[str]
) -> tuple[Answers, Answers | None, LeftOut]:
    """Both without the pictures that either was trained on, and the count of these."""
    ours = np.array([key in by_candidate for key in candidate.keys], bool)
    theirs = np.array([key in by_live for key in candidate.keys], bool)
    counted = LeftOut(
        candidate=int((ours & ~theirs).sum()),
        live=int((theirs & ~ours).sum()),
        both=int((ours & theirs).sum()),
    )
    if not counted.total:
        return candidate, live, counted
    rows = np.flatnonzero(~(ours | theirs))
    return candidate.take(rows), live and live.take(rows), counted


def _of_some_class(candidate: Answers, live: Answers | None) -> tuple[Answers, Answers | None, int]:
    """Both without the pictures of a class that neither knows, and how many those were."""
    some = candidate.known if live is None else candidate.known | live.known
    if some.all():
        return candidate, live, 0
    rows = np.flatnonzero(some)
    return candidate.take(rows), live and live.take(rows), int((~some).sum())


def _shared(
    candidate: Answers, live: Answers, classes: tuple[str, ...], *, resamples: int, seed: int
) -> View:
    rows = np.flatnonzero(candidate.known & live.known)
    return _view(candidate.take(rows), live.take(rows), classes, resamples=resamples, seed=seed)


def _view(
    candidate: Answers, live: Answers | None, classes: tuple[str, ...], *, resamples: int, seed: int
) -> View:
    ours = figures(candidate, classes, seed=seed)
    theirs = None if live is None else figures(live, classes, seed=seed)
    difference = macro = None
    if live is not None and len(live):
        difference = accuracy_difference(candidate.right, live.right, resamples=resamples, seed=seed)
        macro = macro_f1_difference(
            rows_of(candidate.truth, classes),
            columns_of(candidate, classes),
            columns_of(live, classes),
            len(classes),
        )
    return View(
        classes=classes,
        candidate=ours,
        live=theirs,
        difference=difference,
        macro_f1_difference=macro,
        changes=_changes(candidate, live, ours, theirs),
    )


def _changes(
    candidate: Answers, live: Answers | None, ours: Figures, theirs: Figures | None
) -> tuple[ClassChange, ...]:
    names = tuple(one.name for one in ours.classes)
    rows = rows_of(candidate.truth, names)
    right = np.zeros(len(rows), bool) if live is None else live.right
    only_candidate = np.bincount(rows[candidate.right & ~right], minlength=len(names))
    only_live = np.bincount(rows[right & ~candidate.right], minlength=len(names))
    p_values = falls(only_candidate, only_live) if live is not None else np.ones(len(names))
    known, known_live = set(candidate.classes), None if live is None else set(live.classes)
    changes = []
    for i, one in enumerate(ours.classes):
        standing = _standing(one.name, known, known_live)
        both = theirs is not None and standing is Standing.SHARED
        changes.append(
            ClassChange(
                name=one.name,
                standing=standing,
                evidence=_evidence(one.support, standing),
                support=one.support,
                candidate=None if standing is Standing.GONE else one,
                live=None if theirs is None or standing is Standing.NEW else theirs.classes[i],
                only_candidate=int(only_candidate[i]) if both else 0,
                only_live=int(only_live[i]) if both else 0,
                fall_p=float(p_values[i]) if both and one.support else None,
            )
        )
    return tuple(changes)


def _standing(name: str, candidate: Collection[str], live: Collection[str] | None) -> Standing:
    if live is None or (name in candidate and name in live):
        return Standing.SHARED
    return Standing.NEW if name in candidate else Standing.GONE


def _evidence(support: int, standing: Standing) -> Evidence:
    if standing is Standing.NEW and support < ENOUGH:
        return Evidence.INSUFFICIENT
    return Evidence.MEASURED if support else Evidence.ABSENT


def _without(classes: tuple[str, ...], others: Collection[str]) -> tuple[str, ...]:
    known = set(others)
    return tuple(name for name in classes if name not in known)
