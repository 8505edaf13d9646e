"""Where pictures belong: rules that hold whatever comes in whatever order."""

from __future__ import annotations

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from sortline.catalogue.entry import Split
from sortline.catalogue.placing import TARGETS, Arrival, Board, Member, Place
from sortline.evaluation.compare import ENOUGH

PARTS = (Split.TRAIN, Split.VALIDATION, Split.TEST)


def sha(number: int) -> str:
    """A picture's hash."""
    return hashlib.sha256(b"%d" % number).hexdigest()


def arrival(
    number: int,
    *near: int,
    class_id: int | None = 1,
    declared: Split | None = None,
    trained: Split | None = None,
) -> Arrival:
    """The picture with this id, a near-duplicate of earlier ones."""
    return Arrival(
        id=number, sha256=sha(number), class_id=class_id, declared=declared, trained=trained, near=near
    )


@dataclass(slots=True)
class Row:
    """What a catalogue keeps of a placed picture."""

    class_id: int | None
    split: Split
    group: int | None
    why: str | None
    declared: bool


def play(arrivals: Sequence[Arrival], chunk: int = 1_000_000) -> dict[int, Row]:
    """What a catalogue has after all of them came, so many at a time."""
    rows: dict[int, Row] = {}
    for start in range(0, len(arrivals), chunk):
        counts = Counter((row.class_id, row.split) for row in rows.values())
        splits: dict[int, set[Split]] = defaultdict(set)
        for row in rows.values():
            if row.group is not None:
                splits[row.group].add(row.split)
        members = [
            Member(id=number, class_id=row.class_id, split=row.split, group_id=row.group)
            for number, row in rows.items()
        ]
        board = Board(counts, members, splits)
        part = arrivals[start : start + chunk]
        places: list[Place] = [board.place(one) for one in part]
        for group, into in board.merged().items():
            for row in rows.values():
                row.group = into if row.group == group else row.group
        for number, group in board.joined().items():
            rows[number].group = group
        for one, place in zip(part, places, strict=True):
            kept = one.declared is not None and place.split is one.declared
            rows[one.id] = Row(one.class_id, place.split, board.group_of(one.id), place.why, kept)
    return rows


@st.composite
def histories(draw: st.DrawFn, *, declare: bool) -> list[Arrival]:
    """Pictures in the order of their ids, near any earlier ones, some declared, some trained on."""
    parts = st.sampled_from((None, None, None, None, *PARTS))
    found: list[Arrival] = []
    for number in range(1, draw(st.integers(1, 30)) + 1):
        near = draw(st.sets(st.integers(1, number - 1), max_size=3)) if number > 1 else set()
        found.append(
            arrival(
                number,
                *sorted(near),
                class_id=draw(st.sampled_from((None, 1, 2))),
                declared=draw(parts) if declare else None,
                trained=draw(parts),
            )
        )
    return found


@settings(max_examples=300, deadline=None)
@given(histories(declare=False))
def test_no_group_is_ever_in_two_splits(history: list[Arrival]) -> None:
    """Near-duplicates that are used share a group and a split, from first to last; what bridges is not used."""
    for length in range(1, len(history) + 1):
        rows = play(history[:length])
        for one in history[:length]:
            row = rows[one.id]
            for other in one.near:
                if Split.NONE not in (row.split, rows[other].split):
                    assert (rows[other].split, rows[other].group) == (row.split, row.group)
        by_group = defaultdict(set)
        for row in rows.values():
            if row.group is not None:
                by_group[row.group].add(row.split)
        assert all(len(splits) == 1 and Split.NONE not in splits for splits in by_group.values())


@settings(max_examples=200, deadline=None)
@given(histories(declare=True), st.integers(1, 7))
def test_it_is_the_same_in_one_chunk_or_many(history: list[Arrival], chunk: int) -> None:
    """Only the order counts."""
    assert play(history, chunk) == play(history)


@settings(max_examples=200, deadline=None)
@given(histories(declare=True))
def test_a_picture_never_moves(history: list[Arrival]) -> None:
    """Its split is what it was when it came, whatever comes after it."""
    whole = play(history)
    for length in range(1, len(history)):
        for number, row in play(history[:length]).items():
            assert whole[number].split is row.split


@settings(max_examples=200, deadline=None)
@given(histories(declare=True))
def test_a_group_has_the_smallest_id_of_its_pictures(history: list[Arrival]) -> None:
    """And a picture alone has none."""
    members = defaultdict(list)
    for number, row in play(history).items():
        if row.group is not None:
            members[row.group].append(number)
    assert all(group == min(found) and len(found) > 1 for group, found in members.items())


