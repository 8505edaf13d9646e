"""What follows from an item's decisions, written onto its row: state, label, order, and where it is found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from sortline.db.session import Session
from sortline.review import order
from sortline.review.item import WAITING, ReviewItem, State
from sortline.review.outcome import Decision, Outcome, outcome
from sortline.review.store import clusters, items


@dataclass(frozen=True, kw_only=True)
class Change:
    """An item as it was, and all its decisions as they are; `lease`: whoever has it keeps it.

    `twin`: the same picture waits in another item already, so this one waits no more even where it would.
    """

    item: ReviewItem
    decisions: Sequence[Decision]
    needed: int
    lease: bool
    twin: bool = False

    @cached_property
    def outcome(self) -> Outcome:
        """Where the item stands now."""
        return outcome(self.decisions, self.needed)

    @property
    def state(self) -> State:
        """The item's state now."""
        return "joined" if self.twin and self.outcome.state in WAITING else self.outcome.state

    @property
    def label(self) -> int | None:
        """The class to give in the catalogue; None where it has the right one, or none is to be given."""
        return None if self.outcome.class_id == self.item.class_id else self.outcome.class_id


def write_changes(
    session: Session, changes: Sequence[Change], events: Mapping[str, str | None], now: datetime
) -> None:
    """Up to 500 items are as their decisions have them; `events` are the label events they led to, by picture."""
    items.change_items(session, [_row(one, events, now) for one in changes])
    over = {
        one.item.id: one.item.cluster_id
        for one in changes
        if one.item.waiting and one.state not in WAITING and one.item.cluster_id
    }
    clusters.drop_vectors(session, over)


def gone(changes: Sequence[Change]) -> Counter[tuple[int, str]]:
    """How many more wait no more after the changes, by line and reason."""
    found = Counter[tuple[int, str]]()
    for one in changes:
        found[one.item.line_id, one.item.reason] += one.item.waiting - (one.state in WAITING)
    return found


def _row(change: Change, events: Mapping[str, str | None], now: datetime) -> dict[str, Any]:
    item, made, state = change.item, change.outcome, change.state
    waits, waited = state in WAITING, item.waiting
    event = item.label_event if made.class_id == item.class_id else events.get(item.image_sha256)
    return {
        "id": item.id,
        "state": state,
        "class_id": made.class_id,
        "label_event": event,
        "needed": change.needed,
        "opinions": len(made.voters),
        "skips": made.skips,
        "deferred_until": made.deferred_until,
        "decided_at": None if waits or state == "joined" else item.decided_at if not waited else now,
        "lease_by": item.lease_by if change.lease and waits else None,
        "lease_until": item.lease_until if change.lease and waits else None,
        # What waits again is put into a cluster again, since its vector is gone.
        "cluster_id": None if waits and not waited else item.cluster_id,
        "priority": order.priority(
            item.id,
            reason=item.reason,
            confidence=item.confidence,
            ood_score=item.ood_score,
            control=item.control,
            crowd=item.crowd,
            skips=made.skips,
            state=state,
        ),
    }
