"""Leases: for a while an item is one person's, so that two never look at the same picture.

A lease ends by itself. Whoever is gone loses nothing but time: the item is given to the next person.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sortline.review.item import ItemHeld, ReviewItem

SECONDS: Final = 300
LONGEST_S: Final = 3600
# A page of pictures and the next one; who wants more comes again.
MOST: Final = 200


def lease_end(now: datetime, seconds: int) -> datetime:
    """When a lease taken or renewed now ends: after at least a second, at most an hour."""
    return now + timedelta(seconds=min(max(seconds, 1), LONGEST_S))


def holder(item: ReviewItem, now: datetime) -> str | None:
    """Who holds the item at this moment; None where nobody does. At its end a lease is over."""
    if item.lease_by is None or item.lease_until is None or item.lease_until <= now:
        return None
    return item.lease_by


def check_free(item: ReviewItem, who: str, now: datetime) -> None:
    """Nothing, where the item is this person's or nobody's: a late answer to an item nobody took since still counts.

    Raises:
        ItemHeld: somebody else has it now.
    """
    if holder(item, now) not in (None, who):
        raise ItemHeld(item.id, item.lease_until)
