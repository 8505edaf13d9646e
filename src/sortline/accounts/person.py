"""People who sign in, and the names that callers carry."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from sortline.accounts.scopes import Role
from sortline.errors import SortlineError

# It stands in URLs, in label events and in the audit log.
_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,62}")
# Callers that are no person and no key.
RESERVED = frozenset({"anonymous", "api", "cli", "local", "sortline", "trusted"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Someone with a password and a role. `seen_at`: when a session of theirs was last used, to a minute."""

    id: int
    name: str
    role: Role
    created_at: datetime
    seen_at: datetime | None


class InvalidName(SortlineError):
    """A name that no person and no key can have."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"{name[:80]!r} cannot be a name here: 1 to 63 of a-z, 0-9, '.', '_', '@' and '-', the first a letter or "
            "digit, and no name that Sortline itself uses"
        )


class NameTaken(SortlineError):
    """Another person, or a key that is in use, has the name: events would not tell the two apart."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"there is already a person or a key named {name!r}; choose another name")


class UnknownPerson(SortlineError):
    """Nobody has this name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"there is nobody named {name[:80]!r}; `sortline users list` tells who there is")


class LastAdmin(SortlineError):
    """Without this admin there would be none."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{name!r} is the only admin; make someone else admin first")


class WrongPassword(SortlineError):
    """Nobody has this name and this password; which of them is wrong is not told."""

    def __init__(self) -> None:
        super().__init__("name or password is wrong")


def valid_name(name: str) -> str:
    """The name in lower case.

    Raises:
        InvalidName: it cannot be one.
    """
    found = name.strip().lower()
    if not _NAME.fullmatch(found) or found in RESERVED:
        raise InvalidName(name)
    return found
