"""The objects below an s3:// or gs:// prefix."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from sortline.catalogue.sources.files import File, PathList
from sortline.catalogue.sources.item import DEFAULT_LIMITS, Closing, FileRefused, SourceError, SourceLimits
from sortline.catalogue.sources.layout import unsafe

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, S3Config

_REFUSALS = (
    None,
    ("empty", "the object is empty (0 bytes)"),
    ("too-large", "the object is larger than a picture may be"),
)
_PAGE = 1000


class ObjectFiles(Closing):
    """Every object below a prefix, as the store lists them (S3 and GCS: in the order of their keys).

    Credentials come from the environment as the store's own tools read it (AWS_ACCESS_KEY_ID, AWS_REGION,
    AWS_ENDPOINT_URL, …; GOOGLE_APPLICATION_CREDENTIALS), or from `options`, which are obstore's.

    Raises:
        SourceError: the store refuses, the prefix holds nothing, or more than the limit.
    """

    def __init__(
        self, url: str, *, options: Mapping[str, str] | None = None, limits: SourceLimits = DEFAULT_LIMITS
    ) -> None:
        from obstore.exceptions import BaseError

        self.location = url
        self._limits = limits
        self._prefix = urlsplit(url).path.strip("/")
        self._paths = PathList()
        self.problems: tuple[str, ...] = ()
        digest = hashlib.sha256(url.encode())
        try:
            self._store = _store(url, options or {})
            for key, size, version in _listed(self._store, self._prefix):
                self._add(key, size)
                digest.update(f"{key}\0{size} {version}\n".encode("utf-8", "surrogateescape"))
        except (BaseError, OSError, ValueError) as error:
            raise UnreachablePrefix(url, _first_line(error)) from error
        self.total = self._paths.total
        if not self.total:
            raise UnreachablePrefix(url, "nothing lies below it")
        self.fingerprint = digest.hexdigest()

    def files(self, start: int = 0) -> Iterator[File]:
        """See `Files`."""
        for position, path, code in self._paths.since(start):
            # Such keys are legal in a store; a name for people and file systems they are not.
            reason = unsafe(path)
            yield File(
                position=position,
                path=path,
                read=partial(self._get, path, self._limits.entry_bytes),
                refusal=("unsafe-path", reason) if reason else _REFUSALS[code],
            )

    def document(self, file: File, limit: int) -> bytes:
        """See `Files`."""
        return self._get(file.path, limit)

    def _add(self, key: str, size: int) -> None:
        if self._paths.total >= self._limits.entries:
            raise UnreachablePrefix(self.location, f"it holds more than {self._limits.entries:,} objects")
        path = key[len(self._prefix) :].lstrip("/") if self._prefix else key
        self._paths.append(path, 1 if size == 0 else 2 if size > self._limits.entry_bytes else 0)

    def _get(self, path: str, limit: int) -> bytes:
        from obstore.exceptions import BaseError

        key = f"{self._prefix}/{path}" if self._prefix else path
        try:
            answer = self._store.get(key)
            if answer.meta["size"] > limit:
                raise FileRefused("too-large", f"{answer.meta['size']:,} bytes, at most {limit:,} are read")
            return bytes(answer.bytes())
        except FileNotFoundError as error:
            raise FileRefused("missing-file", "it is not there any more") from error
        except (BaseError, OSError) as error:
            raise FileRefused("unreachable", f"cannot be fetched: {_first_line(error)}") from error


def _store(url: str, options: Mapping[str, str]) -> ObjectStore:
    from obstore.store import from_url

    parts = urlsplit(url)
    endpoint = options.get("endpoint") or os.environ.get("AWS_ENDPOINT_URL", "")
    # Whoever names an endpoint without TLS, as a server on the same network has it, means it.
    client: ClientConfig | None = {"allow_http": True} if endpoint.startswith("http://") else None
    # The bucket alone: the prefix is ours to strip, so that names are relative to it.
    config = cast("S3Config", dict(options))
    return from_url(f"{parts.scheme}://{parts.netloc}", config=config or None, client_options=client)


def _listed(store: ObjectStore, prefix: str) -> Iterator[tuple[str, int, str]]:
    for page in store.list(prefix or None, chunk_size=_PAGE):
        for meta in page:
            if not meta["path"].endswith("/"):
                yield meta["path"], meta["size"], str(meta["e_tag"] or meta["last_modified"])


def _first_line(error: Exception) -> str:
    text = str(error).strip().split("\n", 1)[0]
    # Some messages carry the signed request.
    return re.sub(r"\?\S*", "", text)[:200]


class UnreachablePrefix(SourceError):
    """A prefix that cannot be listed, or holds nothing."""

    code = "unreachable"

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        self.reason = reason
        super().__init__(f"cannot import {url}: {reason}; check the address, the credentials and the region")
