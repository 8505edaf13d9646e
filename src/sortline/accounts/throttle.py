"""How often a caller may ask, and how often somebody may try to sign in. Counted in this process."""

from __future__ import annotations

import time
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING

from sortline.errors import SortlineError

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.strategies import RateLimiter

# For one name from one address; for one address, behind which a whole shift may sign in; for one name from anywhere.
PER_NAME_AND_ADDRESS = "5/5minutes"
PER_ADDRESS = "100/5minutes"
PER_NAME = "100/hour"


class TooManyRequests(SortlineError):
    """A caller asks more often than it may; `retry_after` in seconds."""

    def __init__(self, what: str, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(f"{what}; try again in {retry_after} s")


class InvalidRate(SortlineError):
    """A rate that cannot be read."""

    def __init__(self, rate: str) -> None:
        self.rate = rate
        super().__init__(f"SORTLINE_RATE_LIMIT={rate!r} is no rate; write it as 600/minute or 20/second")


class Rate:
    """At most so many requests of each caller; None lets all through."""

    def __init__(self, rate: str | None) -> None:
        self._given = rate
        if rate is not None:
            _ = self._item  # what is wrong with it is said at the start

    def count(self, caller: str) -> None:
        """Nothing, for a request that this caller may make.

        Raises:
            TooManyRequests: it may not yet.
        """
        if self._given is not None:
            _hit(self._limiter, self._item, "this caller made too many requests", caller)

    @cached_property
    def _item(self) -> RateLimitItem:
        from limits import parse

        try:
            return parse(str(self._given))
        except ValueError:
            raise InvalidRate(str(self._given)) from None

    @cached_property
    def _limiter(self) -> RateLimiter:
        return _new_limiter()


class SignInThrottle:
    """Slows down whoever guesses passwords or links."""

    def attempt(self, name: str, address: str) -> None:
        """Nothing, for an attempt that may be made. It is counted before its outcome is known, so many at once help
        nobody.

        Raises:
            TooManyRequests: there were too many.
        """
        words = "too many attempts to sign in"
        for rate, *keys in (
            (PER_ADDRESS, address),
            (PER_NAME, name),
            (PER_NAME_AND_ADDRESS, name, address),
        ):
            _hit(self._limiter, self._items[rate], words, *keys)

    def succeeded(self, name: str, address: str) -> None:
        """Forgets the attempts of a name from an address: its owner mistyped."""
        self._limiter.clear(self._items[PER_NAME_AND_ADDRESS], name, address)

    @cached_property
    def _items(self) -> dict[str, RateLimitItem]:
        from limits import parse

        return {rate: parse(rate) for rate in (PER_ADDRESS, PER_NAME, PER_NAME_AND_ADDRESS)}

    @cached_property
    def _limiter(self) -> RateLimiter:
        return _new_limiter()


def _new_limiter() -> RateLimiter:
    # Loaded when the first is needed: it takes as long to load as a tenth of a server's start.
    from limits.storage import MemoryStorage
    from limits.strategies import MovingWindowRateLimiter

    return MovingWindowRateLimiter(MemoryStorage())


def _hit(limiter: RateLimiter, item: RateLimitItem, words: str, *keys: str) -> None:
    if not limiter.hit(item, *keys):
        opens = limiter.get_window_stats(item, *keys).reset_time
        raise TooManyRequests(words, max(1, ceil(opens - time.time())))
