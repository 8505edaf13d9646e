"""What a file's place says: whether it is meant as a picture, its class, its split.

    train/Glass/x.jpg          class Glass, split train
    Glass/test/x.jpg           class Glass, split test
    data/RealWaste/Glass/x.jpg class Glass: folders that hold everything are descended
    data/x.jpg                 no class, where other pictures stand in folders beside it

The class is the last folder, leaving a split folder aside. Pure: paths are relative and '/'-separated.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sortline.catalogue.entry import Split

SPLITS = {
    "train": Split.TRAIN,
    "training": Split.TRAIN,
    "val": Split.VALIDATION,
    "valid": Split.VALIDATION,
    "validation": Split.VALIDATION,
    "test": Split.TEST,
    "testing": Split.TEST,
}

_LITTER = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}
_LITTER_FOLDERS = {"__macosx", "$recycle.bin", "system volume information"}
# What stands beside pictures and was never meant as one. Anything else is read, and the decoder says what it is.
_COMPANIONS = re.compile(
    "txt|md|rst|jsonl?|[ct]sv|xml|ya?ml|html?|css|js|py|ipynb|sh|bat|ini|cfg|toml|log|pdf|docx?|xlsx?|pptx?|zip|t?gz|tar"
    "|bz2|xz|7z|rar|parquet|np[yz]|h5|hdf5|pt|pth|onnx|pkl|pickle|db|sqlite|names|md5|sha256|lnk|url|torrent|cache"
    "|tfrecord|mat|bib|tex"
)
_COMPANION_NAMES = frozenset(("readme", "license", "licence", "copying", "notice", "changelog", "makefile"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What a path says; None where it says nothing."""

    label: str | None
    split: Split | None


def ignored(path: str) -> str | None:
    """Why nobody meant this file as a picture, or None for a file to read."""
    *folders, name = path.split("/")
    for folder in folders:
        if folder.casefold() in _LITTER_FOLDERS:
            return f"{printable(folder)} is what an operating system leaves"
        if folder.startswith(".") and folder not in (".", ".."):
            return f"in the hidden folder {printable(folder)}"
    if name.casefold() in _LITTER:
        return "left by an operating system"
    if name.startswith("."):
        return "a hidden file"
    stem, dot, suffix = name.rpartition(".")
    if dot and _COMPANIONS.fullmatch(suffix.casefold()):
        return f"a .{suffix.casefold()} file is not a picture"
    if (stem or suffix).casefold() in _COMPANION_NAMES:
        return "stands beside pictures and is none"
    return None


def common_root(paths: Iterable[str]) -> tuple[str, ...]:
    """The folders that hold every one of these pictures and no class: they are left aside.

    A folder in which all pictures lie directly is the one class, not a root.
    """
    common: tuple[str, ...] | None = None
    deeper = False
    previous = None
    for path in paths:
        folder = path.rpartition("/")[0]
        if folder == previous:
            continue
        previous = folder
        parts = tuple(folder.split("/")) if folder else ()
        if common is None:
            common = parts
            continue
        length = _shared(common, parts)
        deeper = deeper or length < len(common) or length < len(parts)
        common = common[:length]
    if not common:
        return ()
    return common if deeper else common[:-1]


def placed(path: str, root: Sequence[str] = ()) -> Placed:
    """The class and the split that the folders of a path below `root` name.

    A split folder counts wherever it stands, also within the root: an archive may hold only `train/`.
    """
    folders = path.split("/")[:-1]
    inner = folders[len(root) :]
    for index, folder in enumerate(inner):
        split = split_named(folder)
        if split is not None:
            # Above the classes (train/Glass), or else below them (Glass/train).
            return Placed(label=_last(inner[index + 1 :]) or _last(inner[:index]), split=split)
    outer = [split for folder in folders[: len(root)] if (split := split_named(folder)) is not None]
    return Placed(label=_last(inner), split=outer[-1] if outer else None)


def split_named(name: str) -> Split | None:
    """The split that a folder or a column names, in any case."""
    return SPLITS.get(name.strip().casefold())


def class_name(raw: str) -> str | None:
    """The name as a class is called: trimmed, NFC, printable; None when nothing is left."""
    return printable(unicodedata.normalize("NFC", raw).strip()) or None


def printable(name: str) -> str:
    """The name with what cannot be shown (control characters, undecodable bytes) as escapes."""
    if name.isprintable():
        return name
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)


def unsafe(path: str) -> str | None:
    """Why a relative path may lead out of its folder, or None."""
    if "\0" in path:
        return "its name holds a NUL character"
    if "\\" in path:
        return "its name holds a backslash"
    if path.startswith("/"):
        return "its path is absolute"
    if len(path) > 1 and path[1] == ":" and path[0].isascii() and path[0].isalpha():
        return "its path names a drive"
    if any(part in ("..", ".", "") for part in path.split("/")):
        return "its path holds '..', '.' or an empty part"
    return None


def _shared(first: tuple[str, ...], second: tuple[str, ...]) -> int:
    length = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        length += 1
    return length


def _last(folders: Sequence[str]) -> str | None:
    return class_name(folders[-1]) if folders else None
