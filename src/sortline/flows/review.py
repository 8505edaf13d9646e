"""The review loop: what people decide about items, and how that is undone.

    lease_next (review_queue) ──▶ a person looks ──▶ decide ──▶ outcome (review) ──▶ label, staged (review_labels)
                                                       ▲                               │
                                                       └──────────── undo ◀────────────┘

A decision is an event. An item's state and label follow from its events; a label in the catalogue follows from the
item's. Locks are taken in one order: the line's classes, the catalogue, the items.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

from sortline.catalogue.image import ImageRecord
from sortline.catalogue.store.clock import lock_catalogue
from sortline.catalogue.store.records import get_records
from sortline.db.ids import new_id
from sortline.db.session import Session, pipelined, reading, writing
from sortline.errors import SortlineError
from sortline.flows.ingest import Tools
from sortline.flows.labels import resolve_labels
from sortline.flows.pictures import ErasedPicture
from sortline.flows.review_changes import Change, gone, write_changes
from sortline.flows.review_labels import Given, fingerprinted, give_labels
from sortline.flows.upload import class_to_give
from sortline.lines.classes import class_ids, current_classes, list_classes
from sortline.review.item import AlreadyDecided, OpinionGiven, ReviewItem, ReviewSettings, State, UnknownItem
from sortline.review.lease import check_free
from sortline.review.outcome import OPINIONS, Decision, opinions_needed, outcome
from sortline.review.store import decisions, items, tallies
from sortline.review.store.settings import get_settings

MOST = 500
# Without a moment given, a deferred item comes back so much later.
DEFERRED = timedelta(days=1)

_Ready: TypeAlias = Mapping[str, ImageRecord | SortlineError]
Deciding: TypeAlias = Literal["label", "unusable", "skip", "defer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What somebody wants decided about an item.

    `class_name` goes with `label`, `new_class` makes it where the line has none of the name. `until` goes with `defer`.
    `ms` is how long the person took; asked again under the same `key`, it is decided once.
    """

    item: str
    action: Deciding
    class_name: str | None = None
    new_class: bool = False
    until: datetime | None = None
    ms: int | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What became of an item: the decision, the item's state, and its label, once it has one."""

    item: str
    decision: str
    state: State
    label: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """An item about which nothing was decided, and why."""

    item: str
    error: SortlineError


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What was decided and what was not, each in the order asked."""

    decided: tuple[Decided, ...]
    refused: tuple[Refused, ...]


def decide(
    tools: Tools,
    line_id: int,
    asks: Sequence[Ask],
    *,
    who: str,
    beside: Callable[[Session], None] | None = None,
) -> Answers:
    """Up to 500 decisions of one person, on the disk; one that cannot be taken does not keep the others from it.

    What is written `beside` them is in the same transaction.
    """
    ready = _ready(tools, line_id, asks)
    with writing(tools.engine) as session:
        if beside is not None:
            beside(session)
        turn = _Turn(session, tools, line_id, who, asks, ready)
        for ask in asks:
            turn.take(ask)
        return turn.end()


@dataclass(slots=True)
class _Standing:
    """An item while its decisions are taken: as it was, everything decided about it, and what is new of that."""

    item: ReviewItem
    decisions: list[Decision]
    needed: int
    fresh: list[Decision] = field(default_factory=list)


class _Turn:
    """One call's decisions: everything is locked and read, then decided one by one, then written."""

    def __init__(
        self,
        session: Session,
        tools: Tools,
        line_id: int,
        who: str,
        asks: Sequence[Ask],
        ready: _Ready,
    ) -> None:
        self._session, self._tools, self._line_id, self._who = session, tools, line_id, who
        self._ready = ready
        self._classes = _Classes(session, line_id, who, asks)
        if any(ask.action == "label" for ask in asks):
            lock_catalogue(session)
        locked = items.lock_items(session, line_id, {ask.item for ask in asks})
        made, self._keys = decisions.known(
            session, line_id, locked, who=who, keys=[ask.key for ask in asks if ask.key is not None]
        )
        self._standing = {
            one.id: _Standing(item=one, decisions=made[one.id], needed=one.needed) for one in locked.values()
        }
        self._settings: ReviewSettings = get_settings(session, line_id)
        self._now = datetime.now(UTC)
        self._answered: list[tuple[str, str]] = []
        self._refused: list[Refused] = []

    def take(self, ask: Ask) -> None:
        """The next decision is taken, or refused."""
        try:
            self._answered.append((ask.item, self._take(ask).id))
        except SortlineError as error:
            self._refused.append(Refused(item=ask.item, error=error))

    def end(self) -> Answers:
        """All of it is written."""
        session = self._session
        changes = [
            Change(item=one.item, decisions=one.decisions, needed=one.needed, lease=False)
            for one in self._standing.values()
            if one.fresh
        ]
        fresh = [made for one in self._standing.values() for made in one.fresh]
        labels = self._label(changes)
        with pipelined(session):
            decisions.append(session, sorted(fresh, key=lambda made: made.id))
            write_changes(session, changes, labels, self._now)
            tallies.gone(session, gone(changes))
        return Answers(decided=self._decided(), refused=tuple(self._refused))

    def _label(self, changes: Sequence[Change]) -> dict[str, str | None]:
        """The events by which the pictures that are decided have their labels, by picture."""
        labels = [
            Given(sha256=one.item.image_sha256, class_id=one.label, source=one.item.source)
            for one in changes
            if one.label is not None
        ]
        if not labels:
            return {}
        records = {sha: one for sha, one in self._ready.items() if isinstance(one, ImageRecord)}
        return give_labels(
            self._session, self._tools, self._line_id, labels, records, origin="review", who=self._who
        )

    def _take(self, ask: Ask) -> Decision:
        if ask.key is not None and ask.key in self._keys:
            return self._keys[ask.key]
        standing = self._standing.get(ask.item)
        if standing is None:
            raise UnknownItem(ask.item)
        self._check(standing)
        if ask.action == "label" and isinstance(
            trouble := self._ready.get(standing.item.image_sha256), SortlineError
        ):
            raise trouble
        made = Decision(
            id=new_id(),
            line_id=self._line_id,
            item_id=ask.item,
            who=self._who,
            at=self._now,
            action=ask.action,
            class_id=self._classes.of(ask) if ask.action == "label" else None,
            until=(ask.until or self._now + DEFERRED) if ask.action == "defer" else None,
            ms=ask.ms,
            key=ask.key,
        )
        self._add(standing, made)
        return made

    def _check(self, standing: _Standing) -> None:
        now = outcome(standing.decisions, standing.needed)
        item = standing.item
        if item.state == "erased":
            raise ErasedPicture(item.image_sha256)
        # `joined` is no outcome of decisions.
        if not item.waiting or now.state not in ("open", "disputed"):
            raise AlreadyDecided(item.id, item.state if not item.waiting else now.state)
        check_free(item, self._who, self._now)
        if self._who in now.voters:
            raise OpinionGiven(item.id)

    def _add(self, standing: _Standing, made: Decision) -> None:
        before = outcome(standing.decisions, standing.needed)
        if made.action in OPINIONS and not before.voters:
            standing.needed = opinions_needed(standing.item.id, self._settings.second_opinions)
        standing.decisions.append(made)
        standing.fresh.append(made)
        if made.key is not None:
            self._keys[made.key] = made

    def _decided(self) -> tuple[Decided, ...]:
        missing = {item for item, _ in self._answered} - set(self._standing)
        known = {one.item.id: (one.decisions, one.needed) for one in self._standing.values()}
        if missing:  # a key that was used for another item
            more = items.get_items(self._session, self._line_id, missing)
            made = decisions.of_items(self._session, more)
            known |= {one.id: (made[one.id], one.needed) for one in more.values()}
        found = []
        for item, decision in self._answered:
            now = outcome(*known.get(item, ([], 1)))
            label = None if now.class_id is None else self._classes.name_of(now.class_id)
            found.append(Decided(item=item, decision=decision, state=now.state, label=label))
        return tuple(found)


