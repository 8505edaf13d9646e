"""Blobs by content hash (SHA-256): what `put_many` returned from survives a power cut."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import SplitResult, urlsplit
from urllib.request import url2pathname

from sortline.storage.errors import InvalidBlobName, InvalidBlobsUrl

# Blobs lie in a folder named by the first two characters of their hash, on disks and in buckets alike, so that one can
# be copied to the other; each is small enough to be sorted in memory when millions are listed.
FOLDERS = tuple(f"{number:02x}" for number in range(256))
_NAME = re.compile(r"[0-9a-f]{64}")
_BUCKETS = ("s3", "gs", "az")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A blob that is there: its SHA-256 in hex, its size in bytes, and when it was last put (an aware time)."""

    name: str
    size: int
    modified: datetime


class Blobs(Protocol):
    """Bytes under their SHA-256 in hex. Any thread may call.

    Every method raises StorageUnavailable where the disk or the bucket does not answer, and InvalidBlobName for a name
    that is no hash.
    """

    def put_many(self, blobs: Sequence[tuple[str, bytes]]) -> None:
        """The blobs, as (name, bytes), survive a power cut from now on.

        One that is there with the same size may be left as it is, and counts as put now.

        Raises:
            StorageUnavailable: not all are kept; no part of a blob is visible.
        """

    def get(self, sha256: str) -> bytes:
        """The blob's bytes.

        Raises:
            UnknownBlob: it is not stored.
        """

    def exists(self, sha256: str) -> bool:
        """Whether the blob is stored."""

    def delete(self, sha256: str) -> None:
        """The blob is not stored any more, if it ever was."""

    def delete_older(self, sha256: str, than: datetime) -> bool:
        """Whether the blob is not stored any more; one that was put since `than` (an aware time) stays.

        A bucket is asked and then told: what is put within the milliseconds in between is lost.
        """

    def stored(self) -> Iterator[Stored]:
        """All blobs, ascending by name, a few thousand at a time in memory.

        One that is put or deleted meanwhile may be among them or not.
        """

    def close(self) -> None:
        """Threads and connections are gone."""


def open_blobs(url: str | None, folder: Path, prefix: str = "", *, durable: bool = True) -> Blobs:
    """The blobs at a URL (`s3://bucket/…`, `gs://…`, `az://…`, `file:///…`, `memory://`), or in a folder if None.

    A `prefix` as "thumbnails/128" is a store of its own below that place. One that is not `durable` holds what can be
    made again, under names that need not be the hash of the bytes: it is opened without a look at the disk or the
    bucket, what a disk holds of it may be lost in a power cut, and a put replaces what has another size.

    Raises:
        InvalidBlobsUrl: the URL is none of these.
        StorageUnavailable: the folder cannot be made, the bucket is not there or refuses the credentials.
    """
    # Each kind is imported by who uses it: obstore is not worth its start to those who have a disk.
    from sortline.storage.local import LocalBlobs

    if url is None:
        return LocalBlobs(folder / prefix, durable=durable)
    parts = _checked(url)
    if parts.scheme == "file":
        return LocalBlobs(Path(url2pathname(parts.path)) / prefix, durable=durable)
    from sortline.storage.objects import ObjectBlobs, open_bucket

    if parts.scheme == "memory":
        return ObjectBlobs()
    path = "/".join(part for part in (parts.path.strip("/"), prefix) if part)
    blobs = open_bucket(parts.scheme, parts.netloc, path)
    if durable:
        blobs.ask()
    return blobs


def valid_name(sha256: str) -> str:
    """The name itself.

    Raises:
        InvalidBlobName: it is no SHA-256 in lower-case hex.
    """
    if not _NAME.fullmatch(sha256):
        raise InvalidBlobName(sha256)
    return sha256


def is_name(name: str) -> bool:
    """Whether it is a SHA-256 in lower-case hex."""
    return _NAME.fullmatch(name) is not None


def _checked(url: str) -> SplitResult:
    parts = urlsplit(url)
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise InvalidBlobsUrl(shown, "credentials and options go into variables of their own")
    if parts.scheme in _BUCKETS and not parts.netloc:
        raise InvalidBlobsUrl(shown, "it names no bucket")
    if parts.scheme == "file" and (parts.netloc or len(parts.path) < 2):
        raise InvalidBlobsUrl(shown, "it names no folder by its whole path")
    if parts.scheme not in (*_BUCKETS, "file", "memory"):
        raise InvalidBlobsUrl(shown, "blobs cannot be kept there")
    return parts
