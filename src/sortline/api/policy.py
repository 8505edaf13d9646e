"""A line's policy: what sets items aside, by hand or by a budget, and what thresholds come to."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from sortline.api.access import Scope, require
from sortline.api.answers import timestamp
from sortline.api.deps import LineDep, ServicesDep
from sortline.db.session import Session, reading, writing
from sortline.engine.ood import DetectorName
from sortline.engine.routing import Policy
from sortline.flows.follow import resolve_policy
from sortline.flows.policy import Fitted, LineBudget, budget_of, fit, keep_budget
from sortline.flows.policy_drift import PolicyDrift, policy_drift
from sortline.lines.fits import get_fit
from sortline.lines.store import get_line, set_policy
from sortline.serving.live import LiveLine

reads = APIRouter(
    prefix="/api/v1/lines/{line}/policy", tags=["policy"], dependencies=[Depends(require(Scope.REVIEW))]
)
writes = APIRouter(
    prefix="/api/v1/lines/{line}/policy", tags=["policy"], dependencies=[Depends(require(Scope.TRAIN))]
)

Amount = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


class BudgetView(BaseModel):
    """What a line wants; at least one of `reviews_per_day` and `max_error`."""

    model_config = ConfigDict(extra="forbid")

    reviews_per_day: Amount | None = Field(
        default=None, description="Pictures a day that people can look at."
    )
    max_error: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        default=None, description="Share of accepted items that may be wrong."
    )
    detector: DetectorName | None = Field(
        default=None, description="How unknown items are told; null takes the policy's."
    )
    items_per_day: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)] | None = Field(
        default=None, description="Pictures that come a day, where traffic cannot tell yet or will change."
    )


class EstimateView(BaseModel):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


class Figures(BaseModel):
    """What thresholds come to. Shares are of all pictures but for `accepted_error`, which is of the accepted ones."""

    reviews_per_day: EstimateView | None = Field(
        description="Null where nobody knows how many pictures come."
    )
    review_share: EstimateView
    unknown_share: EstimateView
    ambiguous_share: EstimateView
    accepted_error: EstimateView
    catch_rate: EstimateView | None = Field(
        description="Share of foreign items and wrong answers that a person sees; null where there are none."
    )


class BasedOnView(BaseModel):
    """What figures rest on."""

    validation: int = Field(description="Held-out pictures of the bundle.")
    traffic: int = Field(description="Recent predictions; 0 where held-out pictures stand for them.")
    days: int
    same_bundle: bool = Field(description="Whether the traffic was classified by this bundle.")


class Preview(BaseModel):
    """What a budget would come to."""

    policy: Policy
    within: bool = Field(description="False where no thresholds keep the budget: these come nearest.")
    expected: Figures
    based_on: BasedOnView
    drifted: bool = Field(
        description="Whether the thresholds in force no longer do what was expected of them."
    )


class FitView(BaseModel):
    """What the line's budget came to for the live bundle."""

    settings: dict[str, Any]
    within: bool
    expected: Figures
    based_on: BasedOnView
    at: str


class RateView(BaseModel):
    """A share of all pictures, as expected and as it is."""

    expected: float
    recent: float
    drifted: bool


class DriftView(BaseModel):
    """What the thresholds did since they were fitted."""

    drifted: bool
    since: str
    predictions: int
    reviews_per_day: float | None
    rates: dict[str, RateView] = Field(description="`review`, `unknown` and `ambiguous`.")


class PolicyState(BaseModel):
    """The policy in force, and where it comes from: the bundle, the line's own settings, its budget, in that order."""

    line: str
    policy: Policy
    own: dict[str, Any] = Field(description="What the line wants different from the bundle's policy.")
    budget: BudgetView | None
    fit: FitView | None = Field(
        description="Null without a budget, or while it is not fitted to the live bundle."
    )
    drift: DriftView | None


