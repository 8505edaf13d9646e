"""Which hosts a request may name and which pages may send it: what keeps other sites from using a visitor's browser.

Host: loopback names, addresses, and the names in `SORTLINE_ALLOWED_HOSTS`. A page of another site can point its own
name at this machine (DNS rebinding), but not make the browser send another name or an address instead.
"""

import ipaddress
import re
from functools import lru_cache
from urllib.parse import urlsplit

from sortline.errors import SortlineError
from sortline.settings import LOOPBACK_NAMES, Settings

# Every route that classifies, native and for older clients, of the default line and of a named one.
CLASSIFY_PATH = re.compile(
    r"/api/v1/lines/[^/]+/classify(/batch)?|(/lines/[^/]+)?/(predict(/batch)?|api/predict/?)"
)
LOOPBACK_ORIGIN = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class ForeignHost(SortlineError):
    """The request names a host that is not this installation's."""

    def __init__(self, host: str) -> None:
        self.host = host
        super().__init__(
            f"This server is not known as {host!r}. Add the name to SORTLINE_ALLOWED_HOSTS if it should be."
        )


class ForeignOrigin(SortlineError):
    """A web page of another site sent a write."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        super().__init__(
            f"Pages of {origin!r} may not do this. Add the origin to SORTLINE_CORS_ORIGINS if they should."
        )


def check_host(host: str, settings: Settings) -> None:
    """Nothing, for a host that a request may name.

    Raises:
        ForeignHost: it may not.
    """
    name = _name(host)
    if name in LOOPBACK_NAMES or name in settings.allowed_hosts or name == settings.host:
        return
    try:
        ipaddress.ip_address(name)
    except ValueError:
        raise ForeignHost(host) from None


@lru_cache(maxsize=64)
def _name(host: str) -> str:
    """The name or address in a Host header, in lower case, without port and final dot; empty for nonsense."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def check_origin(origin: str | None, host: str, method: str, path: str, settings: Settings) -> None:
    """Nothing, for a request that reads, that no browser sent, or whose page may send it.

    Raises:
        ForeignOrigin: a page of another site sent a write.
    """
    if origin is None or method in SAFE_METHODS:
        return
    if origin in (f"http://{host}", f"https://{host}"):
        return
    if not cross_origin_allowed(origin, path, settings):
        raise ForeignOrigin(origin)


def cross_origin_allowed(origin: str, path: str, settings: Settings) -> bool:
    """Whether pages of that origin may call that path from another site."""
    if settings.cors_origins:
        return origin in settings.cors_origins
    return bool(CLASSIFY_PATH.fullmatch(path) and LOOPBACK_ORIGIN.fullmatch(origin))
