"""Opening what a user points at, whatever its kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from sortline.catalogue.sources.classes import ClassFolders
from sortline.catalogue.sources.coco import Coco, annotation_files
from sortline.catalogue.sources.files import Files
from sortline.catalogue.sources.folder import FolderFiles
from sortline.catalogue.sources.idx import IdxFiles, idx_images
from sortline.catalogue.sources.item import (
    DEFAULT_LIMITS,
    IGNORED,
    FileRefused,
    Item,
    Refused,
    Source,
    SourceError,
    SourceLimits,
)
from sortline.catalogue.sources.manifest import Manifest
from sortline.catalogue.sources.objects import ObjectFiles
from sortline.catalogue.sources.web_pages import WebFiles
from sortline.catalogue.sources.zipped import ZipFiles

__all__ = [
    "DEFAULT_LIMITS",
    "IGNORED",
    "KINDS",
    "FileRefused",
    "Item",
    "Refused",
    "Source",
    "SourceError",
    "SourceLimits",
    "open_source",
]

KINDS = ("folder", "zip", "coco", "manifest", "idx", "prefix")


def open_source(
    location: str,
    *,
    kind: str | None = None,
    crops: bool = False,
    label: str | None = None,
    labels: Sequence[str] | None = None,
    allow_outside: bool = False,
    limits: SourceLimits = DEFAULT_LIMITS,
    store_options: Mapping[str, str] | None = None,
) -> Source:
    """The source at `location`: a path or a URL; its kind is found out unless given.

    `crops` makes one picture of each COCO box. `label` is for pictures that have none by their place. `labels` names
    the classes of idx files in order. `allow_outside` lets a manifest name files outside its own folder: only for the
    person at this machine. `store_options` go to the object store of an s3:// or gs:// prefix.

    Raises:
        SourceError: there is nothing that can be read; the message says what to do.
    """
    if kind is not None and kind not in KINDS:
        raise UnknownKind(location, f"{kind!r} is no kind of source")
    scheme = urlsplit(location).scheme.casefold() if "://" in location else ""
    if scheme or kind == "prefix":
        return _prefix(location, scheme, kind, label=label, limits=limits, options=store_options)
    path = Path(location)
    guessed = kind is None
    kind = kind or _kind_of(path)
    _check_place(path, kind)
    if kind == "manifest":
        return Manifest(path, label=label, allow_outside=allow_outside, limits=limits)
    if kind == "idx":
        return IdxFiles(path if path.is_dir() else path.parent, labels)
    if kind == "coco" and path.suffix.casefold() == ".json":
        beside = FolderFiles(path.parent, limits)
        return Coco(beside, crops=crops, label=label, only=path.name, limits=limits)
    files = FolderFiles(path, limits) if path.is_dir() else ZipFiles(path, limits)
    try:
        if kind == "coco" or (guessed and (crops or _has_annotations(files, limits))):
            return Coco(files, crops=crops, label=label, limits=limits)
        return ClassFolders(files, kind=kind, label=label)
    except BaseException:
        files.close()
        raise


def _prefix(
    location: str,
    scheme: str,
    kind: str | None,
    *,
    label: str | None,
    limits: SourceLimits,
    options: Mapping[str, str] | None,
) -> Source:
    if kind not in (None, "prefix"):
        raise UnknownKind(location, f"an address cannot be read as {kind}; download it first")
    if scheme in ("s3", "gs"):
        return ClassFolders(ObjectFiles(location, options=options, limits=limits), kind="prefix", label=label)
    if scheme not in ("http", "https"):
        raise UnknownKind(location, "only s3://, gs://, http:// and https:// addresses are read")
    if not urlsplit(location).path.endswith("/"):
        raise UnknownKind(
            location, "this is the address of one file; download it first, or end a folder's with '/'"
        )
    return ClassFolders(WebFiles(location, limits), kind="prefix", label=label)


def _kind_of(path: Path) -> str:
    """By what stands there, not by its name alone."""
    if path.is_dir():
        return "idx" if idx_images(path) else "folder"
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise UnknownKind(str(path), error.strerror or str(error)) from error
    suffix = path.suffix.casefold()
    if start[:2] == b"PK" or suffix == ".zip":
        return "zip"
    if start == b"PAR1" or suffix in (".csv", ".tsv", ".txt", ".parquet", ".pq"):
        return "manifest"
    if suffix == ".json":
        return "coco"
    if "idx3" in path.name or "idx1" in path.name:
        return "idx"
    raise UnknownKind(str(path), "it is no folder, ZIP, CSV, TSV, Parquet, COCO JSON or idx file")


def _check_place(path: Path, kind: str) -> None:
    if kind == "folder" and not path.is_dir():
        raise UnknownKind(str(path), "it is no folder")
    if kind in ("zip", "manifest") and not path.is_file():
        raise UnknownKind(str(path), "it is no file")
    if not path.exists():
        raise UnknownKind(str(path), "there is nothing")


def _has_annotations(files: Files, limits: SourceLimits) -> bool:
    # Only files named as annotations, or JSON at the root, are looked at; a set of classes has none or few.
    some = [file for file in files.files() if file.path.endswith(".json")]
    return bool(some) and bool(annotation_files(files, some, limits))


class UnknownKind(SourceError):
    """Nothing here that an import can read."""

    code = "unknown-source"

    def __init__(self, location: str, reason: str) -> None:
        self.location = location
        self.reason = reason
        super().__init__(f"cannot import {location}: {reason}; give one of {', '.join(KINDS)}")
