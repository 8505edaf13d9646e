"""A source whose folders name the classes: over a folder, an archive or a prefix."""

from __future__ import annotations

from collections.abc import Iterator

from sortline.catalogue.sources.files import File, Files
from sortline.catalogue.sources.item import IGNORED, Closing, Item, Refused
from sortline.catalogue.sources.layout import class_name, common_root, ignored, placed, printable


class ClassFolders(Closing):
    """Pictures with the class and split that their path names; see `layout`.

    `label` is for pictures in no class folder.
    """

    def __init__(self, files: Files, *, kind: str, label: str | None = None) -> None:
        self.kind = kind
        self.location = files.location
        self.total = files.total
        self.fingerprint = files.fingerprint
        self.problems = files.problems
        self._files = files
        self._label = class_name(label) if label else None
        self._root = common_root(
            file.path for file in files.files() if file.refusal is None and not ignored(file.path)
        )

    def items(self, start: int = 0) -> Iterator[Item | Refused]:
        """See `Source`."""
        for file in self._files.files(start):
            yield self._judged(file)

    def close(self) -> None:
        """See `Source`."""
        self._files.close()

    def _judged(self, file: File) -> Item | Refused:
        name = printable(file.path)
        reason = ignored(file.path)
        if reason is not None:
            return Refused(position=file.position, name=name, code=IGNORED, detail=reason)
        if file.refusal is not None:
            code, detail = file.refusal
            return Refused(position=file.position, name=name, code=code, detail=detail)
        where = placed(file.path, self._root)
        label = where.label or self._label
        if label is None:
            return Refused(
                position=file.position, name=name, code="no-label", detail=_no_label(where.split is not None)
            )
        return Item(
            position=file.position,
            name=name,
            label=label,
            split=where.split,
            read=file.read,
            place=file.place,
        )


def _no_label(in_split: bool) -> str:
    where = "directly in a folder that names a split" if in_split else "in no class folder"
    return (
        f"it lies {where}; move it into a folder named after its class, or give one label for such pictures"
    )
