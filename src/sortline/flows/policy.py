"""A line's thresholds from its budget: previewed, kept, fitted anew for every bundle, and flagged once they drift.

What a budget came to belongs to one bundle and stands beside the line's own policy (`lines.fits`): a line follows the
fit of the bundle that is live, and a bundle without one is served with its own thresholds.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from sortline.db.session import Session, reading, writing
from sortline.engine.budget import Budget, choose
from sortline.engine.bundle import Bundle
from sortline.engine.calibration import softmax
from sortline.engine.classifier import Classifier
from sortline.engine.expected import expected
from sortline.engine.held_out import held_out
from sortline.engine.ood import Detector, DetectorName
from sortline.engine.routing import Policy, Reason
from sortline.engine.runtime import Outputs
from sortline.engine.traffic import Known, Traffic, View
from sortline.errors import SortlineError
from sortline.flows.bundle_files import usable
from sortline.flows.follow import resolve_policy
from sortline.lines.fits import get_fit, set_budget, set_fit
from sortline.lines.line import Line
from sortline.lines.store import line_by_id, list_lines
from sortline.monitoring.sample_store import Sampled, per_day, sample
from sortline.registry import store as registry
from sortline.registry.ledger import BundleRecord
from sortline.storage.blobs import Blobs

log = logging.getLogger(__name__)

# Days of traffic that thresholds are judged by.
DAYS = 14
# Held-out pictures from which a bundle's mistakes can be told; predictions from which traffic can.
FEWEST_KNOWN, FEWEST_SEEN = 20, 200


class InvalidBudget(SortlineError):
    """A budget that says nothing, or something impossible."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"The budget is not valid: {problem}.")


