"""What a line's data looks like: classes, sizes, outliers, duplicates, growth; told without reading a picture."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from sortline.api.access import Scope, require
from sortline.api.deps import LineDep, ServicesDep
from sortline.api.image_views import Urls, urls
from sortline.api.parameters import SplitName, split_name
from sortline.api.picture_filters import VersionRef
from sortline.catalogue import insights as told
from sortline.catalogue.image import ImageRecord
from sortline.catalogue.store.records import get_records
from sortline.catalogue.store.versions import get_version
from sortline.db.session import reading
from sortline.flows.insights import SAMPLES, ClassInsight, Insights, insights

router = APIRouter(
    prefix="/api/v1/lines/{line}", tags=["insights"], dependencies=[Depends(require(Scope.REVIEW))]
)


class Shown(BaseModel):
    """A picture to look at; `urls` is null once it was erased."""

    sha256: str
    urls: Urls | None


class Extreme(Shown):
    """A picture with an unusual value."""

    value: float


class ClassView(BaseModel):
    """A class: how many pictures it has, in which splits, and some of them."""

    name: str
    count: int
    splits: dict[SplitName, int]
    samples: list[Shown]


class Bar(BaseModel):
    """How many values lie in `low` ≤ value < `high`."""

    model_config = ConfigDict(from_attributes=True)

    low: float
    high: float
    count: int


class Spread(BaseModel):
    """How a value is distributed; all 0 where there is none."""

    model_config = ConfigDict(from_attributes=True)

    min: float
    max: float
    mean: float
    histogram: list[Bar]


class Outliers(BaseModel):
    """Values beyond Tukey's fences, and the most extreme pictures on either side."""

    median: float
    low_fence: float
    high_fence: float
    low: int = Field(description="How many lie below the low fence.")
    high: int = Field(description="How many lie at or above the high fence.")
    lowest: list[Extreme]
    highest: list[Extreme]


class Groups(BaseModel):
    """Near-duplicates: groups with two pictures or more of this set."""

    model_config = ConfigDict(from_attributes=True)

    groups: int
    pictures: int = Field(description="Pictures in those groups.")
    conflicts: int = Field(description="Groups whose labels differ.")
    leaks: int = Field(description="Groups in several splits.")


class Balance(BaseModel):
    """How evenly pictures are spread over the classes that have any."""

    model_config = ConfigDict(from_attributes=True)

    largest: int
    smallest: int
    ratio: float = Field(description="The largest class over the smallest.")
    effective: float = Field(description="How many classes of equal size would be as uneven.")


class Day(BaseModel):
    """Pictures added on a day (UTC), and those there were by its end."""

    day: str
    added: int
    total: int


class InsightsView(BaseModel):
    """What a version, or everything a line has, looks like."""

    version: int | None = Field(description="Null: everything the line has, with current labels.")
    size: int
    bytes: int
    unlabelled: int
    classes: list[ClassView]
    width: Spread
    height: Spread
    aspect: Spread = Field(description="Width over height.")
    brightness: Outliers
    sharpness: Outliers
    duplicates: Groups
    balance: Balance
    growth: list[Day]


@router.get("/insights", summary="Show insights")
def get_insights(
    line: str,
    services: ServicesDep,
    live: LineDep,
    version: Annotated[VersionRef | None, Query(description="Default: everything the line has.")] = None,
    samples: Annotated[int, Query(ge=0, le=12, description="Pictures shown of each class.")] = SAMPLES,
) -> InsightsView:
    """Distributions, outliers, duplicates, imbalance and growth, kept up to date with every change."""
    with reading(services.engine) as session:
        wanted = None if version is None else get_version(session, live.id, version)
        found = insights(session, live.id, wanted, samples=samples)
        hashes = sorted(set(found.pictures.values()))
        records: dict[str, ImageRecord] = {}
        for start in range(0, len(hashes), 500):
            records |= get_records(session, hashes[start : start + 500])
    return _view(found, _Pictures(line, records))


class _Pictures:
    """How pictures are shown: where they are, unless they were erased."""

    def __init__(self, line: str, records: Mapping[str, ImageRecord]) -> None:
        self._line, self._records = line, records

    def urls(self, sha256: str) -> Urls | None:
        record = self._records.get(sha256)
        return None if record is None or record.erased_at is not None else urls(self._line, sha256)


def _view(found: Insights, pictures: _Pictures) -> InsightsView:
    return InsightsView(
        version=None if found.version is None else found.version.number,
        size=found.size,
        bytes=found.bytes,
        unlabelled=found.unlabelled,
        classes=[_class(one, pictures) for one in found.classes],
        width=Spread.model_validate(found.width),
        height=Spread.model_validate(found.height),
        aspect=Spread.model_validate(found.aspect),
        brightness=_outliers(found.brightness, found, pictures),
        sharpness=_outliers(found.sharpness, found, pictures),
        duplicates=Groups.model_validate(found.duplicates),
        balance=Balance.model_validate(found.balance),
        growth=[Day(day=day.isoformat(), added=added, total=total) for day, added, total in found.growth],
    )


def _class(one: ClassInsight, pictures: _Pictures) -> ClassView:
    return ClassView(
        name=one.name,
        count=one.count,
        splits={split_name(split): count for split, count in one.splits.items()},
        samples=[Shown(sha256=sample.sha256, urls=pictures.urls(sample.sha256)) for sample in one.samples],
    )


def _outliers(found: told.Outliers, of: Insights, pictures: _Pictures) -> Outliers:
    def shown(extremes: Sequence[tuple[int, float]]) -> list[Extreme]:
        hashes = ((of.pictures[entry], value) for entry, value in extremes if entry in of.pictures)
        return [
            Extreme(sha256=sha256, urls=pictures.urls(sha256), value=round(value, 3))
            for sha256, value in hashes
        ]

    return Outliers(
        median=found.median,
        low_fence=found.low_fence,
        high_fence=found.high_fence,
        low=found.low,
        high=found.high,
        lowest=shown(found.lowest),
        highest=shown(found.highest),
    )
