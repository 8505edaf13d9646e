"""Who may do what. Every router declares the scope it needs, or says that it is open to all; there is no third way."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Request

from sortline.accounts.guard import Guard
from sortline.accounts.scopes import EVERYTHING, Scope
from sortline.api.callers import Caller, How, UnusableKey, identify
from sortline.errors import SortlineError
from sortline.settings import Settings

__all__ = [
    "Caller",
    "CallerDep",
    "NotAllowed",
    "NotSignedIn",
    "Scope",
    "Who",
    "caller_of",
    "demand",
    "open_to_all",
    "require",
    "who_asks",
]

# Where a request's caller stands, once it was asked for.
CALLER_KEY = "sortline.caller"


class NotSignedIn(SortlineError):
    """Nobody known asks for what not everybody may do."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        super().__init__(
            f"This needs the scope {scope.value!r}: sign in, or send an API key that has it as "
            "'Authorization: Bearer sl_…'. An admin makes keys, and can trust the addresses of devices that cannot "
            "send one with --trust."
        )


class NotAllowed(SortlineError):
    """The caller is known and lacks the scope that is needed."""

    def __init__(self, scope: Scope, name: str) -> None:
        self.scope, self.name = scope, name
        super().__init__(f"This needs the scope {scope.value!r}, which {name!r} does not have; ask an admin.")


Requirement = Callable[[Request], Awaitable[None]]


def require(scope: Scope) -> Requirement:
    """A dependency that lets only callers with the scope pass, as often as they may ask."""

    async def required(request: Request) -> None:
        caller = await who_asks(request)
        request.app.state.services.guard.rate.count(_counted(caller))
        _check(caller, scope)

    required.scope = scope  # type: ignore[attr-defined]  # for the test that lists every route's scope
    return required


async def open_to_all() -> None:
    """A dependency that says on purpose: nobody is asked who they are here."""


async def who_asks(request: Request) -> Caller:
    """Who sends the request; found out once.

    Raises:
        UnusableKey: it shows a key that opens nothing.
    """
    found: Caller | None = request.scope.get(CALLER_KEY)
    if found is None:
        services = request.app.state.services
        guard, settings = services.guard, services.settings
        if settings.insecure:
            found = await _anybody(request, guard, settings)
        else:
            found = await identify(request, guard, settings)
        request.scope[CALLER_KEY] = found
    return found


async def _anybody(request: Request, guard: Guard, settings: Settings) -> Caller:
    """Whoever it is may do everything, also with a key that opens nothing; who is known keeps their name."""
    try:
        found = await identify(request, guard, settings)
    except UnusableKey:
        found = Caller(name="anonymous", scopes=EVERYTHING, how=How.NOTHING, address="")
    return replace(found, scopes=EVERYTHING)


def caller_of(request: Request) -> str:
    """Who asks: the name that label events, versions, leases and promotions carry.

    A person's or a key's name; `local`, `trusted` or `anonymous` for callers who are known by no name.
    """
    found: Caller = request.scope[CALLER_KEY]
    return found.name


async def _name(request: Request) -> str:
    return caller_of(request)


CallerDep = Annotated[Caller, Depends(who_asks)]
Who = Annotated[str, Depends(_name)]


def demand(request: Request, scope: Scope) -> None:
    """Nothing, for a caller with the scope: for what needs more than its router says.

    Raises:
        NotSignedIn, NotAllowed: the caller lacks it.
    """
    _check(request.scope[CALLER_KEY], scope)


def _check(caller: Caller, scope: Scope) -> None:
    if scope in caller.scopes:
        return
    if caller.how in (How.KEY, How.SESSION):
        raise NotAllowed(scope, caller.name)
    raise NotSignedIn(scope)


def _counted(caller: Caller) -> str:
    """Whose requests are counted together: a key's, a person's, or an address's."""
    return f"{caller.how} {caller.name if caller.how in (How.KEY, How.SESSION) else caller.address}"
