"""What a version, or everything a line has, looks like as data: told from its summary, never from pixels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sortline.catalogue.duplicates import GroupCounts
from sortline.catalogue.entry import Split
from sortline.catalogue.insights import (
    Balance,
    Outliers,
    Spread,
    balance,
    brightness_outliers,
    growth,
    sharpness_outliers,
    spread,
)
from sortline.catalogue.store.entries import get_entries
from sortline.catalogue.store.group_counts import line_groups, version_groups
from sortline.catalogue.store.summaries import line_summary, version_summary
from sortline.catalogue.summary import SAMPLED, Summary
from sortline.catalogue.version import Version
from sortline.db.session import Session
from sortline.lines.store import list_classes

# Pictures shown of a class, as older clients have it too.
SAMPLES = SAMPLED
_IDS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A picture to look at: its entry, its hash."""

    entry_id: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassInsight:
    """A class: how many pictures it has, in which splits, and some of them."""

    id: int
    name: str
    count: int
    splits: Mapping[Split, int]
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Insights:
    """What a set of pictures looks like.

    `version` is None for everything a line has. Classes come in the line's order, those without pictures too unless
    they are retired. `width` and `height` are in pixels, `aspect` is width over height. `growth` is (day, added, by
    then). `pictures` finds the hash of each entry that an outlier names.
    """

    version: Version | None
    size: int
    bytes: int
    unlabelled: int
    classes: tuple[ClassInsight, ...]
    width: Spread
    height: Spread
    aspect: Spread
    brightness: Outliers
    sharpness: Outliers
    duplicates: GroupCounts
    balance: Balance
    growth: tuple[tuple[date, int, int], ...]
    pictures: Mapping[int, str]


def insights(
    session: Session, line_id: int, version: Version | None = None, *, samples: int = SAMPLES
) -> Insights:
    """Insights of a version, or of everything a line has, with up to 16 `samples` of each class."""
    summary = version_summary(session, version.id) if version else line_summary(session, line_id)
    brightness, sharpness = brightness_outliers(summary), sharpness_outliers(summary)
    shown = {
        entry_id
        for outliers in (brightness, sharpness)
        for entry_id, _ in (*outliers.lowest, *outliers.highest)
    }
    sampled = {class_id: summary.sampled(class_id, samples) for class_id in summary.samples}
    pictures = _hashes(session, line_id, shown.union(*sampled.values()))
    classes = _classes(session, line_id, summary, sampled, pictures)
    return Insights(
        version=version,
        size=summary.size,
        bytes=summary.bytes,
        unlabelled=sum(count for (class_id, _), count in summary.counts.items() if class_id is None),
        classes=classes,
        width=spread(summary.widths),
        height=spread(summary.heights),
        aspect=spread(summary.aspects, 100),
        brightness=brightness,
        sharpness=sharpness,
        duplicates=version_groups(session, version, summary) if version else line_groups(session, line_id),
        balance=balance([one.count for one in classes]),
        growth=growth(summary.days),
        pictures=pictures,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OlderInsights:
    """What `GET /data-insights` tells, in its old shape but for `samples`, which become addresses."""

    class_distribution: Mapping[str, int]
    samples: Mapping[str, tuple[str, ...]]
    image_dimensions: Mapping[str, float]


def older_insights(session: Session, line_id: int) -> OlderInsights:
    """Classes, three pictures of each by hash, and sizes, of everything a line has."""
    found = insights(session, line_id)
    return OlderInsights(
        class_distribution={one.name: one.count for one in found.classes},
        samples={one.name: tuple(sample.sha256 for sample in one.samples) for one in found.classes},
        image_dimensions={
            "min_width": int(found.width.min),
            "max_width": int(found.width.max),
            "avg_width": round(found.width.mean, 2),
            "min_height": int(found.height.min),
            "max_height": int(found.height.max),
            "avg_height": round(found.height.mean, 2),
            "total_images": found.size,
        },
    )


def _hashes(session: Session, line_id: int, entry_ids: set[int]) -> dict[int, str]:
    ids = sorted(entry_ids)
    found: dict[int, str] = {}
    for start in range(0, len(ids), _IDS):
        known = get_entries(session, line_id, ids[start : start + _IDS])
        found.update({entry_id: entry.image_sha256 for entry_id, entry in known.items()})
    return found


def _classes(
    session: Session,
    line_id: int,
    summary: Summary,
    sampled: Mapping[int, Sequence[int]],
    pictures: Mapping[int, str],
) -> tuple[ClassInsight, ...]:
    splits: dict[int, dict[Split, int]] = defaultdict(dict)
    for (class_id, split), count in summary.counts.items():
        if class_id is not None:
            splits[class_id][split] = count
    return tuple(
        ClassInsight(
            id=each.id,
            name=each.name,
            count=sum(splits[each.id].values()),
            splits={split: splits[each.id].get(split, 0) for split in Split},
            samples=tuple(
                Sample(entry_id=entry_id, sha256=pictures[entry_id])
                for entry_id in sampled.get(each.id, ())
                if entry_id in pictures
            ),
        )
        for each in list_classes(session, line_id)
        if each.retired_at is None or each.id in splits
    )
