"""Why a blob cannot be kept or read.

SortlineError
├── StorageUnavailable   the folder or the bucket cannot be written or read now
├── UnknownBlob          no such blob is stored
├── InvalidBlobName      a name that is no SHA-256 in hex
└── InvalidBlobsUrl      a URL that names no place for blobs
"""

from __future__ import annotations

from pathlib import Path

from sortline.errors import SortlineError

_FOLDER_ADVICE = (
    "free disk space or make it writable, or choose another with --data-dir or SORTLINE_BLOBS_URL"
)


class StorageUnavailable(SortlineError):
    """Pictures cannot be kept or read now. `place` is a folder, or the URL of a bucket with a prefix."""

    def __init__(self, place: Path | str, reason: str, advice: str = _FOLDER_ADVICE) -> None:
        self.place = place
        self.reason = reason
        kind = "folder" if isinstance(place, Path) else "store"
        super().__init__(f"cannot use the blob {kind} {place}: {reason}; {advice}")


class UnknownBlob(SortlineError):
    """No blob of this hash is stored."""

    def __init__(self, sha256: str) -> None:
        self.sha256 = sha256
        super().__init__(f"no picture {sha256} is stored; it was deleted, or never kept")


class InvalidBlobName(SortlineError):
    """Only a SHA-256 in lower-case hex names a blob, so that no name can leave the folder."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{name[:80]!r} names no picture; use its SHA-256, 64 lower-case hex characters")


class InvalidBlobsUrl(SortlineError):
    """The URL names no place where blobs can be kept. Without what might be a password in it."""

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        self.reason = reason
        super().__init__(
            f"SORTLINE_BLOBS_URL={url}: {reason}; give s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, "
            "az://CONTAINER/PREFIX, file:///FOLDER or memory://"
        )
