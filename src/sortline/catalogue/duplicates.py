"""Near-duplicates within a set of pictures, counted by group as pictures come and go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sortline.catalogue.entry import Split
from sortline.catalogue.extremes import Extremes

# Groups that are named.
NAMED: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCounts:
    """Groups of two or more near-duplicates, and the pictures in them.

    `conflicts` have pictures of different classes, `leaks` pictures in different splits (none apart); the first 50 of
    either are named by their ids.
    """

    groups: int
    pictures: int
    conflicts: int
    leaks: int
    conflicting: tuple[int, ...]
    leaking: tuple[int, ...]


class GroupTally:
    """What `GroupCounts` tells, kept up by what changes.

    `stamp` names the grouping it was counted by: once a picture has joined a group since, it says nothing any more.
    """

    __slots__ = ("conflicting", "counts", "leaking", "stamp")

    def __init__(self, stamp: str, counts: GroupCounts | None = None) -> None:
        self.stamp = stamp
        known = counts or GroupCounts(groups=0, pictures=0, conflicts=0, leaks=0, conflicting=(), leaking=())
        self.counts = [known.groups, known.pictures, known.conflicts, known.leaks]
        self.conflicting = _listed(known.conflicting, known.conflicts)
        self.leaking = _listed(known.leaking, known.leaks)

    def change(
        self,
        group_id: int,
        before: Sequence[tuple[int, Split]],
        after: Sequence[tuple[int, Split]],
    ) -> None:
        """The members of a group had these classes and splits, and have those."""
        was, now = _state(before), _state(after)
        self.counts = [count - old + new for count, old, new in zip(self.counts, was, now, strict=True)]
        for listed, old, new in ((self.conflicting, was[2], now[2]), (self.leaking, was[3], now[3])):
            if new and not old:
                listed.add(group_id, group_id)
            if old and not new:
                listed.remove(group_id, group_id)

    def told(self) -> GroupCounts:
        """What was counted."""
        groups, pictures, conflicts, leaks = self.counts
        return GroupCounts(
            groups=groups,
            pictures=pictures,
            conflicts=conflicts,
            leaks=leaks,
            conflicting=tuple(group_id for group_id, _ in self.conflicting.first(NAMED)),
            leaking=tuple(group_id for group_id, _ in self.leaking.first(NAMED)),
        )

    def document(self) -> dict[str, Any]:
        """As JSON."""
        lists = {
            name: {"kept": listed.kept, "bound": listed.bound}
            for name, listed in (("conflicting", self.conflicting), ("leaking", self.leaking))
        }
        return {"stamp": self.stamp, "counts": self.counts, **lists}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> GroupTally:
        """What `document` gave."""
        tally = cls(document["stamp"])
        tally.counts = list(document["counts"])
        tally.conflicting = Extremes(1, **document["conflicting"])
        tally.leaking = Extremes(1, **document["leaking"])
        return tally


def _listed(group_ids: Sequence[int], count: int) -> Extremes:
    """The first groups of so many, all that is known of them."""
    kept = [(group_id, group_id) for group_id in group_ids]
    # The others lie behind the last that is known.
    return Extremes(1, kept, (kept[-1][0], kept[-1][1] + 1) if len(kept) < count else None)


def _state(members: Sequence[tuple[int, Split]]) -> tuple[int, int, int, int]:
    """What a group adds to the counts: one alone is none."""
    if len(members) < 2:
        return 0, 0, 0, 0
    classes = {class_id for class_id, _ in members}
    splits = {split for _, split in members} - {Split.NONE}
    return 1, len(members), int(len(classes) > 1), int(len(splits) > 1)
