"""COCO annotations beside pictures, in a folder or an archive: one label a picture, or one picture a box.

Roboflow's layout has `_annotations.coco.json` in each of train, valid and test; COCO's own has one file at the root.
Files are found below the annotations' folder, or by a name that only one file has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from sortline.catalogue.entry import Split
from sortline.catalogue.sources.annotations import (
    ANNOTATIONS,
    Annotated,
    BadAnnotations,
    Box,
    is_annotations,
    parse,
)
from sortline.catalogue.sources.crop import Decoded
from sortline.catalogue.sources.files import File, Files
from sortline.catalogue.sources.item import (
    DEFAULT_LIMITS,
    IGNORED,
    Closing,
    FileRefused,
    Item,
    Refused,
    SourceError,
    SourceLimits,
)
from sortline.catalogue.sources.layout import class_name, ignored, placed, printable, split_named, unsafe

# A position that waits for its number: counting all of them then makes no items.
_Row = Callable[[int], Item | Refused]


class Coco(Closing):
    """Annotated pictures in the order of their annotation files, then the files that none of those lists.

    With `crops` each box is a picture, named `file#annotation_id`. `label` is for pictures without a box.

    Raises:
        SourceError: there are no annotations, or they are no COCO.
    """

    kind = "coco"

    def __init__(
        self,
        files: Files,
        *,
        crops: bool = False,
        label: str | None = None,
        only: str | None = None,
        limits: SourceLimits = DEFAULT_LIMITS,
    ) -> None:
        self.location = files.location
        self.fingerprint = files.fingerprint
        self._files = files
        self._crops = crops
        self._label = class_name(label) if label else None
        self._decoded = Decoded()
        self._all = {file.path: file for file in _first_of_each(files)}
        self._by_name = _unique_names(self._all)
        self._annotations: list[tuple[str, list[Annotated]]] = []
        problems = list(files.problems)
        for path in [only] if only else annotation_files(files, list(self._all.values()), limits):
            parsed = parse(_document(files, self._all.get(path), path, limits.annotation_bytes), path)
            self._annotations.append((path, parsed.pictures))
            problems += parsed.problems
        if not self._annotations:
            raise NoAnnotations(self.location)
        self.problems = tuple(problems)
        self.total = sum(1 for _ in self._rows())

    def items(self, start: int = 0) -> Iterator[Item | Refused]:
        """See `Source`."""
        for position, row in enumerate(self._rows()):
            if position >= start:
                yield row(position)

    def close(self) -> None:
        """See `Source`."""
        self._files.close()

    def _rows(self) -> Iterator[_Row]:
        listed: set[str] = set()
        for path, pictures in self._annotations:
            split = _split_of(path)
            for picture in pictures:
                yield from self._rows_of(picture, path, split, listed)
        documents = {path for path, _ in self._annotations}
        for file in self._files.files():
            is_first = file.path in self._all and self._all[file.path].position == file.position
            if is_first and file.path in documents:
                yield partial(_refuse, file.path, IGNORED, "read as annotations")
            elif not is_first or file.path not in listed:
                yield partial(_unlisted, file)

    def _rows_of(
        self, picture: Annotated, annotations: str, split: Split | None, listed: set[str]
    ) -> Iterator[_Row]:
        if picture.bad is not None:
            yield partial(_refuse, picture.name, "bad-row", f"{annotations}: {picture.bad}")
            return
        reason = unsafe(picture.name.removeprefix("./"))
        if reason is not None:
            yield partial(_refuse, picture.name, "unsafe-path", f"{annotations}: {reason}")
            return
        file = self._find(picture.name, annotations)
        if file is None:
            yield partial(
                _refuse, picture.name, "missing-file", f"{annotations} lists it, and it is not there"
            )
        elif file.path in listed:
            yield partial(_refuse, file.path, "duplicate-name", "the annotations list it twice")
        elif file.refusal is not None:
            listed.add(file.path)
            yield partial(_refuse, file.path, *file.refusal)
        else:
            listed.add(file.path)
            split = split or placed(file.path).split
            if self._crops and picture.boxes:
                for box in picture.boxes:
                    yield partial(self._crop, file, picture, box, split)
            else:
                yield partial(self._whole, file, picture.boxes, split)

    def _whole(self, file: File, boxes: Sequence[Box], split: Split | None, position: int) -> Item | Refused:
        unknown = sorted({box.category for box in boxes if box.label is None})
        if unknown:
            return _unknown(file.path, unknown, position)
        labels = sorted({box.label for box in boxes if box.label is not None})
        if len(labels) > 1:
            detail = f"its boxes are of {', '.join(map(repr, labels))}; import with crops to take each box"
            return _refuse(file.path, "disagreeing-boxes", detail, position)
        label = labels[0] if labels else self._label
        if label is None:
            return _refuse(file.path, "no-label", "it has no boxes", position)
        return Item(
            position=position,
            name=printable(file.path),
            label=label,
            split=split,
            read=file.read,
            place=file.place,
        )

    def _crop(
        self, file: File, picture: Annotated, box: Box, split: Split | None, position: int
    ) -> Item | Refused:
        name = f"{file.path}#{box.id}"
        if box.label is None:
            return _unknown(name, [box.category], position)
        if box.is_crowd:
            return _refuse(name, "crowd", "the box holds a crowd of items, not one", position)
        if box.area is None:
            return _refuse(name, "degenerate-box", "the box has no area within the picture", position)
        read = partial(self._decoded.crop, file.read, file.path, picture.size, box.area)
        return Item(position=position, name=printable(name), label=box.label, split=split, read=read)

    def _find(self, name: str, annotations: str) -> File | None:
        folder = annotations.rpartition("/")[0]
        name = name.removeprefix("./")
        for candidate in (f"{folder}/{name}" if folder else name, f"{folder}/images/{name}".lstrip("/")):
            if candidate in self._all:
                return self._all[candidate]
        path = self._by_name.get(name.rpartition("/")[2])
        return self._all[path] if path is not None else None


def annotation_files(
    files: Files, listed: Sequence[File], limits: SourceLimits = DEFAULT_LIMITS
) -> list[str]:
    """The paths of the annotation files: Roboflow's by their name, else COCO JSON at the root or in annotations/."""
    usable = [file for file in listed if _is_document(file)]
    named = sorted(file.path for file in usable if file.path.rpartition("/")[2] == ANNOTATIONS)
    if named:
        return named
    return sorted(
        file.path
        for file in usable
        if file.path.rpartition("/")[0] in ("", "annotations")
        and _is_coco(files, file, limits.annotation_bytes)
    )


