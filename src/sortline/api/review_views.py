"""How review items and decisions read."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from sortline.api.answers import timestamp
from sortline.api.errors import TYPE, describe
from sortline.api.image_views import Naming
from sortline.api.parameters import ClassName, moment
from sortline.errors import SortlineError
from sortline.flows.review import Answers, Ask
from sortline.flows.review_queue import Kind, Similar
from sortline.flows.review_undo import NotUndone, Undone
from sortline.review.item import ReviewItem, State
from sortline.review.lease import LONGEST_S, MOST, SECONDS

ItemId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
ItemState = Literal["open", "disputed", "done", "unusable"]
Reason = Literal["unreadable", "unknown", "watched", "ambiguous", "sampled", "uploaded"]
Seconds = Annotated[int, Field(ge=1, le=LONGEST_S, description="How long the lease is to last from now on.")]


class ItemView(BaseModel):
    """A picture that waits for a person, or waited."""

    id: str
    sha256: str
    state: State = Field(
        description="open, disputed (people disagree), done, unusable; joined: undone while the same picture waited "
        "again, see that item; erased."
    )
    reason: str = Field(description="Why it was set aside; uploaded: it was sent without a class.")
    class_: str | None = Field(alias="class", description="What the model took it for; null where none did.")
    confidence: float
    ood_score: float
    priority: float = Field(description="Its place in the queue: the greater, the sooner.")
    source: str
    at: str = Field(description="When it was first seen.")
    width: int
    height: int
    bytes: int
    seen: int = Field(description="How often the same picture came.")
    lease_by: str | None
    lease_until: str | None
    label: str | None = Field(description="What people say it is; null until it is done.")
    cluster: int | None = Field(description="Names what looks like it; null until that was looked for.")
    control: bool = Field(description="Whether it was drawn by lot, for the estimates.")
    thumbnail: str
    file: str


class SimilarView(ItemView):
    """A picture that looks like another."""

    similarity: float = Field(description="Cosine of the two embeddings, 1 for the same.")


class ItemPage(BaseModel):
    """Review items, newest first, and the cursor of the next page."""

    items: list[ItemView]
    next: str | None


class SimilarList(BaseModel):
    """What looks like a picture, the most alike first."""

    items: list[SimilarView]


class Lease(BaseModel):
    """How many items to take, of which kind, for how long."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=20, ge=1, le=MOST)
    reason: Reason | None = None
    class_: ClassName | None = Field(default=None, alias="class", description="What the model took it for.")
    cluster: int | None = Field(default=None, ge=1, le=2**31 - 1)
    seconds: Seconds = SECONDS


class LeasedView(BaseModel):
    """Items that are the caller's until then; what the caller held already comes first."""

    items: list[ItemView]
    until: str
    waiting: int = Field(description="How many wait in all; beyond 10,000 nobody counts.")


class Renewal(BaseModel):
    """The leases to renew."""

    model_config = ConfigDict(extra="forbid")

    items: list[ItemId] = Field(max_length=500)
    seconds: Seconds = SECONDS


class Release(BaseModel):
    """The leases to give back."""

    model_config = ConfigDict(extra="forbid")

    items: list[ItemId] = Field(max_length=500)


class ItemIds(BaseModel):
    """The items it worked for."""

    items: list[str]


class NewDecision(BaseModel):
    """What to decide about an item."""

    model_config = ConfigDict(extra="forbid")

    item: ItemId
    action: Literal["label", "unusable", "skip", "defer"]
    class_: ClassName | None = Field(default=None, alias="class", description="Its class, for a label.")
    new_class: bool = Field(default=False, description="Make the class if there is none.")
    until: datetime | None = Field(
        default=None, description="When a deferred item comes back; else in a day."
    )
    ms: int | None = Field(default=None, ge=0, le=86_400_000, description="How long the person took, ms.")
    key: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_.:-]{1,64}$",
        description="The client's own name of the decision: sent again, it is decided once.",
    )


class NewDecisions(BaseModel):
    """What to decide, in this order."""

    model_config = ConfigDict(extra="forbid")

    decisions: list[NewDecision] = Field(max_length=500)


class DecidedView(BaseModel):
    """What became of an item."""

    item: str
    decision: str = Field(description="Names the decision, to undo it.")
    state: State
    label: str | None


class RefusalView(BaseModel):
    """An item, or a decision, that stays as it was, and why; types are those of problem documents."""

    item: str
    type: str
    detail: str


