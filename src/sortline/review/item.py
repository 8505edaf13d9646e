"""A picture waiting for a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

from sortline.errors import SortlineError

# The reason of a picture that somebody sent without a class; those of pictures that a prediction set aside are the
# router's.
UPLOADED = "uploaded"
# open: waits, perhaps under a lease, perhaps for a second opinion. disputed: people disagree, a third decides. done:
# people have said what it is. unusable: they have said that it shows nothing to learn from. joined: its decision was
# undone while the same picture waited again, and it waits there. erased: the picture is gone for good.
State: TypeAlias = Literal["open", "disputed", "done", "unusable", "joined", "erased"]
WAITING: Final = frozenset({"open", "disputed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A picture set aside: what its review item is opened with. `bytes` is its stored size.

    One that no prediction set aside has a `prediction_id` of its own, and no class where nothing could guess one.
    """

    line_id: int
    image_sha256: str
    prediction_id: str
    reason: str
    class_name: str
    confidence: float
    ood_score: float
    source: str
    at: datetime
    width: int
    height: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewItem:
    """A picture in the queue: its first sighting, how often it was `seen`, and who holds it until when.

    `control` says that it was drawn by lot; `priority` is its place in the order, the greater the sooner (`order`).
    `crowd` counts those of its kind that waited before it, `skips` how often it was passed on. `cluster_id` names what
    looks like it: None until it was looked at, 0 where there is nothing to compare. It is decided once `needed`
    opinions agree, and has `opinions` so far; `class_id` is the label once it is done, `label_event` what gave it.
    """

    id: str
    line_id: int
    image_sha256: str
    prediction_id: str
    state: State
    reason: str
    class_name: str
    confidence: float
    ood_score: float
    source: str
    at: datetime
    width: int
    height: int
    bytes: int
    seen: int
    lease_until: datetime | None
    lease_by: str | None
    control: bool
    priority: float
    crowd: int
    skips: int
    cluster_id: int | None
    needed: int
    opinions: int
    deferred_until: datetime | None
    class_id: int | None
    label_event: str | None
    decided_at: datetime | None

    @property
    def waiting(self) -> bool:
        """Whether a person is still to decide."""
        return self.state in WAITING


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFilter:
    """Which items a list shows: those that meet everything given. Scores are `ood_score`, `until` is exclusive."""

    state: State = "open"
    reason: str | None = None
    class_name: str | None = None
    source: str | None = None
    cluster_id: int | None = None
    min_score: float | None = None
    max_score: float | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSettings:
    """How a line reviews.

    Of the items a share of `second_opinions` (0–1) is labelled by two people who do not see each other's answer; of the
    places in the queue a share of `control_share` (0–1) is for the control share.
    """

    second_opinions: float = 0.0
    control_share: float = 0.1


class UnknownItem(SortlineError):
    """The line has no such review item."""

    def __init__(self, item_id: str) -> None:
        self.item_id = item_id
        super().__init__(f"there is no review item {item_id[:40]} on this line; list those that wait")


class ItemHeld(SortlineError):
    """Somebody else is at work on the item."""

    def __init__(self, item_id: str, until: datetime | None) -> None:
        self.item_id, self.until = item_id, until
        when = "" if until is None else f" until {until:%H:%M:%S} UTC"
        super().__init__(f"somebody else has the review item {item_id}{when}; take the next one")


class AlreadyDecided(SortlineError):
    """The item does not wait any more."""

    def __init__(self, item_id: str, state: str) -> None:
        self.item_id, self.state = item_id, state
        super().__init__(f"the review item {item_id} is {state} already; undo its decision to decide anew")


class OpinionGiven(SortlineError):
    """The same person has said what the item is; it waits for another."""

    def __init__(self, item_id: str) -> None:
        self.item_id = item_id
        super().__init__(
            f"you have said what the review item {item_id} is; it waits for another person, or undo yours"
        )
