"""What a caller may do, and which of it a person's role allows."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from sortline.errors import SortlineError


class Scope(StrEnum):
    """What a caller may be allowed to do."""

    CLASSIFY = "classify"
    REVIEW = "review"
    TRAIN = "train"
    ADMIN = "admin"


class Role(StrEnum):
    """What a person is here for. Each may do what the one before it may, and more."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    TRAINER = "trainer"
    ADMIN = "admin"


EVERYTHING = frozenset(Scope)

_ORDER = tuple(Scope)


class UnknownScope(SortlineError):
    """No scope has this name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"there is no scope {name!r}; there are: {', '.join(Scope)}")


class UnknownRole(SortlineError):
    """No role has this name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"there is no role {name!r}; there are: {', '.join(Role)}")


def scopes_of(role: Role) -> frozenset[Scope]:
    """What a role allows: viewers classify, operators review too, trainers train too, admins everything."""
    return frozenset(_ORDER[: tuple(Role).index(role) + 1])


def scopes_named(names: Iterable[str]) -> frozenset[Scope]:
    """The scopes of these names; `admin` holds all others too.

    Raises:
        UnknownScope: one is none.
    """
    found = set()
    for name in names:
        try:
            found.add(Scope(name))
        except ValueError:
            raise UnknownScope(name) from None
    return EVERYTHING if Scope.ADMIN in found else frozenset(found)


def in_order(scopes: Iterable[Scope]) -> list[Scope]:
    """The scopes, the least first."""
    return sorted(scopes, key=_ORDER.index)


def role_named(name: str) -> Role:
    """The role of this name.

    Raises:
        UnknownRole: it is none.
    """
    try:
        return Role(name)
    except ValueError:
        raise UnknownRole(name) from None
