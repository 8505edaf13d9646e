"""What became of an item: everything about it follows from its decisions, of which none is ever changed or deleted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

from sortline.engine.routing import lot
from sortline.errors import SortlineError
from sortline.review.item import State

Action: TypeAlias = Literal["label", "unusable", "skip", "defer", "correct", "undo"]
OPINIONS: Final = frozenset({"label", "unusable"})
# What stands for "unusable" among votes; ids of classes begin at 1.
UNUSABLE: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one person decided about one item, or, without an item, about an accepted prediction; ids rise with time.

    `class_id` goes with `label` and `correct`, `until` with `defer`, `undoes` (a decision's id) with `undo`. `undone`
    says whether it holds no longer. `predicted` is what the answer was that a `correct` corrects, `label_event` the
    label it gave the picture, if it brought one. `ms` is how long the person took, `key` what the client called it.
    """

    id: str
    line_id: int
    item_id: str | None
    who: str
    at: datetime
    action: Action
    prediction_id: str | None = None
    class_id: int | None = None
    predicted: str | None = None
    until: datetime | None = None
    undoes: str | None = None
    undone: bool = False
    ms: int | None = None
    key: str | None = None
    label_event: str | None = None

    @property
    def vote(self) -> int:
        """What an opinion says the item is: a class's id, or `UNUSABLE`."""
        return UNUSABLE if self.class_id is None else self.class_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Where an item stands: its state, its label once it is done, who gave an opinion, oldest first, and the rest."""

    state: State
    class_id: int | None
    voters: tuple[str, ...]
    skips: int
    deferred_until: datetime | None


def outcome(decisions: Sequence[Decision], needed: int) -> Outcome:
    """Where an item stands after its decisions, oldest first, if `needed` opinions must agree.

    One opinion decides where one is needed. Where two are and they differ, the item is disputed: not labelled, until a
    third person, or more, makes one answer the most common one.
    """
    holding = effective(decisions)
    opinions = [one for one in holding if one.action in OPINIONS]
    state, class_id = _decided([one.vote for one in opinions], needed)
    deferred = [one.until for one in holding if one.action == "defer"]
    return Outcome(
        state=state,
        class_id=class_id,
        voters=tuple(one.who for one in opinions),
        skips=sum(one.action == "skip" for one in holding),
        deferred_until=deferred[-1] if deferred else None,
    )


def effective(decisions: Sequence[Decision]) -> list[Decision]:
    """The decisions that hold, of all of them, oldest first: neither undone nor undos. Undoing an undo redoes."""
    gone = undone(decisions)
    return [one for one in decisions if one.id not in gone and one.action != "undo"]


def undone(decisions: Sequence[Decision]) -> set[str]:
    """Ids of the decisions, undos among them, that hold no longer, of all of an item's, oldest first."""
    gone: set[str] = set()
    # From the newest: whether an undo holds is known before what it undoes is looked at.
    for one in reversed(decisions):
        if one.undoes is not None and one.id not in gone:
            gone.add(one.undoes)
    return gone


def opinions_needed(item_id: str, share: float) -> int:
    """How many opinions an item needs where a share of items gets two: by lot, so that nobody can tell which."""
    return 2 if lot("second " + item_id) < share else 1


def _decided(votes: Sequence[int], needed: int) -> tuple[State, int | None]:
    if len(votes) < needed:
        return "open", None
    (winner, most), *others = Counter(votes).most_common(2)
    if most < needed or (others and others[0][1] == most):
        return "disputed", None
    return ("unusable", None) if winner == UNUSABLE else ("done", winner)


class UnknownDecision(SortlineError):
    """The line has no such decision."""

    def __init__(self, decision_id: str) -> None:
        self.decision_id = decision_id
        super().__init__(f"there is no decision {decision_id[:40]} on this line")


class NothingToUndo(SortlineError):
    """The person has decided nothing on the line that still holds."""

    def __init__(self, who: str) -> None:
        self.who = who
        super().__init__(f"{who} has decided nothing here that could be undone")


class AlreadyUndone(SortlineError):
    """The decision does not hold any more."""

    def __init__(self, decision_id: str) -> None:
        self.decision_id = decision_id
        super().__init__(f"the decision {decision_id} is undone already; undo the undo to have it back")
