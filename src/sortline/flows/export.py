"""Labelled pictures out of a catalogue, as other programs read them.

Everything is written into a folder beside the target and renamed at the end, so that a target is either whole or not
there. What an export holds can be made again, so it is not flushed to the disk file by file.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from itertools import islice
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from sqlalchemy import Engine

from sortline.catalogue.entry import Split
from sortline.catalogue.image import ImageRecord
from sortline.catalogue.layouts.layout import ExportMember, Format, Layout
from sortline.catalogue.layouts.names import file_names
from sortline.catalogue.layouts.parquet import HuggingFaceLayout, ParquetLayout
from sortline.catalogue.layouts.plain import CocoLayout, CsvLayout, FolderLayout
from sortline.catalogue.store.records import get_records
from sortline.db.session import reading
from sortline.errors import SortlineError
from sortline.flows.pictures import ChangedPicture, MissingPicture, bytes_of
from sortline.storage.blobs import Blobs
from sortline.storage.errors import UnknownBlob

# What stands in a query, and what is in memory of pictures at once: at most 16 × 32 MB.
_CHUNK, _AHEAD = 500, 16
# Reading waits for the disk or the network.
_READERS = 4
SUMMARY = "sortline.json"

One = TypeVar("One")


@dataclass(slots=True, kw_only=True)
class Exported:
    """What came of an export: pictures and bytes written, pictures by class and by split, and what was left out.

    `erased` were deleted for good; `lost` cannot be read: their blobs or files are gone (`lost_examples` names the
    first 20). `unlabelled` have no class; `unsplit` are in split `none`, which only manifests can tell: anywhere else
    a reader would train on them.
    """

    format: Format
    written: int = 0
    bytes: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    erased: int = 0
    lost: int = 0
    lost_examples: list[str] = field(default_factory=list)
    unlabelled: int = 0
    unsplit: int = 0

    @property
    def seen(self) -> int:
        """Members taken or left out so far."""
        return self.written + self.erased + self.lost + self.unlabelled + self.unsplit


def export(
    engine: Engine,
    blobs: Blobs,
    members: Iterable[ExportMember],
    target: Path,
    format: Format,  # noqa: A002 - what users call it
    *,
    facts: Mapping[str, object] | None = None,
    progress: Callable[[Exported], None] = lambda so_far: None,
) -> Exported:
    """The pictures in the folder `target`, as `format` has them; what was written and left out.

    `members` are read as they are needed, and no transaction is open while pictures are. `facts` (JSON) about where
    they come from are kept beside them, in sortline.json. `progress` is called every few pictures; what it raises
    ends the export, and nothing is left of it.

    Raises:
        TargetTaken: there is something at `target` already.
        CannotExport: it cannot be written there.
        MissingParquet: the format needs pyarrow.
    """
    _check(target)
    unfinished = target.absolute().with_name(f".{target.absolute().name}-{uuid4().hex[:12]}.unfinished")
    try:
        with ExitStack() as closing:
            closing.callback(shutil.rmtree, unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            layout = open_layout(format, unfinished)
            closing.callback(layout.close)
            exported = _write_all(
                engine, blobs, members, unfinished, layout, Exported(format=format), progress
            )
            summarise(unfinished / SUMMARY, exported, layout.finish(), facts or {})
            _publish(unfinished, target)
    except OSError as error:
        raise CannotExport(target, error.strerror or str(error)) from error
    return exported


def _write_all(
    engine: Engine,
    blobs: Blobs,
    members: Iterable[ExportMember],
    top: Path,
    layout: Layout,
    exported: Exported,
    progress: Callable[[Exported], None],
) -> Exported:
    for picture, data in contents(engine, blobs, members, layout, exported, progress):
        folder = top / picture.folder
        folder.mkdir(parents=True, exist_ok=True)
        name = _write_new(folder, picture.names, data)
        picture.note(layout, name, exported)
    return exported


def contents(
    engine: Engine,
    blobs: Blobs,
    members: Iterable[ExportMember],
    layout: Layout,
    exported: Exported,
    progress: Callable[[Exported], None] = lambda so_far: None,
) -> Iterator[tuple[Wanted, bytes]]:
    """The pictures that the layout has a place for, and their bytes, read a few ahead; others are counted."""
    with ThreadPoolExecutor(_READERS, thread_name_prefix="export") as pool:
        for chunk in _chunks(members, _CHUNK):
            with reading(engine) as session:
                records = get_records(session, [member.sha256 for member in chunk])
            for part in _chunks(chunk, _AHEAD):
                wanted = list(_wanted(part, records, layout, exported))
                read = pool.map(lambda picture: _read(blobs, picture.record), wanted)
                for picture, data in zip(wanted, read, strict=True):
                    if data is None:
                        _lost(exported, picture.record.sha256)
                    else:
                        yield picture, data
                progress(exported)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A picture to write, and the folder it goes into."""

    record: ImageRecord
    folder: str
    class_name: str
    split: Split
    name: str | None

    @property
    def names(self) -> Sequence[str]:
        """Names for its file, in the order to try them; the last is no other picture's."""
        return file_names(self.name, self.record.sha256, self.record.media_type)

    def note(self, layout: Layout, name: str, exported: Exported) -> None:
        """It was written under this name."""
        layout.add(f"{self.folder}/{name}", self.class_name, self.split, self.record)
        exported.written += 1
        exported.bytes += self.record.bytes
        exported.classes[self.class_name] += 1
        exported.splits[self.split.name.lower()] += 1


