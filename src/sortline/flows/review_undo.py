"""Undoing what was decided: an event like any other, after which the item stands as if the decision had not been."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sortline.catalogue.store.clock import lock_catalogue
from sortline.catalogue.store.images import erased
from sortline.db.ids import new_id
from sortline.db.session import Session, pipelined, writing
from sortline.errors import SortlineError
from sortline.flows.ingest import Tools
from sortline.flows.pictures import ErasedPicture
from sortline.flows.review_changes import Change, gone, write_changes
from sortline.flows.review_labels import Given, give_labels, take_label
from sortline.review.item import ReviewItem, State
from sortline.review.outcome import (
    AlreadyUndone,
    Decision,
    NothingToUndo,
    UnknownDecision,
    undone,
)
from sortline.review.store import decisions, items, tallies


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """What was undone: by which `decision` of its own, of which item, and the state it is in.

    The item is the one in which the picture waits now; None, and no state, for a corrected prediction.
    """

    item: str | None
    decision: str
    state: State | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotUndone:
    """A decision that stands, and why."""

    decision: str
    error: SortlineError


def undo(
    tools: Tools,
    line_id: int,
    wanted: Sequence[str],
    *,
    who: str,
    beside: Callable[[Session], None] | None = None,
) -> tuple[list[Undone], list[NotUndone]]:
    """Up to 500 decisions, or the caller's newest where none is named, hold no longer. Undoing an undo redoes.

    What is written `beside` is in the same transaction.

    Raises:
        NothingToUndo: none is named, and the caller has decided nothing that holds.
    """
    done: list[Undone] = []
    left: list[NotUndone] = []
    changes: list[Change] = []
    with writing(tools.engine) as session:
        if beside is not None:
            beside(session)
        lock_catalogue(session)
        newest = None if wanted else _newest(session, line_id, who)
        for one in wanted if newest is None else [newest.id]:
            try:
                with session.begin_nested():  # one that fails half-way leaves nothing
                    (found,) = (
                        decisions.get_decisions(session, line_id, [one]) if newest is None else [newest]
                    )
                    made, change = _undo(session, tools, found, who)
                done.append(made)
                changes += [] if change is None else [change]
            except SortlineError as error:
                left.append(NotUndone(decision=one, error=error))
        tallies.gone(session, gone(changes))
    return done, left


def _newest(session: Session, line_id: int, who: str) -> Decision:
    found = decisions.newest(session, line_id, who)
    if found is None:
        raise NothingToUndo(who)
    return found


def _undo(session: Session, tools: Tools, found: Decision, who: str) -> tuple[Undone, Change | None]:
    """What was undone, and how its item changed; None where it has none."""
    line_id = found.line_id
    event = Decision(
        id=new_id(),
        line_id=line_id,
        item_id=found.item_id,
        prediction_id=found.prediction_id,
        who=who,
        at=datetime.now(UTC),
        action="undo",
        undoes=found.id,
    )
    if found.item_id is None:
        return _undo_correction(session, line_id, found, event), None
    item = items.lock_items(session, line_id, [found.item_id]).get(found.item_id)
    made = decisions.of_items(session, [found.item_id])[found.item_id]
    # Read again: now that the item is locked, nobody else undoes it.
    if item is None or not any(one.id == found.id for one in made):
        raise UnknownDecision(found.id)
    if found.id in undone(made):
        raise AlreadyUndone(found.id)
    if erased(session, [item.image_sha256]):
        raise ErasedPicture(item.image_sha256)
    return _settle(session, tools, item, made, event)


def _settle(
    session: Session, tools: Tools, item: ReviewItem, before: Sequence[Decision], event: Decision
) -> tuple[Undone, Change]:
    """The item is as its decisions have it with the undo among them, and so is its label."""
    after = [*before, event]
    twin = None
    if not item.waiting:
        twin = items.waiting_twins(session, item.line_id, [item.image_sha256]).get(item.image_sha256)
    change = Change(item=item, decisions=after, needed=item.needed, lease=True, twin=twin is not None)
    events: dict[str, str | None] = {}
    if item.class_id is not None and change.outcome.class_id != item.class_id:
        take_label(session, item.line_id, item.label_event, who=event.who)
    if (label := change.label) is not None:
        given = Given(sha256=item.image_sha256, class_id=label, source=item.source)
        events = give_labels(session, tools, item.line_id, [given], {}, origin="review", who=event.who)
    with pipelined(session):
        decisions.append(session, [event])
        _mark(session, before, after)
        write_changes(session, [change], events, event.at)
    done = Undone(
        item=twin if change.state == "joined" else item.id,
        decision=event.id,
        state="open" if change.state == "joined" else change.state,
    )
    return done, change


def _undo_correction(session: Session, line_id: int, found: Decision, event: Decision) -> Undone:
    """A corrected prediction counts as right again, or, redone, as wrong; its picture's label follows."""
    made = (
        [] if found.prediction_id is None else decisions.of_prediction(session, line_id, found.prediction_id)
    )
    if found.id in undone(made):
        raise AlreadyUndone(found.id)
    taken = take_label(session, line_id, found.label_event, who=event.who)
    event = replace(event, label_event=taken)
    decisions.append(session, [event])
    _mark(session, made, [*made, event])
    return Undone(item=None, decision=event.id, state=None)


def _mark(session: Session, before: Sequence[Decision], after: Sequence[Decision]) -> None:
    gone = undone(after)
    decisions.mark(session, {one.id: one.id in gone for one in before if one.undone != (one.id in gone)})
