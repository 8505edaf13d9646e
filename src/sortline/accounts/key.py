"""API keys: what machine clients show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sortline.accounts.scopes import Scope
from sortline.errors import SortlineError


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key, without its secret; `start` is how that begins. `last_used_at` is right to a minute."""

    id: int
    name: str
    start: str
    scopes: frozenset[Scope]
    who: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    def holds(self, now: datetime) -> bool:
        """Whether it still opens anything."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class UnknownKey(SortlineError):
    """No key has this id or name."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"there is no key {key[:80]!r}; `sortline keys list` tells which there are")


class InvalidKey(SortlineError):
    """A key that could not be used, with the reason."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"a key {reason}")