def _wanted(
    members: Iterable[ExportMember], records: Mapping[str, ImageRecord], layout: Layout, exported: Exported
) -> Iterator[Wanted]:
    for member in members:
        record = records.get(member.sha256)
        if record is None:
            _lost(exported, member.sha256)
        elif record.erased_at is not None:
            exported.erased += 1
        elif member.class_name is None:
            exported.unlabelled += 1
        elif (folder := layout.folder(member.class_name, member.split)) is None:
            exported.unsplit += 1
        else:
            yield Wanted(
                record=record,
                folder=folder,
                class_name=member.class_name,
                split=member.split,
                name=member.name,
            )


def _read(blobs: Blobs, record: ImageRecord) -> bytes | None:
    try:
        return bytes_of(blobs, record)
    except (UnknownBlob, MissingPicture, ChangedPicture):
        return None


def _write_new(folder: Path, names: Sequence[str], data: bytes) -> str:
    """The first of the names that no file has: the file system knows which, also where it ignores case."""
    for name in names[:-1]:
        try:
            with (folder / name).open("xb") as file:
                file.write(data)
        except FileExistsError:
            continue
        return name
    with (folder / names[-1]).open("xb") as file:
        file.write(data)
    return names[-1]


def _lost(exported: Exported, sha256: str) -> None:
    exported.lost += 1
    if len(exported.lost_examples) < 20:
        exported.lost_examples.append(sha256)


def open_layout(format: Format, top: Path) -> Layout:  # noqa: A002
    """The layout of a format, whose own files lie in `top`.

    Raises:
        MissingParquet: it needs pyarrow.
    """
    match format:
        case Format.FOLDERS:
            return FolderLayout()
        case Format.COCO:
            return CocoLayout(top)
        case Format.CSV:
            return CsvLayout(top)
        case Format.PARQUET:
            return ParquetLayout(top)
        case Format.HUGGING_FACE:
            return HuggingFaceLayout(top)


def summarise(
    path: Path, exported: Exported, found: Mapping[str, object], facts: Mapping[str, object]
) -> None:
    """What was written and left out, and what the layout found, in a file of JSON."""
    counts = {each.name: getattr(exported, each.name) for each in fields(exported)}
    document = dict(facts) | counts | dict(found)
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _check(target: Path) -> None:
    try:
        if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
            raise TargetTaken(target)
    except OSError as error:
        raise CannotExport(target, error.strerror or str(error)) from error


def _publish(unfinished: Path, target: Path) -> None:
    if target.exists():
        # Empty when the export began. If something was put there since, this fails and it stays.
        target.rmdir()
    unfinished.rename(target)


def _chunks(items: Iterable[One], size: int) -> Iterator[list[One]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


class TargetTaken(SortlineError):
    """An export never writes into a folder that holds something."""

    def __init__(self, target: Path) -> None:
        self.target = target
        super().__init__(f"{target} is there already and not an empty folder; export to a new one")


class CannotExport(SortlineError):
    """The folder cannot be written."""

    def __init__(self, target: Path, reason: str) -> None:
        self.target = target
        self.reason = reason
        super().__init__(f"cannot export to {target}: {reason}; nothing was left there")