class _Classes:
    """The classes that a call's labels name, looked up once; what is to be new is made before anything is locked."""

    def __init__(self, session: Session, line_id: int, who: str, asks: Sequence[Ask]) -> None:
        self._session, self._line_id = session, line_id
        wanted = {ask.class_name for ask in asks if ask.action == "label" and ask.class_name is not None}
        # Nearly all labels are today's names; what they are not is looked up one by one.
        known = current_classes(session, line_id, wanted)
        self._names = {class_id: name for name, class_id in known.items()}
        self._found: dict[str, int | SortlineError] = dict(known)
        for ask in asks:
            name = ask.class_name
            if ask.action != "label" or name is None or isinstance(self._found.get(name), int):
                continue
            try:
                if ask.new_class and name not in class_ids(session, line_id, [name]):
                    resolve_labels(session, line_id, [name], who=who)
                self._found[name] = class_to_give(session, line_id, name)
            except SortlineError as error:
                self._found[name] = error

    def of(self, ask: Ask) -> int:
        """The class's id.

        Raises:
            UnknownClass, RetiredClass, InvalidClassName, LabelMissing: the label cannot be given.
        """
        if ask.class_name is None:
            raise LabelMissing
        found = self._found[ask.class_name]
        if isinstance(found, SortlineError):
            raise found
        return found

    def name_of(self, class_id: int) -> str | None:
        """What a class of the line is called."""
        if class_id not in self._names:  # decided before, or made for these decisions
            self._names = {one.id: one.name for one in list_classes(self._session, self._line_id)}
        return self._names.get(class_id)


def _ready(tools: Tools, line_id: int, asks: Sequence[Ask]) -> _Ready:
    """The pictures that are to be labelled, by hash, or why one cannot be. Decoded before anything is locked."""
    wanted = {ask.item for ask in asks if ask.action == "label"}
    if not wanted:
        return {}
    with reading(tools.engine) as session:
        hashes = [one.image_sha256 for one in items.get_items(session, line_id, wanted).values()]
        records = get_records(session, hashes)
    ready: dict[str, ImageRecord | SortlineError] = {}
    for sha256, record in records.items():
        try:
            ready[sha256] = fingerprinted(tools.blobs, record)
        except SortlineError as error:
            ready[sha256] = error
    return ready


class LabelMissing(SortlineError):
    """A label without a class."""

    def __init__(self) -> None:
        super().__init__("a label needs a class: send its name, or skip the item")
