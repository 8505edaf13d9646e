"""What a sign-in leaves behind: a session, whose token a browser holds as a cookie; and one-time links to begin one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sortline.accounts.scopes import Role
from sortline.errors import SortlineError

# A session ends when nobody used it for a day, and a month after the sign-in in any case.
IDLE, LONGEST = timedelta(days=1), timedelta(days=30)
# A token is replaced when it is this old, and goes on working for as long as requests may be under way with it.
ROTATION, GRACE = timedelta(hours=1), timedelta(minutes=1)
# A link printed at the start is opened the same day, or printed anew.
LINK_LIFE = timedelta(days=1)

# What a session that began with the printed link is called: whoever can read the server's output.
LOCAL = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A session. Without a person it is one of local mode: admin, on this machine only."""

    id: int
    name: str
    role: Role
    person_id: int | None
    created_at: datetime
    rotated_at: datetime
    seen_at: datetime


class Purpose(StrEnum):
    """What a one-time link is for."""

    SIGN_IN = "sign-in"  # local mode: begins a session of this machine's admin
    SETUP = "setup"  # the first start on another address: makes the first admin


class InvalidLink(SortlineError):
    """A one-time link that was used, has expired or never was."""

    def __init__(self) -> None:
        super().__init__(
            "this link was used already or has expired; `sortline users link` prints a new one, and so does a restart"
        )


class SetupNeeded(SortlineError):
    """A link that makes the admin was opened without saying who that is; it was not used up."""

    def __init__(self) -> None:
        super().__init__(
            "this link makes the first admin: send the name and the password they are to have, too"
        )
