"""The most extreme of a changing set, told exactly without keeping the set."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import Final

# Of which so many can leave before the list is empty.
KEPT: Final = 192


class Extremes:
    """The first pictures of a set by a value (sign 1: ascending, -1: descending); of equal ones the older.

    `kept` is (value × sign, entry id) and always the true beginning of that order: whatever lies before `bound` is
    in it. Pictures that leave make it shorter, never wrong.
    """

    __slots__ = ("bound", "keep", "kept", "sign")

    def __init__(
        self,
        sign: int,
        kept: Iterable[tuple[float, int]] = (),
        bound: tuple[float, int] | None = None,
        *,
        keep: int = KEPT,
    ) -> None:
        self.sign, self.keep = sign, keep
        self.kept = [(value, entry_id) for value, entry_id in kept]
        self.bound = None if bound is None else (bound[0], bound[1])

    def add(self, value: float, entry_id: int) -> None:
        """A picture came."""
        key = (self.sign * value, entry_id)
        if self.bound is not None and key >= self.bound:
            return
        insort(self.kept, key)
        if len(self.kept) > self.keep:
            self.bound = self.kept.pop()

    def remove(self, value: float, entry_id: int) -> None:
        """A picture left."""
        key = (self.sign * value, entry_id)
        if self.bound is not None and key >= self.bound:
            return
        at = bisect_left(self.kept, key)
        if at < len(self.kept) and self.kept[at] == key:
            del self.kept[at]

    def first(self, limit: int) -> tuple[tuple[int, float], ...]:
        """Entry ids and values of the most extreme, the most extreme first."""
        return tuple((entry_id, self.sign * value) for value, entry_id in self.kept[:limit])

    def document(self) -> dict[str, object]:
        """What the constructor takes apart from the sign, as JSON."""
        return {"kept": self.kept, "bound": self.bound}
