"""Passwords: hashed with Argon2id (RFC 9106), checked, and refused where they are too easy to guess."""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING

from sortline.errors import SortlineError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST, LONGEST = 10, 200

# A hash takes 19 MiB and 50 ms of a core: no more of them at once, or a flood of sign-ins would take the memory that
# pictures need.
_AT_ONCE = threading.BoundedSemaphore(2)


class WeakPassword(SortlineError):
    """A password that is too easy to guess, with the reason."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the password {reason}; a few words that do not belong together make a good one")


def check_strength(password: str, name: str) -> None:
    """Nothing, for a password that may be used.

    Length is what counts (NIST SP 800-63B, 5.1.1.2): no rules about digits and capitals.

    Raises:
        WeakPassword: with the reason.
    """
    if len(password) < SHORTEST:
        raise WeakPassword(f"is shorter than {SHORTEST} characters")
    if len(password) > LONGEST:
        raise WeakPassword(f"is longer than {LONGEST} characters")
    if len(set(password)) < 4:
        raise WeakPassword("repeats a few characters")
    if name.lower() in password.lower() and len(password) - len(name) < SHORTEST // 2:
        raise WeakPassword("is little more than the name")


def hash_password(password: str) -> str:
    """The password's hash, with its salt and parameters, as `is_password` reads it."""
    with _AT_ONCE:
        return _hasher().hash(password)


def is_password(password: str, hashed: str | None) -> bool:
    """Whether this is the password of the hash; for None never, after the same work."""
    from argon2.exceptions import InvalidHashError, VerificationError

    with _AT_ONCE:
        try:
            return _hasher().verify(hashed or _nobodys(), password) and hashed is not None
        except (VerificationError, InvalidHashError):
            return False


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    # OWASP's recommendation for Argon2id; one lane, since the cores are there for pictures.
    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


@cache
def _nobodys() -> str:
    """A hash to check against where there is none: how long an answer takes tells nobody which names exist."""
    return _hasher().hash("nobody's")
