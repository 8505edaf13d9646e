"""Pictures in idx files, as MNIST and Fashion-MNIST are published.

A folder holds `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`, and `t10k-…` for the test part, each perhaps
with .gz. Format: http://yann.lecun.com/exdb/mnist (magic, sizes as big-endian uint32, then bytes).
"""

from __future__ import annotations

import gzip
import hashlib
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from sortline.catalogue.entry import Split
from sortline.catalogue.sources.item import Closing, Item, Refused, SourceError
from sortline.catalogue.sources.layout import class_name
from sortline.catalogue.sources.png import png

FASHION = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
_IMAGES = re.compile(r"(?P<part>.*?)[-_.]?images[-_.]idx3[-_.]ubyte(\.gz)?", re.IGNORECASE)
_PARTS = {"train": Split.TRAIN, "t10k": Split.TEST, "test": Split.TEST, "val": Split.VALIDATION}
_MOST_PIXELS = 4096 * 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    name: str
    images: Path
    labels: bytes
    height: int
    width: int


class IdxFiles(Closing):
    """Pictures of idx files as PNG, named `train/00012`; labels by `names`, those of Fashion-MNIST, or "0", "1", …

    Raises:
        SourceError: a file is cut short, is no idx file, or pictures and labels do not match.
    """

    kind = "idx"

    def __init__(self, folder: Path, names: Sequence[str] | None = None) -> None:
        self.location = str(folder)
        digest = hashlib.sha256()
        self._parts = [_part(path, digest) for path in idx_images(folder)]
        if not self._parts:
            raise BadIdx(folder, "it holds no …-images-idx3-ubyte file")
        # Training pictures first: a near-duplicate of one then joins its group, and test stays clean.
        self._parts.sort(key=lambda part: (part.name != "train", part.name))
        self.total = sum(len(part.labels) for part in self._parts)
        self.fingerprint = digest.hexdigest()
        self._names = tuple(names) if names else _known_names(folder)
        self.problems: tuple[str, ...] = (
            () if self._names else ("classes have no names here: they are called by their numbers",)
        )

    def items(self, start: int = 0) -> Iterator[Item | Refused]:
        """See `Source`. Each file is read once, front to back."""
        first = 0
        for part in self._parts:
            if start < first + len(part.labels):
                yield from self._items_of(part, first, max(0, start - first))
            first += len(part.labels)

    def _items_of(self, part: _Part, first: int, skip: int) -> Iterator[Item | Refused]:
        size = part.height * part.width
        with _opened(part.images) as file:
            file.seek(16 + skip * size)
            for index in range(skip, len(part.labels)):
                name = f"{part.name}/{index:05d}"
                pixels = file.read(size)
                if len(pixels) < size:
                    raise BadIdx(part.images, f"it was cut short at picture {index:,} since it was opened")
                label = self._label(part.labels[index])
                if label is None:
                    detail = (
                        f"class {part.labels[index]} has no name; only {len(self._names)} names were given"
                    )
                    yield Refused(position=first + index, name=name, code="unknown-category", detail=detail)
                    continue
                yield Item(
                    position=first + index,
                    name=name,
                    label=label,
                    split=_PARTS.get(part.name),
                    read=partial(_encoded, pixels, part.height, part.width),
                )

    def _label(self, number: int) -> str | None:
        if not self._names:
            return str(number)
        return class_name(self._names[number]) if number < len(self._names) else None


def idx_images(folder: Path) -> list[Path]:
    """The folder's files of idx pictures, by name."""
    return sorted(path for path in folder.iterdir() if _IMAGES.fullmatch(path.name) and path.is_file())


def _part(path: Path, digest: hashlib._Hash) -> _Part:
    labels_path = _labels_of(path)
    magic, count, height, width = _header(path, "iiii")
    if magic != 0x803 or min(count, height, width) < 1 or height * width > _MOST_PIXELS:
        raise BadIdx(path, "it is no idx file of pictures (uint8, three dimensions)")
    magic, label_count = _header(labels_path, "ii")
    if magic != 0x801:
        raise BadIdx(labels_path, "it is no idx file of labels (uint8, one dimension)")
    if label_count != count:
        raise BadIdx(labels_path, f"it has {label_count:,} labels for {count:,} pictures")
    _whole(path, 16 + count * height * width, digest)
    labels = _whole(labels_path, 8 + count, digest, keep=True)
    match = cast("re.Match[str]", _IMAGES.fullmatch(path.name))
    part = match["part"].casefold() or "all"
    # EMNIST calls its files emnist-letters-train-…
    name = next((known for known in _PARTS if re.search(rf"(^|[-_.]){known}$", part)), part)
    return _Part(name=name, images=path, labels=labels[8:], height=height, width=width)


def _labels_of(images: Path) -> Path:
    name = re.sub("images", "labels", images.name, flags=re.IGNORECASE)
    name = re.sub("idx3", "idx1", name, flags=re.IGNORECASE)
    stem = name.removesuffix(".gz")
    for candidate in (name, stem, f"{stem}.gz"):
        if (images.parent / candidate).is_file():
            return images.parent / candidate
    raise BadIdx(images, f"its labels are missing: {name} should stand beside it")


def _opened(path: Path) -> BinaryIO:
    # A name may lie about compression: a browser unpacks what it downloads and leaves the name.
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return cast("BinaryIO", gzip.open(path, "rb")) if packed else path.open("rb")


def _header(path: Path, numbers: str) -> tuple[int, ...]:
    layout = struct.Struct(f">{numbers.upper()}")
    try:
        with _opened(path) as file:
            return layout.unpack(file.read(layout.size))
    except (struct.error, EOFError, OSError, zlib.error) as error:
        raise BadIdx(path, "its header cannot be read") from error


def _whole(path: Path, expected: int, digest: hashlib._Hash, *, keep: bool = False) -> bytes:
    """The file's bytes if `keep`; its digest is taken, its length compared, one megabyte at a time."""
    length, kept = 0, []
    try:
        with _opened(path) as file:
            while block := file.read(1 << 20):
                length += len(block)
                digest.update(block)
                if keep:
                    kept.append(block)
                if length > expected:
                    break
    except (EOFError, OSError, zlib.error) as error:
        raise BadIdx(path, f"it was cut short or damaged after {length:,} of {expected:,} bytes") from error
    if length != expected:
        raise BadIdx(
            path, f"it has {length:,}{'+' * (length > expected)} bytes unpacked, its header says {expected:,}"
        )
    return b"".join(kept)


def _known_names(folder: Path) -> tuple[str, ...]:
    return FASHION if "fashion" in folder.resolve().name.casefold() else ()


def _encoded(pixels: bytes, height: int, width: int) -> bytes:
    return png(np.frombuffer(pixels, np.uint8).reshape(height, width))


class BadIdx(SourceError):
    """An idx file that is incomplete, or no idx file."""

    code = "bad-idx"

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"cannot import {path}: {reason}; download it again and compare its checksum")
