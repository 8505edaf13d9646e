"""The files that directory pages of a web server list, as Apache, nginx and `python -m http.server` write them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlsplit

from sortline.catalogue.sources.fetch import Web
from sortline.catalogue.sources.files import File, PathList
from sortline.catalogue.sources.item import DEFAULT_LIMITS, Closing, FileRefused, SourceError, SourceLimits
from sortline.catalogue.sources.layout import unsafe

_DEPTH = 8
_PAGES = 20_000
_PAGE_BYTES = 64 * 1024 * 1024
_UNREADABLE, _TOO_DEEP = 1, 2
_REFUSALS = (
    None,
    ("unreachable", "the folder's page cannot be read"),
    ("unreachable", f"more than {_DEPTH} folders deep"),
)


class WebFiles(Closing):
    """Every file that the pages at and below an address link to, sorted by path.

    Only links on the same host and below the address count; what is a folder ends with '/'. A file's size and age are
    not known, so the fingerprint is of the names.

    Raises:
        SourceError: the first page cannot be read, or there are too many pages or files.
    """

    def __init__(self, url: str, limits: SourceLimits = DEFAULT_LIMITS) -> None:
        self.location = url
        self._top = url
        self._limits = limits
        self._web = Web()
        self._left = 0
        found = self._crawl()
        self._paths = PathList()
        digest = hashlib.sha256(url.encode())
        for path, code in sorted(found.items()):
            self._paths.append(path, code)
            digest.update(f"{path}\0{code}\n".encode("utf-8", "surrogateescape"))
        self.total = self._paths.total
        self.fingerprint = digest.hexdigest()
        self.problems: tuple[str, ...] = (
            (f"{self._left:,} links lead elsewhere and were not followed",) if self._left else ()
        )

    def files(self, start: int = 0) -> Iterator[File]:
        """See `Files`."""
        for position, path, code in self._paths.since(start):
            shown = unquote(path, errors="surrogateescape")
            reason = unsafe(shown.rstrip("/"))
            yield File(
                position=position,
                path=shown,
                read=partial(self._get, path, self._limits.entry_bytes),
                refusal=_REFUSALS[code] or (("unsafe-path", reason) if reason else None),
            )

    def document(self, file: File, limit: int) -> bytes:
        """See `Files`."""
        path = next(
            path for position, path, _ in self._paths.since(file.position) if position == file.position
        )
        return self._get(path, limit)

    def close(self) -> None:
        """Close its connections."""
        self._web.close()

    def _get(self, path: str, limit: int) -> bytes:
        return self._web.get(self._top + path, limit)[0]

    def _crawl(self) -> dict[str, int]:
        """Quoted paths below the top, each with its refusal's number."""
        found: dict[str, int] = {}
        waiting, seen = [""], {""}
        while waiting:
            folder = waiting.pop()
            if folder.count("/") > _DEPTH:
                found[folder] = _TOO_DEEP
                continue
            try:
                links = self._links(folder)
            except FileRefused as error:
                if not folder:
                    raise UnreadablePage(self.location, error.detail) from error
                found[folder] = _UNREADABLE
                continue
            for path in links:
                if not path.endswith("/"):
                    found[path] = 0
                elif path not in seen:
                    seen.add(path)
                    waiting.append(path)
            if len(seen) > _PAGES or len(found) > self._limits.entries:
                raise UnreadablePage(self.location, f"it has more than {_PAGES:,} folders or too many files")
        return found

    def _links(self, folder: str) -> list[str]:
        body, came_from = self._web.get(self._top + folder, _PAGE_BYTES)
        if not came_from.startswith(self._top):
            raise FileRefused("unreachable", "its page redirects to another place")
        parser = _Links()
        parser.feed(body.decode("utf-8", "replace"))
        parser.close()
        if not parser.is_page:
            raise FileRefused("unreachable", "it is no page that lists files")
        below = (self._below(came_from, link) for link in parser.links)
        return [path for path in below if path]

    def _below(self, page: str, link: str) -> str | None:
        """The path below the top; None for what leads elsewhere."""
        try:
            parts = urlsplit(urljoin(page, link))
        except ValueError:
            self._left += 1
            return None
        if parts.query:  # a page's own links to sort its columns
            return None
        address = f"{parts.scheme}://{parts.netloc}{parts.path}"
        if address.startswith(self._top):
            return address[len(self._top) :]
        # A page links to the folder above it, and that is no loss.
        self._left += not self._top.startswith(address)
        return None


class _Links(HTMLParser):
    """The addresses that a page's anchors name, and whether it is a page at all."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.is_page = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by the parser."""
        self.is_page = self.is_page or tag in ("html", "body", "a", "pre", "ul", "table")
        if tag == "a":
            self.links += [value for name, value in attrs if name == "href" and value]


class UnreadablePage(SourceError):
    """The address gives no list of files."""

    code = "unreachable"

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        self.reason = reason
        super().__init__(
            f"cannot import {url}: {reason}; give the address of a folder that the server lists, with its '/'"
        )
