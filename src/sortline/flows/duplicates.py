"""Near-duplicates in a version: those that straddle its splits, and counting them anew."""

from __future__ import annotations

from sqlalchemy import Engine

from sortline.catalogue.duplicates import GroupTally
from sortline.catalogue.store import group_counts
from sortline.catalogue.store.summaries import set_version_summary, version_summary
from sortline.catalogue.store.versions import current_versions, version_by_id
from sortline.catalogue.version import Version
from sortline.db.session import Session, reading, writing


def leaking_groups(session: Session, version: Version) -> int:
    """Groups of near-duplicates that stand in more than one split of a version.

    Figures measured on it would be too good, so nothing is promoted on them. `sortline data check --resplit` or
    `--drop`, and a version of what changed, mend it.
    """
    return group_counts.version_groups(session, version, version_summary(session, version.id)).leaks


def groups_due(session: Session) -> list[int]:
    """The ids of lines' active and latest versions whose groups are not those of today."""
    stamps: dict[int, str] = {}
    due: list[int] = []
    for version in current_versions(session):
        line_id = version.line_id
        if line_id not in stamps:
            stamps[line_id] = group_counts.grouping_stamp(session, line_id)
        tally = version_summary(session, version.id).groups
        if tally is None or tally.stamp != stamps[line_id]:
            due.append(version.id)
    return due


def count_groups(engine: Engine, version_id: int) -> None:
    """The version's summary has the groups of today, and versions made from it keep them up."""
    with reading(engine) as session:
        version = version_by_id(session, version_id)
        stamp = group_counts.grouping_stamp(session, version.line_id)
        tally = GroupTally(stamp, group_counts.count_version(session, version))
    with writing(engine) as session:
        # Nothing else of a ready version's summary changes, but its lists may just have been filled again.
        summary = version_summary(session, version_id, lock=True)
        summary.groups = tally
        set_version_summary(session, version_id, summary)
