"""The bytes of a picture, wherever they lie."""

from __future__ import annotations

import re
from pathlib import Path

from sortline.catalogue.image import ImageRecord
from sortline.catalogue.store.images import get_image
from sortline.db.session import Session
from sortline.engine.canonical import canonical
from sortline.engine.image import DEFAULT_LIMITS, ImageError
from sortline.errors import SortlineError
from sortline.storage.blobs import Blobs

_NAME = re.compile(r"[0-9a-f]{64}")


def picture(session: Session, blobs: Blobs, sha256: str) -> tuple[bytes, str]:
    """The canonical bytes of a picture and their media type.

    Raises:
        UnknownPicture: this installation never kept it.
        ErasedPicture: it was deleted for good.
        ChangedPicture, MissingPicture: it was registered where it lies, and is not there any more as it was.
        UnknownBlob: its blob is gone; `sortline data check` tells which.
    """
    record = get_image(session, sha256) if _NAME.fullmatch(sha256) else None
    if record is None:
        raise UnknownPicture(sha256)
    return bytes_of(blobs, record), record.media_type


def bytes_of(blobs: Blobs, record: ImageRecord) -> bytes:
    """The canonical bytes of a known picture, from its blob or from the file it was registered in.

    Raises:
        ErasedPicture, ChangedPicture, MissingPicture, UnknownBlob: as in `picture`.
    """
    if record.erased_at is not None:
        raise ErasedPicture(record.sha256)
    if record.place is None:
        return blobs.get(record.sha256)
    return _in_place(record.sha256, Path(record.place))


def _in_place(sha256: str, file: Path) -> bytes:
    try:
        # A file that has grown past what could have been registered is another one; it is not read to its end.
        if file.stat().st_size > DEFAULT_LIMITS.max_bytes:
            raise ChangedPicture(sha256, file)
        data = file.read_bytes()
    except OSError as error:
        raise MissingPicture(sha256, file, error.strerror or str(error)) from error
    try:
        found = canonical(data)
    except ImageError as error:
        raise ChangedPicture(sha256, file) from error
    if found.sha256.hex() != sha256:
        raise ChangedPicture(sha256, file)
    return found.data


class UnknownPicture(SortlineError):
    """No picture of this hash was ever kept here."""

    def __init__(self, sha256: str) -> None:
        self.sha256 = sha256
        super().__init__(
            f"no picture {sha256[:80]} is known here; pictures are named by their SHA-256 in hex"
        )


class ErasedPicture(SortlineError):
    """The picture was deleted for good; its place in the versions stays."""

    def __init__(self, sha256: str) -> None:
        self.sha256 = sha256
        super().__init__(f"picture {sha256} was erased; only the fact that it was there is kept")


class MissingPicture(SortlineError):
    """The file of a picture that was registered where it lies cannot be read."""

    def __init__(self, sha256: str, file: Path, reason: str) -> None:
        self.sha256 = sha256
        self.file = file
        self.reason = reason
        super().__init__(f"cannot read {file}, where picture {sha256} was registered: {reason}; put it back")


class ChangedPicture(SortlineError):
    """The file of a picture that was registered where it lies shows another picture now."""

    def __init__(self, sha256: str, file: Path) -> None:
        self.sha256 = sha256
        self.file = file
        super().__init__(
            f"{file} has changed since picture {sha256} was registered there; put the old file back"
        )


class NoExample(SortlineError):
    """A class without a picture to show."""

    def __init__(self, class_name: str) -> None:
        self.class_name = class_name
        super().__init__(f"no picture is labelled {class_name!r} yet; label one, or import some")
