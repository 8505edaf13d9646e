"""Who may do what. Every router declares the scope it needs, or says that it is open to all; there is no third way.

Until accounts exist, this machine's own callers have every scope and nobody else has any; `--insecure` lifts that.
"""

import ipaddress
from collections.abc import Awaitable, Callable
from enum import StrEnum

from fastapi import Request

from sortline.errors import SortlineError
from sortline.settings import Settings

# A proxy stands in front: then the address that a request comes from says nothing about who sent it.
PROXY_HEADERS = (
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "cf-connecting-ip",
)

# Who label events and versions made over HTTP name as their author, until there are accounts.
CALLER = "api"


class Scope(StrEnum):
    """What a caller may be allowed to do."""

    CLASSIFY = "classify"
    REVIEW = "review"
    TRAIN = "train"
    ADMIN = "admin"


class NotAllowed(SortlineError):
    """The caller lacks the scope that a route needs."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        super().__init__(
            f"This needs the scope {scope.value!r}. Until accounts are set up only this machine has it: call "
            "from the server itself and without a proxy, or start it with --insecure."
        )


Requirement = Callable[[Request], Awaitable[None]]


def require(scope: Scope) -> Requirement:
    """A dependency that lets only callers with the scope pass."""

    async def required(request: Request) -> None:
        if not _local_policy(request, request.app.state.services.settings):
            raise NotAllowed(scope)

    required.scope = scope  # type: ignore[attr-defined]  # for the test that lists every route's scope
    return required


async def open_to_all() -> None:
    """A dependency that says on purpose: nobody is asked who they are here."""


def caller_of(request: Request) -> str:
    """Who asks: the name that label events, versions, leases and promotions carry."""
    return CALLER


def _local_policy(request: Request, settings: Settings) -> bool:
    """Whether the local policy grants every scope."""
    if settings.insecure:
        return True
    proxied = any(header in request.headers for header in PROXY_HEADERS)
    return not proxied and request.client is not None and is_loopback(request.client.host)


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
