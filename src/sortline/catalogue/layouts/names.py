"""Names that every file system takes, and that an import reads as what they are."""

from __future__ import annotations

import re
import unicodedata

from sortline.catalogue.sources.layout import ignored, split_named

SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp"}

# What Windows forbids, and controls; a name may also not end in a dot or a space there, or be a device's.
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f\ud800-\udfff]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_PICTURE = re.compile(r"\.(jpe?g|png|webp|bmp|gif|tiff?|heic|heif)", re.IGNORECASE)
# File systems take 255 bytes; what makes a name unique is added to this.
_MOST_BYTES = 180


class ClassFolders:
    """Folder names for classes: the class's own where a file system takes it, each for one class only."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._taken: set[str] = set()

    def of(self, class_name: str) -> str:
        """The class's folder."""
        if class_name not in self._names:
            name = safe(class_name)
            # train/test/photo.jpg could be read as either split.
            name = name if split_named(name) is None else f"_{name}"
            folder, number = name, 1
            # Many file systems do not tell upper from lower case.
            while folder.casefold() in self._taken:
                number += 1
                folder = f"{name}-{number}"
            self._taken.add(folder.casefold())
            self._names[class_name] = folder
        return self._names[class_name]

    @property
    def names(self) -> dict[str, str]:
        """The classes by their folders."""
        return {folder: name for name, folder in self._names.items()}


def file_names(name: str | None, sha256: str, media_type: str) -> tuple[str, str, str]:
    """Names for a picture's file, in the order to try them: its own, with some of its hash, its hash alone.

    The suffix is that of what the file holds, which may be another than when it was imported.
    """
    suffix = SUFFIXES[media_type]
    stem = _stem(name) if name else ""
    plain = safe(stem) + suffix if stem else sha256 + suffix
    if ignored(plain) is not None:
        plain = sha256 + suffix
    return plain, f"{plain.removesuffix(suffix)}-{sha256[:12]}{suffix}", sha256 + suffix


def safe(name: str) -> str:
    """The name with what a file system refuses replaced by '_'; never empty, hidden or longer than 180 bytes."""
    name = _FORBIDDEN.sub("_", unicodedata.normalize("NFC", name))
    name = name.encode()[:_MOST_BYTES].decode(errors="ignore").rstrip(". ")
    if not name or name.startswith(".") or _DEVICES.fullmatch(name) or ignored(f"{name}/x.jpg") is not None:
        name = f"_{name}"
    return name


def _stem(name: str) -> str:
    """A name as of a file or an address without folders and a picture's suffix."""
    last = re.split(r"[/\\]", name.partition("?")[0] if "://" in name else name)[-1]
    stem, dot, suffix = last.rpartition(".")
    return stem if dot and _PICTURE.fullmatch(dot + suffix) else last
