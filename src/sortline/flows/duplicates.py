"""Near-duplicates in a version: none may straddle its splits when it is evaluated on, and they are counted anew."""

from __future__ import annotations

from sqlalchemy import Engine

from sortline.catalogue.duplicates import GroupTally
from sortline.catalogue.store import group_counts
from sortline.catalogue.store.summaries import set_version_summary, version_summary
from sortline.catalogue.store.versions import current_versions, version_by_id
from sortline.catalogue.version import Version
from sortline.db.session import Session, reading, writing
from sortline.errors import SortlineError


class LeakingSplits(SortlineError):
    """Near-duplicates stand in different splits of a version: figures measured on it would be too good."""

    def __init__(self, version: str, groups: int) -> None:
        self.version, self.groups = version, groups
        super().__init__(
            f"in version {version!r} {groups} groups of near-duplicates are in more than one split; mend them with "
            "`sortline data check --resplit` or `--drop`, and make a version of what changed"
        )


def require_sound_splits(session: Session, version: Version) -> None:
    """The version may be evaluated on: whoever does asks here first.

    Raises:
        LeakingSplits: some near-duplicates are in different splits.
    """
    found = group_counts.version_groups(session, version, version_summary(session, version.id))
    if found.leaks:
        raise LeakingSplits(version.name, found.leaks)


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
