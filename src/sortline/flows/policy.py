"""A line's thresholds from its budget: previewed, kept, fitted anew for every bundle, and flagged once they drift.

What a budget came to belongs to one bundle and stands beside the line's own policy (`lines.fits`): a line follows the
fit of the bundle that is live, and a bundle without one is served with its own thresholds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from sqlalchemy import Engine

from sortline.db.session import Session, reading, writing
from sortline.engine.budget import Budget, choose
from sortline.engine.classifier import Classifier
from sortline.engine.expected import expected
from sortline.engine.ood import DetectorName
from sortline.engine.routing import Policy
from sortline.engine.traffic import View
from sortline.errors import SortlineError
from sortline.flows.bundle_files import usable
from sortline.flows.follow import resolve_policy
from sortline.flows.policy_evidence import CannotFit, Seen, Silent, known_of
from sortline.lines.fits import get_fit, set_budget, set_fit
from sortline.lines.line import Line
from sortline.lines.store import line_by_id, list_lines
from sortline.registry import store as registry
from sortline.registry.ledger import BundleRecord
from sortline.storage.blobs import Blobs

log = logging.getLogger(__name__)


class InvalidBudget(SortlineError):
    """A budget that says nothing, or something impossible."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"The budget is not valid: {problem}.")


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
    """The line's budget, where it has one.

    Raises:
        InvalidBudget: a newer Sortline wrote it.
    """
    if line.budget is None:
        return None
    if unknown := set(line.budget) - {field.name for field in fields(LineBudget)}:
        raise InvalidBudget(f"this Sortline does not know {', '.join(sorted(unknown))}")
    return LineBudget(**line.budget)  # type: ignore[arg-type]  # kept by `keep_budget`


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
    seen = Seen(engine, line_id, judge.bundle, now)
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
        _keep_fit(session, line_id, bundle_hash, fitted)


def _keep_fit(session: Session, line_id: int, bundle_hash: str, fitted: Fitted) -> None:
    set_fit(session, line_id, bundle_hash, settings=fitted.settings, expected=fitted.kept())


def refit(engine: Engine, bundles_dir: Path, blobs: Blobs, line: Line, record: BundleRecord) -> str | None:
    """Why the line's budget could not be fitted to a bundle; None where it was, or where the line has none.

    For whoever is about to make the bundle live: a budget holds up no promotion.
    """
    return _refit(engine, line.id, lambda: Classifier(usable(record, bundles_dir, blobs), Silent()))


def refit_live(engine: Engine, line_id: int, judge: Classifier) -> str | None:
    """As `refit`, for the bundle that is live, after the line's own settings have changed."""
    return _refit(engine, line_id, lambda: judge)


def _refit(engine: Engine, line_id: int, judged_by: Callable[[], Classifier]) -> str | None:
    with reading(engine) as session:
        # As it is now: a run may have begun under another budget.
        line = line_by_id(session, line_id)
    if line.budget is None:
        return None
    try:
        judge, budget = judged_by(), budget_of(line)
        fitted = fit(engine, line.id, line.policy, judge, budget, datetime.now(UTC)) if budget else None
        if fitted is not None:
            with writing(engine) as session:
                _keep_fit(session, line.id, judge.bundle.hash, fitted)
    except SortlineError as error:
        log.warning("line %s: its budget is not fitted to its bundle: %s", line.name, error)
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
