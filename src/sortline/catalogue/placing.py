"""Where a picture belongs: which split, which group of near-duplicates. Decided at first sight, and then it stays.

    board = Board(counts, members)      what the line has, as far as it matters for the pictures to come
    place = board.place(arrival)        one picture after another; the order is all that counts

The rules, first that holds:

1. A picture with a declared split keeps it, unless that is test and a bundle was trained on the picture.
2. A picture a bundle has in its memory takes the part it had there.
3. A near-duplicate takes the split of its group; between groups of different splits it is not used.
4. Any other is drawn by its hash among the splits its class is short of (docs/decisions/0007).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sortline.catalogue.entry import PlacingProblem, Split
from sortline.evaluation.compare import ENOUGH

# Shares a class is to have, in the order they are drawn from.
TARGETS = {Split.TRAIN: 0.7, Split.VALIDATION: 0.15, Split.TEST: 0.15}
# With fewer than `ENOUGH` test pictures nothing is said of a class, and no bundle that knows it goes live. So a young
# one gets them first: a quarter of its first twenty pictures, then none until these few are its share.
_YOUNG = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An entry the line has; `group_id` is None while it is alone."""

    id: int
    class_id: int | None
    split: Split
    group_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A picture to place; `near` are the entries before it that it is a near-duplicate of, in order.

    `trained` is the part of its data a registered bundle had it in.
    """

    id: int
    sha256: str
    class_id: int | None
    declared: Split | None
    trained: Split | None
    near: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a picture belongs; `why` says why its split is none."""

    split: Split
    why: str | None
    problems: tuple[PlacingProblem, ...]


class Board:
    """A line's groups and counts while pictures come, one by one.

    `counts` is how many pictures each class (None: unlabelled) has in each split; `members` every entry that an
    arrival may be near; `group_splits` the splits that occur in each of their groups.
    """

    def __init__(
        self,
        counts: Mapping[tuple[int | None, Split], int],
        members: Iterable[Member] = (),
        group_splits: Mapping[int, Iterable[Split]] | None = None,
    ) -> None:
        self._counts = defaultdict(int, counts)
        self._class_of: dict[int, int | None] = {}
        self._split_of: dict[int, Split] = {}
        # An entry alone is a group of its own id, which becomes the group's when another joins it.
        self._key_of: dict[int, int] = {}
        self._merged: dict[int, int] = {}
        self._splits = {group: set(splits) - {Split.NONE} for group, splits in (group_splits or {}).items()}
        self._grouped = set(self._splits)
        self._stored = set(self._splits)
        self._lone: set[int] = set()
        for member in members:
            self._meet(member)

    def place(self, arrival: Arrival) -> Place:
        """Where the picture belongs, from now on."""
        usable = [entry for entry in arrival.near if self._split_of[entry] is not Split.NONE]
        groups = sorted({self.key(entry) for entry in usable})
        splits = set[Split]().union(*(self._splits[group] for group in groups))
        split, why, problem = _decide(arrival, splits)
        if split is None:
            split = self._draw(arrival)
        problems = [found for found in (problem, self._conflict(arrival)) if found is not None]
        self._settle(arrival, split, groups)
        return Place(split=split, why=why, problems=tuple(problems))

    def relabel(self, entry: int, split: Split, before: int | None, after: int | None) -> None:
        """An entry has another label; it stays in its split."""
        self._counts[before, split] -= 1
        self._counts[after, split] += 1
        if entry in self._class_of:
            self._class_of[entry] = after

    def kind(self, entry: int) -> tuple[int, int | None, bool]:
        """What makes an entry count like another as a neighbour: its group, its label, whether it is used."""
        return self.key(entry), self._class_of[entry], self._split_of[entry] is not Split.NONE

    def key(self, entry: int) -> int:
        """The group of an entry, its own id while it is alone."""
        key = self._key_of[entry]
        while key in self._merged:
            key = self._merged[key]
        return key

    def group_of(self, entry: int) -> int | None:
        """The group of an entry, None while it is alone."""
        key = self.key(entry)
        return key if key in self._grouped else None

    def joined(self) -> dict[int, int]:
        """Members that were alone and are in a group now, by id."""
        return {entry: group for entry in sorted(self._lone) if (group := self.group_of(entry)) is not None}

    def merged(self) -> dict[int, int]:
        """Groups that became part of another: its id by theirs."""
        return {group: self.key_of_group(group) for group in sorted(self._stored & set(self._merged))}

    def key_of_group(self, group: int) -> int:
        """The group that a group is part of now, perhaps itself."""
        while group in self._merged:
            group = self._merged[group]
        return group

    def _meet(self, member: Member) -> None:
        self._class_of[member.id], self._split_of[member.id] = member.class_id, member.split
        self._key_of[member.id] = member.id if member.group_id is None else member.group_id
        if member.group_id is None and member.split is not Split.NONE:
            self._lone.add(member.id)
            self._splits[member.id] = {member.split}

    def _settle(self, arrival: Arrival, split: Split, groups: list[int]) -> None:
        self._class_of[arrival.id], self._split_of[arrival.id] = arrival.class_id, split
        self._key_of[arrival.id] = arrival.id
        self._counts[arrival.class_id, split] += 1
        if split is Split.NONE:
            return
        # Ids rise, so the first is the smallest: it names the group.
        first, *rest = [*groups, arrival.id]
        self._splits.setdefault(first, set()).add(split)
        for group in rest:
            self._merged[group] = first
            self._splits[first] |= self._splits.pop(group, set())
            self._grouped.add(first)

    def _draw(self, arrival: Arrival) -> Split:
        """Drawn by the picture's hash, in proportion to what its class is short of."""
        having = {split: self._counts[arrival.class_id, split] for split in TARGETS}
        after = sum(having.values()) + 1
        wanted = {split: share * after for split, share in TARGETS.items()}
        wanted[Split.TEST] = max(wanted[Split.TEST], min(ENOUGH, _YOUNG * after))
        short = {split: max(0.0, wanted[split] - having[split]) for split in TARGETS}
        point = _uniform(arrival.sha256) * sum(short.values())
        for split, lack in short.items():
            if point < lack:
                return split
            point -= lack
        # Rounding may leave a crumb behind the last.
        return max(short, key=lambda split: short[split])

    def _conflict(self, arrival: Arrival) -> PlacingProblem | None:
        if arrival.class_id is None:
            return None
        for entry in arrival.near:
            other = self._class_of[entry]
            if other is not None and other != arrival.class_id:
                detail = "A near-duplicate of this picture has another label; look which is right."
                return PlacingProblem(
                    code="near-duplicate-label-conflict", detail=detail, other=entry, class_id=other
                )
        return None


