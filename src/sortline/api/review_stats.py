"""How the figures of review read."""

from datetime import date

from pydantic import BaseModel, Field

from sortline.api.answers import timestamp
from sortline.flows.review_figures import ReviewFigures


class PersonView(BaseModel):
    """What somebody labelled."""

    who: str
    labels: int
    per_hour: float | None = Field(description="At work: breaks of five minutes and more do not count.")
    seconds: float | None = Field(description="Median of a label, where clients said how long it took.")


class AgreementView(BaseModel):
    """Cohen's kappa of second opinions: 1 always agree, 0 no more than by chance."""

    kappa: float
    pairs: int


class AccuracyView(BaseModel):
    """Share of accepted answers that are right, with its 95 % interval, told from `n` pictures drawn by lot."""

    value: float
    low: float
    high: float
    n: int


class ConfusionView(BaseModel):
    """How often the model took one class for another."""

    predicted: str
    label: str
    n: int


class DayView(BaseModel):
    """One day in UTC."""

    day: date
    arrived: int
    decided: int


class StatsView(BaseModel):
    """How review goes. What waits is of now, the rest of the last days."""

    waiting: dict[str, int] = Field(description="How many wait, by reason.")
    oldest: str | None
    leased: int
    labels_per_hour: float | None = Field(description="Of one person at work.")
    seconds_per_label: float | None = Field(description="Median, where clients said how long a label took.")
    people: list[PersonView]
    agreement: AgreementView | None
    accuracy: AccuracyView | None
    confusions: list[ConfusionView]
    per_day: list[DayView]


def stats_view(found: ReviewFigures) -> StatsView:
    """The view of a line's figures."""
    agreed, right = found.agreement, found.accuracy
    return StatsView(
        waiting=found.waiting,
        oldest=None if found.oldest is None else timestamp(found.oldest),
        leased=found.leased,
        labels_per_hour=found.labels_per_hour,
        seconds_per_label=found.seconds_per_label,
        people=[
            PersonView(who=one.who, labels=one.labels, per_hour=one.per_hour, seconds=one.seconds)
            for one in found.people
        ],
        agreement=None if agreed is None else AgreementView(kappa=agreed.kappa, pairs=agreed.pairs),
        accuracy=None
        if right is None
        else AccuracyView(value=right.value, low=right.low, high=right.high, n=right.n),
        confusions=[
            ConfusionView(predicted=one.predicted, label=one.label, n=one.n) for one in found.confusions
        ],
        per_day=[DayView(day=one.day, arrived=one.arrived, decided=one.decided) for one in found.per_day],
    )