def _is_document(file: File) -> bool:
    # The limit on pictures is not one on annotations; a hidden file is neither.
    refused = file.refusal is not None and file.refusal[0] not in ("too-large", "empty")
    parts = file.path.split("/")
    return not refused and parts[-1].casefold().endswith(".json") and not any(map(_hidden, parts))


def _hidden(part: str) -> bool:
    return part.startswith(".") or part == "__MACOSX"


def _is_coco(files: Files, file: File, limit: int) -> bool:
    try:
        return is_annotations(files.document(file, limit))
    except (OSError, SourceError):
        return False


def _document(files: Files, file: File | None, path: str, limit: int) -> bytes:
    if file is None:
        raise NoAnnotations(f"{files.location}/{path}")
    try:
        return files.document(file, limit)
    except (OSError, FileRefused) as error:
        raise BadAnnotations(path, str(error)) from error


def _first_of_each(files: Files) -> Iterator[File]:
    """Files without those that repeat a name: the first is the one."""
    return (file for file in files.files() if file.refusal is None or file.refusal[0] != "duplicate-name")


def _unique_names(files: Mapping[str, File]) -> dict[str, str]:
    """The paths of pictures by their bare name, where only one has it."""
    found: dict[str, str | None] = {}
    for path in files:
        if ignored(path) is None:
            name = path.rpartition("/")[2]
            found[name] = None if name in found else path
    return {name: path for name, path in found.items() if path is not None}


def _split_of(annotations: str) -> Split | None:
    """By the folder (train/_annotations.coco.json), or else by the file's name (instances_val2017.json)."""
    *folders, name = annotations.split("/")
    for word in [*reversed(folders), *re.findall("[A-Za-z]+", name.removesuffix(".json"))]:
        if (split := split_named(word)) is not None:
            return split
    return None


def _unlisted(file: File, position: int) -> Refused:
    reason = ignored(file.path)
    if reason is not None:
        return _refuse(file.path, IGNORED, reason, position)
    if file.refusal is not None:
        return _refuse(file.path, *file.refusal, position)
    return _refuse(file.path, "not-listed", "no annotation file lists it", position)


def _unknown(name: str, categories: Sequence[str], position: int) -> Refused:
    listed = ", ".join(map(printable, categories))
    detail = f"its boxes are of category {listed}, which the annotations do not define"
    return _refuse(name, "unknown-category", detail, position)


def _refuse(name: str, code: str, detail: str, position: int) -> Refused:
    return Refused(position=position, name=printable(name), code=code, detail=printable(detail))


class NoAnnotations(SourceError):
    """There is no annotation file where one was expected."""

    code = "no-annotations"

    def __init__(self, location: str) -> None:
        self.location = location
        super().__init__(f"{location} holds no {ANNOTATIONS} and no other COCO JSON; export the set as COCO")