def _decide(arrival: Arrival, splits: set[Split]) -> tuple[Split | None, str | None, PlacingProblem | None]:
    """Its split (None: to be drawn), why it has none, and what to report; `splits` are those of its near groups."""
    other = next(iter(arrival.near), None)
    declared, trained = arrival.declared, arrival.trained
    if declared is Split.NONE:
        return Split.NONE, "declared", None
    if declared is not None:
        if declared is Split.TEST and trained in {Split.TRAIN, Split.VALIDATION}:
            return (
                Split.NONE,
                "trained",
                _trained("It was declared test, but a bundle was trained on it; it is not used."),
            )
        leak = None
        if splits - {declared}:
            others = _words(splits - {declared})
            detail = f"It was declared {_word(declared)}, but near-duplicates of it are in {others}."
            leak = PlacingProblem(code="leak", detail=detail, other=other)
        return declared, None, leak
    if len(splits) > 1:
        detail = f"It is a near-duplicate of pictures in {_words(splits)}; it is not used."
        return Split.NONE, "bridge", PlacingProblem(code="bridge", detail=detail, other=other)
    if splits and trained is not None and trained not in splits:
        others = _words(splits)
        detail = (
            f"A bundle had it in {_word(trained)}, but near-duplicates of it are in {others}; it is not used."
        )
        return Split.NONE, "trained", _trained(detail)
    return next(iter(splits), trained), None, None


def _trained(detail: str) -> PlacingProblem:
    return PlacingProblem(code="trained", detail=detail)


def _words(splits: Iterable[Split]) -> str:
    return " and ".join(_word(split) for split in sorted(splits))


def _word(split: Split) -> str:
    return split.name.lower()


def _uniform(sha256: str) -> float:
    """A number in [0, 1) that belongs to the picture, whatever else its hash is used for."""
    digest = hashlib.blake2b(bytes.fromhex(sha256), digest_size=7, person=b"sortline split").digest()
    # 53 bits: what a float holds exactly.
    return (int.from_bytes(digest, "big") >> 3) / (1 << 53)