@settings(max_examples=200, deadline=None)
@given(histories(declare=True))
def test_what_a_bundle_was_trained_on_never_enters_test(history: list[Arrival]) -> None:
    """Neither by its group nor by what it is declared to be."""
    rows = play(history)
    for one in history:
        if one.trained in (Split.TRAIN, Split.VALIDATION):
            assert rows[one.id].split is not Split.TEST


@settings(max_examples=200, deadline=None)
@given(histories(declare=True))
def test_a_declared_split_is_kept_and_what_leaks_is_one_group(history: list[Arrival]) -> None:
    """Whoever looks at groups finds every near-duplicate in another split."""
    rows = play(history)
    for one in history:
        row = rows[one.id]
        if one.declared is not None and not (one.declared is Split.TEST and one.trained in PARTS[:2]):
            assert row.split is one.declared
        for other in one.near:
            if Split.NONE not in (row.split, rows[other].split):
                assert row.group == rows[other].group


def test_a_leak_is_reported_when_it_comes() -> None:
    """The picture that brings it says of which other."""
    board = Board({})
    board.place(arrival(1, declared=Split.TRAIN))
    place = board.place(arrival(2, 1, declared=Split.TEST))
    assert place.split is Split.TEST
    assert [(problem.code, problem.other) for problem in place.problems] == [("leak", 1)]
    # A third that is near either would be in one split with one of them and not with the other.
    assert board.place(arrival(3, 2)).why == "bridge"


def test_a_bridge_is_not_used_and_does_not_join_what_it_lies_between() -> None:
    """Later neighbours of the bridge alone are free."""
    board = Board({})
    board.place(arrival(1, declared=Split.TRAIN))
    board.place(arrival(2, declared=Split.TEST))
    bridge = board.place(arrival(3, 1, 2))
    assert (bridge.split, bridge.why, [problem.code for problem in bridge.problems]) == (
        Split.NONE,
        "bridge",
        ["bridge"],
    )
    assert board.place(arrival(4, 3)).split is not Split.NONE
    assert [board.group_of(number) for number in (1, 2, 3, 4)] == [None] * 4


def test_what_was_trained_on_takes_its_part_and_not_a_test_group() -> None:
    """A near-duplicate of a test picture that a bundle was trained on is not used."""
    board = Board({})
    assert board.place(arrival(1, trained=Split.VALIDATION)).split is Split.VALIDATION
    assert board.place(arrival(2, trained=Split.TEST)).split is Split.TEST
    refused = board.place(arrival(3, 2, trained=Split.TRAIN))
    assert (refused.split, refused.why) == (Split.NONE, "trained")
    declared = board.place(arrival(4, declared=Split.TEST, trained=Split.TRAIN))
    assert (declared.split, declared.why, declared.problems[0].code) == (Split.NONE, "trained", "trained")


def test_near_duplicates_with_different_labels_are_reported_and_share_their_split() -> None:
    """The report names the other and its label."""
    board = Board({})
    first = board.place(arrival(1, class_id=1))
    second = board.place(arrival(2, 1, class_id=2))
    assert second.split is first.split
    assert [(p.code, p.other, p.class_id) for p in second.problems] == [
        ("near-duplicate-label-conflict", 1, 1)
    ]


def test_every_class_has_its_shares_from_a_hundred_pictures_on() -> None:
    """70, 15 and 15 %, within two points, though up to half of the pictures come as pairs, in any order."""
    for seed in range(40):
        chance = random.Random(seed)
        size = chance.randint(100, 400)
        pairs = chance.randint(0, size // 4)
        # Pictures of a pair have the same number; the others are alone.
        items = [number for number in range(pairs) for _ in (0, 1)] + list(range(pairs, size - pairs))
        chance.shuffle(items)
        first: dict[int, int] = {}
        board, counts = Board({}), Counter[Split]()
        for number, item in enumerate(items, start=1 + seed * 1000):
            near = (first[item],) if item in first else ()
            counts[board.place(arrival(number, *near)).split] += 1
            first.setdefault(item, number)
        for split, target in TARGETS.items():
            assert abs(counts[split] / size - target) <= 0.02, (seed, size, pairs, counts)


def test_a_young_class_has_the_test_pictures_that_its_first_candidate_is_judged_by() -> None:
    """With 28 labels at the latest, however they fall; and from then on no more than its share."""
    for seed in range(40):
        board, counts = Board({}), Counter[Split]()
        for number in range(1, 41):
            counts[board.place(arrival(number + seed * 1000)).split] += 1
            if number == 28:
                assert counts[Split.TEST] >= ENOUGH, (seed, counts)
                assert counts[Split.VALIDATION] >= 3, (seed, counts)
        assert counts[Split.TEST] <= TARGETS[Split.TEST] * 40 + 1, (seed, counts)
