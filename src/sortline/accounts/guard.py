"""Who stands behind a key or a session's token, remembered for a few seconds; and how often they may ask.

A request that classifies costs the look into a dictionary. The database is asked, in a thread, when nobody asked it for
the last seconds, and told of the use of a key or session at most once a minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from sqlalchemy import Engine

from sortline.accounts.key import ApiKey
from sortline.accounts.sign_in import SignedIn
from sortline.accounts.store import keys, sessions
from sortline.accounts.throttle import Rate, SignInThrottle
from sortline.accounts.trust import Trust
from sortline.db.engine import DatabaseUnavailable
from sortline.db.session import reading, writing

Holder = TypeVar("Holder")

# What another process changed, a key that the command line revoked, is noticed after so many seconds.
REMEMBERED_S = 5.0
# Tokens remembered at once; whoever sends invented ones does not fill the memory.
MOST = 2000
USE_NOTED = timedelta(minutes=1)


class Guard:
    """What a server needs to know who asks; made once."""

    def __init__(self, engine: Engine, *, trusted: Sequence[Trust] = (), rate: str | None = None) -> None:
        self._engine = engine
        self.trusted = tuple(trusted)
        self.rate = Rate(rate)
        self.sign_ins = SignInThrottle()
        self.keys = Remembered[ApiKey](self._key)
        self.sessions = Remembered[SignedIn](self._session)

    def _key(self, secret_hash: str) -> ApiKey | None:
        now = datetime.now(UTC)
        with reading(self._engine) as session:
            key = keys.find_key(session, secret_hash)
        if key is None or not key.holds(now):
            return None
        if key.last_used_at is None or now - key.last_used_at >= USE_NOTED:
            # A database that cannot be written to now is no reason to turn a client away.
            with suppress(DatabaseUnavailable), writing(self._engine) as session:
                keys.use_key(session, key.id, now)
        return key

    def _session(self, token_hash: str) -> SignedIn | None:
        now = datetime.now(UTC)
        with reading(self._engine) as session:
            found = sessions.find_session(session, token_hash, now)
        if found is not None and now - found.seen_at >= USE_NOTED:
            with suppress(DatabaseUnavailable), writing(self._engine) as session:
                sessions.see_session(session, found.id, now)
        return found


@dataclass(slots=True)
class Known(Generic[Holder]):
    """What was found behind a token, None for nothing, and until when that counts."""

    holder: Holder | None
    until: float


class Remembered(Generic[Holder]):
    """Whom tokens stand for, by their hashes. `peek` is for the event loop, `look_up` for a thread."""

    def __init__(self, find: Callable[[str], Holder | None]) -> None:
        self._find = find
        self._known: dict[str, Known[Holder]] = {}
        self._changes = 0

    def peek(self, token_hash: str) -> Known[Holder] | None:
        """What is known of the token; None where it must be looked up."""
        known = self._known.get(token_hash)
        if known is None:
            return None
        now = time.monotonic()
        if now < known.until:
            return known
        # One request looks it up; those that come meanwhile take what was known a moment ago.
        known.until = now + 1.0
        return None

    def look_up(self, token_hash: str) -> Holder | None:
        """Whom the token stands for, from the database."""
        changes = self._changes
        holder = self._find(token_hash)
        if changes == self._changes:  # else what was read may be older than the change
            while len(self._known) >= MOST:
                with suppress(StopIteration, KeyError, RuntimeError):
                    del self._known[next(iter(self._known))]
            self._known[token_hash] = Known(holder, time.monotonic() + REMEMBERED_S)
        return holder

    def forget(self) -> None:
        """Everything is looked up anew: a key was revoked, a session ended, a role changed."""
        self._changes += 1
        self._known.clear()