class DecidedList(BaseModel):
    """What was decided and what was not, each in the order sent."""

    decided: list[DecidedView]
    refused: list[RefusalView]


class NewUndo(BaseModel):
    """What to undo."""

    model_config = ConfigDict(extra="forbid")

    decisions: list[ItemId] = Field(
        default=[], max_length=500, description="Default: the caller's newest decision that holds."
    )


class UndoneView(BaseModel):
    """What was undone: `item` waits now, where it does; null for a corrected prediction."""

    item: str | None
    decision: str = Field(description="Names the undo, to redo it.")
    state: State | None


class UndoneList(BaseModel):
    """What was undone, and which decisions stand (as `item`), and why."""

    undone: list[UndoneView]
    refused: list[RefusalView]


class ClusterView(BaseModel):
    """Waiting pictures that look alike."""

    id: int
    size: int
    growing: float = Field(description="How many came a day in the last week, of those that wait.")
    newest: str
    examples: list[ItemView]


class ClusterList(BaseModel):
    """Kinds of things that wait, the most numerous first."""

    clusters: list[ClusterView]


class ReviewSettingsView(BaseModel):
    """How the line reviews."""

    model_config = ConfigDict(extra="forbid")

    second_opinions: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of items, by lot, that two people label without seeing each other's answer.",
    )
    control_share: float = Field(
        default=0.1, ge=0, le=1, description="Share of the places in the queue for pictures drawn by lot."
    )


def item_view(names: Naming, item: ReviewItem) -> ItemView:
    """The view of one item."""
    return ItemView.model_validate(_members(names, item))


def item_views(names: Naming, items: Sequence[ReviewItem]) -> list[ItemView]:
    """The views of items."""
    return [item_view(names, item) for item in items]


def similar_views(names: Naming, found: Sequence[Similar]) -> list[SimilarView]:
    """The views of what looks like a picture."""
    return [
        SimilarView.model_validate(_members(names, one.item) | {"similarity": round(one.similarity, 4)})
        for one in found
    ]


def cluster_view(names: Naming, kind: Kind) -> ClusterView:
    """The view of a kind of things."""
    return ClusterView(
        id=kind.id,
        size=kind.size,
        growing=round(kind.growing, 3),
        newest=timestamp(kind.newest),
        examples=item_views(names, kind.examples),
    )


def asks(given: Sequence[NewDecision]) -> list[Ask]:
    """What a client wants decided."""
    return [
        Ask(
            item=one.item,
            action=one.action,
            class_name=one.class_,
            new_class=one.new_class,
            until=moment("until", one.until),
            ms=one.ms,
            key=one.key,
        )
        for one in given
    ]


def decided_list(answers: Answers) -> DecidedList:
    """What was decided and what was not."""
    return DecidedList(
        decided=[
            DecidedView(item=one.item, decision=one.decision, state=one.state, label=one.label)
            for one in answers.decided
        ],
        refused=[_refusal(one.item, one.error) for one in answers.refused],
    )


def undone_list(done: Sequence[Undone], left: Sequence[NotUndone]) -> UndoneList:
    """What was undone and what was not."""
    return UndoneList(
        undone=[UndoneView(item=one.item, decision=one.decision, state=one.state) for one in done],
        refused=[_refusal(one.decision, one.error) for one in left],
    )


def _members(names: Naming, item: ReviewItem) -> dict[str, object]:
    base = f"/api/v1/lines/{names.line}/review/{item.id}"
    return {
        "id": item.id,
        "sha256": item.image_sha256,
        "state": item.state,
        "reason": item.reason,
        "class": item.class_name or None,
        "confidence": item.confidence,
        "ood_score": item.ood_score,
        "priority": item.priority,
        "source": item.source,
        "at": timestamp(item.at),
        "width": item.width,
        "height": item.height,
        "bytes": item.bytes,
        "seen": item.seen,
        "lease_by": item.lease_by,
        "lease_until": None if item.lease_until is None else timestamp(item.lease_until),
        # Blind: what the first of two people said is nobody's business until both have.
        "label": names.of(item.class_id) if item.state == "done" else None,
        "cluster": item.cluster_id or None,
        "control": item.control,
        "thumbnail": f"{base}/thumbnail",
        "file": f"{base}/file",
    }


def _refusal(item: str, error: SortlineError) -> RefusalView:
    return RefusalView(item=item, type=TYPE + describe(error)[1], detail=str(error))