class CannotFit(SortlineError):
    """Nothing tells what thresholds would come to."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"No thresholds follow from the budget: {problem}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineBudget:
    """What a line wants: at most `reviews_per_day`, at most the share `max_error` of accepted items wrong, or both.

    `detector` tells unknown items (None: the policy's), `items_per_day` how many come where traffic cannot tell yet.
    """

    reviews_per_day: float | None = None
    max_error: float | None = None
    detector: str | None = None
    items_per_day: float | None = None

    def __post_init__(self) -> None:
        """Raises InvalidBudget where a value is out of range."""
        if self.reviews_per_day is None and self.max_error is None:
            raise InvalidBudget(
                "say how many reviews a day there may be, or how many accepted items may be wrong"
            )
        if self.reviews_per_day is not None and self.reviews_per_day < 0:
            raise InvalidBudget("reviews_per_day is 0 or more")
        if self.max_error is not None and not 0 <= self.max_error < 1:
            raise InvalidBudget("max_error is a share from 0 to 1")
        if self.items_per_day is not None and self.items_per_day <= 0:
            raise InvalidBudget("items_per_day is more than 0")
        if self.detector is not None and self.detector not in get_args(DetectorName):
            raise InvalidBudget(f"there is no detector {self.detector!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BasedOn:
    """What figures rest on: held-out pictures of the bundle, predictions of so many days, and by which bundle."""

    validation: int
    traffic: int
    days: int
    same_bundle: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What a budget comes to for a bundle: `settings` of the policy and what they are `expected` to come to.

    Not `within` the budget where no thresholds keep it.
    """

    settings: Mapping[str, Any]
    policy: Policy
    within: bool
    expected: Mapping[str, Any]
    based_on: BasedOn

    def kept(self) -> dict[str, Any]:
        """What is kept beside the settings."""
        return {"figures": self.expected, "within": self.within, "based_on": asdict(self.based_on)}


def budget_of(line: Line) -> LineBudget | None:
    """The line's budget, where it has one."""
    return None if line.budget is None else LineBudget(**line.budget)  # type: ignore[arg-type]  # kept by `keep_budget`


def fit(
    engine: Engine,
    line_id: int,
    own: Mapping[str, object],
    judge: Classifier,
    budget: LineBudget,
    now: datetime,
) -> Fitted:
    """What a budget comes to for a bundle, beside the settings that are the line's `own`.

    Raises:
        InvalidPolicy: the settings are.
        CannotFit: nothing tells the bundle's mistakes, or how many pictures a day there are.
    """
    manual = {name: value for name, value in own.items() if name not in ("ood_threshold", "min_confidence")}
    asked = manual if budget.detector is None else {**manual, "detector": budget.detector}
    policy = resolve_policy(judge.bundle.manifest.policy.model_copy(update={"ood_threshold": None}), asked)
    if policy.detector == "wastex":
        raise CannotFit("WasteX's rule has a fixed threshold; choose another detector")
    detector = judge.detector(policy)
    seen = _Seen(engine, line_id, judge.bundle, now)
    known = known_of(judge, detector, policy)
    view = View(
        known=known,
        traffic=seen.traffic(policy, judge),
        per_day=seen.per_day if budget.items_per_day is None else (budget.items_per_day,),
        sample_share=policy.sample_share,
        steps=len(detector.reference),
    )
    if budget.reviews_per_day is not None and view.volume is None:
        raise CannotFit("no pictures have come yet, so give items_per_day as well")
    choice = choose(Budget(reviews_per_day=budget.reviews_per_day, max_error=budget.max_error), view)
    settings = {
        "detector": detector.name,
        "ood_threshold": float(detector.reference[choice.thresholds.rank]),
        "min_confidence": choice.thresholds.min_confidence,
    }
    return Fitted(
        settings=settings,
        policy=resolve_policy(policy, settings),
        within=choice.within,
        expected=expected(choice.thresholds, view).as_json(),
        based_on=BasedOn(
            validation=len(known),
            traffic=0 if view.traffic is None else len(view.traffic),
            days=len(seen.per_day),
            same_bundle=seen.same_bundle,
        ),
    )


def keep_budget(
    session: Session, line_id: int, budget: LineBudget | None, bundle_hash: str | None, fitted: Fitted | None
) -> None:
    """The line's budget is this one, and this is what it comes to for the bundle; None: its thresholds are by hand."""
    set_budget(session, line_id, None if budget is None else asdict(budget))
    if bundle_hash is not None and fitted is not None:
        set_fit(session, line_id, bundle_hash, settings=fitted.settings, expected=fitted.kept())


def refit(engine: Engine, bundles_dir: Path, blobs: Blobs, line: Line, record: BundleRecord) -> str | None:
    """Why the line's budget could not be fitted to a bundle; None where it was, or where the line has none.

    For whoever is about to make the bundle live: a budget holds up no promotion.
    """
    try:
        with reading(engine) as session:
            # As it is now: a run may have begun under another budget.
            line = line_by_id(session, line.id)
        budget = budget_of(line)
        if budget is None:
            return None
        judge = Classifier(usable(record, bundles_dir, blobs), Silent())
        fitted = fit(engine, line.id, line.policy, judge, budget, datetime.now(UTC))
        with writing(engine) as session:
            set_fit(session, line.id, record.hash, settings=fitted.settings, expected=fitted.kept())
    except SortlineError as error:
        log.warning("line %s: the budget is not fitted to %s: %s", line.name, record.hash[:12], error)
        return str(error)
    return None


class FitNext:
    """A worker's task: bundles that went live without a fit, whatever made them, get theirs."""

    def __init__(self, engine: Engine, bundles_dir: Path, blobs: Blobs) -> None:
        self._engine, self._bundles_dir, self._blobs = engine, bundles_dir, blobs
        # What could not be fitted once is left alone until something about it changes.
        self._failed: set[tuple[int, str, str]] = set()

    def look(self) -> bool:
        """False: what there was to fit is fitted, and there is no hurry for more."""
        with reading(self._engine) as session:
            live = registry.live_bundles(session)
            due = [
                (line, live[line.id])
                for line in list_lines(session)
                if line.budget is not None
                and line.id in live
                and (line.id, live[line.id].hash, str(line.budget)) not in self._failed
                and get_fit(session, line.id, live[line.id].hash) is None
            ]
        for line, record in due:
            if refit(self._engine, self._bundles_dir, self._blobs, line, record) is not None:
                self._failed.add((line.id, record.hash, str(line.budget)))
        return False


class _Seen:
    """What came lately to a line; by the bundle itself where that has seen enough."""

    def __init__(self, engine: Engine, line_id: int, bundle: Bundle, now: datetime) -> None:
        with reading(engine) as session:
            self.per_day: Sequence[float] = per_day(session, line_id, now, days=DAYS)
            rows = sample(session, line_id, now - timedelta(days=DAYS), now)
        own = [row for row in rows if row.bundle_hash == bundle.hash]
        self.same_bundle = len(own) >= FEWEST_SEEN
        self._rows: list[Sampled] = own if self.same_bundle else rows

    def traffic(self, policy: Policy, judge: Classifier) -> Traffic | None:
        """The predictions as thresholds judge them; None where there are too few."""
        rows = self._rows
        if len(rows) < FEWEST_SEEN:
            return None
        confidence = np.array([row.confidence for row in rows])
        unsure = np.zeros(len(rows), bool)
        if (sets := judge.sets(policy)) is not None:
            # Above a half no two classes are in a set, and it is empty below the floor. Otherwise: as it was decided.
            ambiguous = np.array([row.reason == Reason.AMBIGUOUS for row in rows])
            unsure = confidence < sets.floor if sets.floor > 0.5 else ambiguous
        return Traffic(
            unusual=np.array([row.ood_score for row in rows]),
            confidence=confidence,
            unreadable=np.array([row.reason == Reason.UNREADABLE for row in rows]),
            watched=np.array([row.class_name in policy.watched for row in rows]),
            ambiguous=unsure,
        )


def known_of(judge: Classifier, detector: Detector, policy: Policy) -> Known:
    """The bundle's held-out pictures as thresholds judge them."""
    found = held_out(judge.bundle)
    if found is None or len(found) < FEWEST_KNOWN:
        raise CannotFit(
            "the bundle has no linear head, or remembers too few held-out pictures to tell its mistakes"
        )
    probabilities = softmax(found.logits, judge.bundle.manifest.temperature)
    answers = probabilities.argmax(axis=1)
    watched = np.array([name in policy.watched for name in judge.classes])
    sets = judge.sets(policy)
    unsure: NDArray[np.bool_] = np.zeros(len(found), bool)
    if sets is not None:
        unsure = sets(probabilities).sum(axis=1) != 1
    return Known(
        unusual=detector(found.logits, found.embeddings).unusual,
        confidence=probabilities.max(axis=1).astype(np.float64),
        correct=answers == found.labels,
        watched=watched[answers],
        ambiguous=unsure,
    )


class Silent:
    """Stands where a network would: what a bundle remembers is judged without one."""

    name = "none"

    def infer(self, images: NDArray[np.uint8], *, features: bool = False) -> Outputs:
        """Never called."""
        raise NotImplementedError

    def settle(self, batch: int) -> None:
        """Never called."""