class PolicyChange(BaseModel):
    """What to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    own: dict[str, Any] | None = Field(
        default=None, description="Replaces what the line wants different from the bundle's policy."
    )
    budget: BudgetView | None = Field(
        default=None, description="What thresholds are fitted to from now on; null: they are set by hand."
    )


@reads.get("", summary="Show a line's policy")
def get_policy(line: str, services: ServicesDep, live: LineDep) -> PolicyState:
    """The policy in force, the budget behind its thresholds, and whether these still do what was expected."""
    with reading(services.engine) as session:
        return _state(session, live, datetime.now(UTC))


@writes.put("", summary="Set a line's policy")
def put_policy(line: str, change: PolicyChange, services: ServicesDep, live: LineDep) -> PolicyState:
    """The policy as it is from now on; thresholds of a budget are fitted now, and anew for every bundle to come."""
    now = datetime.now(UTC)
    with reading(services.engine) as session:
        found = get_line(session, live.name)
    own = found.policy if change.own is None else change.own
    resolve_policy(Policy(), own)
    budget = budget_of(found)
    if "budget" in change.model_fields_set:
        budget = None if change.budget is None else _budget(change.budget)
    judge = live.classifier
    fitted = None
    if budget is not None and judge is not None:
        fitted = fit(services.engine, live.id, own, judge, budget, now)
    with writing(services.engine) as session:
        if change.own is not None:
            set_policy(session, live.name, change.own)
        keep_budget(session, live.id, budget, judge.bundle.hash if judge else None, fitted)
    services.follower.refresh()
    with reading(services.engine) as session:
        return _state(session, services.live[live.name], now)


@reads.post("/preview", summary="Try a budget")
def preview(line: str, wanted: BudgetView, services: ServicesDep, live: LineDep) -> Preview:
    """The thresholds that follow from a budget, and what they come to with 95 % intervals. Nothing is changed."""
    now, judge = datetime.now(UTC), live.model
    with reading(services.engine) as session:
        found = get_line(session, live.name)
        drift = _drift(session, live, now)
    fitted = fit(services.engine, live.id, found.policy, judge, _budget(wanted), now)
    return Preview(
        policy=fitted.policy,
        within=fitted.within,
        expected=Figures.model_validate(fitted.expected),
        based_on=_based_on(fitted),
        drifted=drift is not None and drift.drifted,
    )


def _budget(view: BudgetView) -> LineBudget:
    return LineBudget(**view.model_dump())


def _based_on(fitted: Fitted) -> BasedOnView:
    return BasedOnView.model_validate(asdict(fitted.based_on))


def _state(session: Session, live: LiveLine, now: datetime) -> PolicyState:
    line = get_line(session, live.name)
    kept = get_fit(session, live.id, live.classifier.bundle.hash) if live.classifier else None
    drift = _drift(session, live, now)
    return PolicyState(
        line=live.name,
        policy=live.policy,
        own=dict(line.policy),
        budget=None if line.budget is None else BudgetView.model_validate(line.budget),
        fit=None if kept is None else _fit_view(kept.settings, kept.expected, kept.at),
        drift=None if drift is None else _drift_view(drift),
    )


def _fit_view(settings: Mapping[str, object], kept: Mapping[str, Any], at: datetime) -> FitView:
    return FitView(
        settings=dict(settings),
        within=kept["within"],
        expected=Figures.model_validate(kept["figures"]),
        based_on=BasedOnView.model_validate(kept["based_on"]),
        at=timestamp(at),
    )


def _drift(session: Session, live: LiveLine, now: datetime) -> PolicyDrift | None:
    kept = get_fit(session, live.id, live.classifier.bundle.hash) if live.classifier else None
    return None if kept is None else policy_drift(session, live.id, kept, now)


def _drift_view(drift: PolicyDrift) -> DriftView:
    return DriftView(
        drifted=drift.drifted,
        since=timestamp(drift.since),
        predictions=drift.predictions,
        reviews_per_day=drift.reviews_per_day,
        rates={name: RateView.model_validate(asdict(rate)) for name, rate in drift.rates.items()},
    )
