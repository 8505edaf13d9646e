"""Who sends a request: by its key, its session's cookie, the address it comes from, or nobody known.

In this order the first that is there counts:

1. `Authorization: Bearer sl_…`: an API key. One that opens nothing is refused; it is not overlooked.
2. A session's cookie, from our own pages alone: a write must name our own origin. Another site's page cannot send that,
   and cannot make a browser send a SameSite=strict cookie.
3. An address that `--trust` names.
4. Local mode: the server listens on this machine's own address, and so does the caller, with no proxy between.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from http.cookies import SimpleCookie

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from sortline.accounts.guard import Guard
from sortline.accounts.key import ApiKey
from sortline.accounts.scopes import Scope, scopes_of
from sortline.accounts.sign_in import LOCAL, SignedIn
from sortline.accounts.tokens import KEY_PREFIX, digest
from sortline.accounts.trust import scopes_from
from sortline.api.origins import SAFE_METHODS
from sortline.errors import SortlineError
from sortline.settings import Settings

# A proxy stands in front: then the address that a request comes from says nothing about who sent it.
PROXY_HEADERS = frozenset(
    {
        b"forwarded",
        b"via",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-real-ip",
        b"cf-connecting-ip",
    }
)
# The prefix keeps pages without TLS and other names of the site from setting it.
SECURE_COOKIE = "__Host-sortline"
_ANYBODY = frozenset({Scope.CLASSIFY})
_READ = frozenset({b"authorization", b"cookie", b"origin", b"host"}) | PROXY_HEADERS


class How(StrEnum):
    """What a caller is known by."""

    KEY = "key"
    SESSION = "session"
    TRUSTED = "trusted"
    LOCAL = "local"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who sends a request and what they may do. `address` is who it comes from, for limits and the log, not for rights.

    `local`: in local mode, and on this machine. `session` is there for people, and for this machine's admin.
    """

    name: str
    scopes: frozenset[Scope]
    how: How
    address: str
    local: bool = False
    session: SignedIn | None = None


class UnusableKey(SortlineError):
    """A key that opens nothing: it expired, was revoked or never was."""

    def __init__(self) -> None:
        super().__init__("this API key is not known, was revoked or has expired; ask an admin for another")


async def identify(request: Request, guard: Guard, settings: Settings) -> Caller:
    """Who sends the request. Microseconds, unless a key or session was not used in the last seconds.

    Raises:
        UnusableKey: it shows a key that opens nothing.
        TooManyRequests: that, too often.
    """
    headers = {name: value for name, value in request.scope["headers"] if name in _READ}
    peer = address_of(request) or ""
    proxied = not PROXY_HEADERS.isdisjoint(headers)
    local = not proxied and settings.loopback and is_loopback(peer)
    caller = partial(Caller, address=_address(peer, headers), local=local)
    if (key := _bearer(headers)) is not None:
        held = await _holder_of_key(guard, key)
        if held is None:
            guard.rate.count(f"{How.NOTHING} {_address(peer, headers)}")
            raise UnusableKey()
        return caller(name=held.name, scopes=held.scopes, how=How.KEY)
    if b"cookie" in headers and _own_page(request.scope["method"], headers):
        found = await session_of(request, guard)
        if found is not None and (found.person_id is not None or local):
            return caller(name=found.name, scopes=scopes_of(found.role), how=How.SESSION, session=found)
    if not proxied and guard.trusted and (scopes := scopes_from(peer, guard.trusted)):
        return caller(name="trusted", scopes=scopes, how=How.TRUSTED)
    if local:
        return caller(name=LOCAL, scopes=_ANYBODY, how=How.LOCAL)
    return caller(name="anonymous", scopes=frozenset(), how=How.NOTHING)


def address_of(request: Request) -> str | None:
    """The address that the request comes from; None where there is none, as on a Unix socket."""
    client: tuple[str, int] | None = request.scope.get("client")
    return client[0] if client else None


async def session_of(request: Request, guard: Guard) -> SignedIn | None:
    """The session that the request's cookie opens."""
    cookie = cookie_of(request)
    if cookie is None:
        return None
    token_hash = digest(cookie[1])
    known = guard.sessions.peek(token_hash)
    return known.holder if known else await run_in_threadpool(guard.sessions.look_up, token_hash)


def cookie_of(request: Request) -> tuple[str, str] | None:
    """The name and the token of the session's cookie."""
    sent = SimpleCookie(request.headers.get("cookie", ""))
    for name in (SECURE_COOKIE, plain_cookie(request)):
        if name in sent and sent[name].value:
            return name, sent[name].value
    return None


def plain_cookie(request: Request) -> str:
    """What the cookie is called without TLS: a browser sends the cookies of all ports of a machine to each of them."""
    port = request.headers.get("host", "").rpartition(":")[2]
    return f"sortline-{port}" if port.isascii() and port.isdigit() else "sortline"


def over_tls(request: Request) -> bool:
    """Whether the browser speaks TLS, to a proxy in front of us.

    By the page's origin, which a browser sends with every write, or by what the proxy says. Who lies about it only has
    a cookie of their own kept from themselves.
    """
    origin = request.headers.get("origin", "")
    return (
        request.url.scheme == "https"
        or origin == f"https://{request.headers.get('host', '')}"
        or request.headers.get("x-forwarded-proto", "") == "https"
    )


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    if host == "127.0.0.1":  # nearly always
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bearer(headers: Mapping[bytes, bytes]) -> str | None:
    scheme, _, value = headers.get(b"authorization", b"").partition(b" ")
    return value.strip().decode("latin-1") if scheme.lower() == b"bearer" else None


async def _holder_of_key(guard: Guard, key: str) -> ApiKey | None:
    if not key.startswith(KEY_PREFIX):
        return None
    secret_hash = digest(key)
    known = guard.keys.peek(secret_hash)
    found = known.holder if known else await run_in_threadpool(guard.keys.look_up, secret_hash)
    # What is remembered may have expired since.
    return found if found is not None and found.holds(datetime.now(UTC)) else None


def _own_page(method: str, headers: Mapping[bytes, bytes]) -> bool:
    """Whether the request is one that our own pages send: every browser names the origin of a write."""
    origin = headers.get(b"origin")
    if origin is None:
        return method in SAFE_METHODS
    host = headers.get(b"host", b"")
    return origin in (b"http://" + host, b"https://" + host)


def _address(peer: str, headers: Mapping[bytes, bytes]) -> str:
    """The address that limits and the log count by: behind a proxy on this machine, whom that one saw."""
    forwarded = headers.get(b"x-forwarded-for")
    if forwarded is None or not is_loopback(peer):
        return peer
    last = forwarded.decode("latin-1").rpartition(",")[2].strip()
    return last[:45] or peer
