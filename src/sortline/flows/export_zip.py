"""An export as one ZIP, made while it is sent: however many pictures, memory and disk stay flat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from zlib import crc32

from sqlalchemy import Engine

from sortline.catalogue.layouts.layout import ExportMember, Format, Layout
from sortline.flows.export import SUMMARY, Exported, contents, open_layout, summarise
from sortline.flows.zip_stream import ZipStream
from sortline.storage.blobs import Blobs

# Bits for each name that is expected: of so few set ones, less than a hundredth of new names seems taken.
_BITS = 128


def export_zip(
    engine: Engine,
    blobs: Blobs,
    members: Iterable[ExportMember],
    format: Format,  # noqa: A002 - what users call it
    *,
    size: int,
    facts: Mapping[str, object],
    scratch: Path,
) -> Iterator[bytes]:
    """The archive, chunk by chunk, of about `size` pictures; what lists them, and sortline.json, come last.

    Those lists, about 200 bytes a picture, are made in a folder below `scratch`, which goes with the iterator.

    Raises:
        MissingParquet: the format needs pyarrow; before the first chunk.
    """
    closing = ExitStack()
    with closing:
        scratch.mkdir(parents=True, exist_ok=True)
        top = Path(closing.enter_context(TemporaryDirectory(prefix="export-", dir=scratch)))
        layout = open_layout(format, top)
        closing.callback(layout.close)
        kept = closing.pop_all()
    return _stream(kept, engine, blobs, members, layout, top, Exported(format=format), size, facts)


def _stream(
    closing: ExitStack,
    engine: Engine,
    blobs: Blobs,
    members: Iterable[ExportMember],
    layout: Layout,
    top: Path,
    exported: Exported,
    size: int,
    facts: Mapping[str, object],
) -> Iterator[bytes]:
    with closing, TemporaryFile(dir=top.parent) as table:
        stream, names = ZipStream(table, datetime.now(UTC)), _Names(size)
        for picture, data in contents(engine, blobs, members, layout, exported):
            # Layouts keep what they list beside the pictures, in folders that are there.
            (top / picture.folder).mkdir(parents=True, exist_ok=True)
            name = names.take(picture.folder, picture.names)
            yield stream.add(f"{picture.folder}/{name}", data)
            picture.note(layout, name, exported)
        summarise(top / SUMMARY, exported, layout.finish(), facts)
        for path in sorted(path for path in top.rglob("*") if path.is_file()):
            with path.open("rb") as file:
                yield from stream.copy(path.relative_to(top).as_posix(), file)
        yield from stream.finish()


class _Names:
    """Which names are taken, in a fixed amount of memory.

    A set bit says that a name may be taken: then the next is tried, and the last, a hash, is nobody else's. A name
    that was taken is never given again.
    """

    def __init__(self, expected: int) -> None:
        self._bits = bytearray(max(1 << 16, expected * _BITS // 8))

    def take(self, folder: str, names: Sequence[str]) -> str:
        """The first of the names that nothing in the folder has, whatever the case; the last in any case."""
        for name in names[:-1]:
            if self._free(f"{folder}/{name}"):
                return name
        self._free(f"{folder}/{names[-1]}")
        return names[-1]

    def _free(self, path: str) -> bool:
        place = crc32(path.casefold().encode()) % (8 * len(self._bits))
        byte, bit = place >> 3, 1 << (place & 7)
        free = not self._bits[byte] & bit
        self._bits[byte] |= bit
        return free
