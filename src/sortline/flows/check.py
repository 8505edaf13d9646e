"""Whether pictures and rows agree, both ways; what does not is told, and mended where that loses nothing.

Both sides are read in the order of their hashes, a batch at a time, so that memory stays flat. While others write, the
two are never read at the same moment: whatever looks wrong is looked at again before it is told.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from sortline.catalogue.store import checking
from sortline.catalogue.store.checking import Known
from sortline.catalogue.store.images import get_image
from sortline.catalogue.store.imports import any_running
from sortline.db.session import Session, reading
from sortline.errors import SortlineError
from sortline.flows.pictures import bytes_of
from sortline.lines import store as lines
from sortline.registry.store import bundle_blobs
from sortline.storage.blobs import Blobs, Stored
from sortline.storage.errors import UnknownBlob
from sortline.training.store.embeddings import segment_blobs
from sortline.training.store.runs import artefact_blobs

BATCH = 500
EXAMPLES = 20
# A picture is on the disk before its row: for milliseconds where a server records, for a chunk's time in an import.
YOUNG_WITH_IMPORT = timedelta(hours=1)
YOUNG = timedelta(seconds=10)
# What else than pictures is kept as blobs: in words, and those that the database names now.
FILES: dict[str, Callable[[Session], Iterable[str]]] = {
    "a bundle's file": bundle_blobs,
    "a file of a run": artefact_blobs,
    "embeddings": segment_blobs,
}
# Of the times that disks and buckets tell; far less than what makes a blob old.
RESOLUTION = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something wrong with a picture: its hash, what, and where the picture is used (`line: name`)."""

    sha256: str
    detail: str
    used: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class Found:
    """How many pictures have a fault of one kind, and the first of them."""

    count: int = 0
    examples: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        """One more."""
        self.count += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(fault)


@dataclass(slots=True, kw_only=True)
class BlobReport:
    """What was found: `orphans` no row names, `young` ones that may be about to get theirs, `removed` of the orphans;
    `missing` pictures, `damaged` ones (other bytes than their hash says), `undead` ones that were erased and whose
    pixels are still there. `files` are blobs that are no pictures, but bundles', runs' and embeddings'.
    """

    blobs: int = 0
    pictures: int = 0
    files: int = 0
    young: int = 0
    removed: int = 0
    orphans: Found = field(default_factory=Found)
    missing: Found = field(default_factory=Found)
    damaged: Found = field(default_factory=Found)
    undead: Found = field(default_factory=Found)

    @property
    def sound(self) -> bool:
        """Whether pictures and rows agree, once what could be mended is."""
        wrong = self.missing.count + self.damaged.count + self.orphans.count + self.undead.count
        return wrong == self.removed


def check_blobs(
    engine: Engine,
    blobs: Blobs,
    *,
    deep: bool = False,
    repair: bool = False,
    progress: Callable[[int], None] = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
) -> BlobReport:
    """How pictures and rows agree.

    `deep` reads every picture and compares its hash; without, sizes are compared. `repair` removes blobs that no row
    names and those of erased pictures; one younger than 10 s is waited for, with an import running one younger than an
    hour is left. `progress` hears how many pictures have been looked at.
    """
    return _Check(engine, blobs, deep, repair, sleep).run(progress)


class _Check:
    """One look at everything."""

    def __init__(
        self, engine: Engine, blobs: Blobs, deep: bool, repair: bool, sleep: Callable[[float], None]
    ) -> None:
        self._engine, self._blobs, self._deep, self._repair, self._sleep = engine, blobs, deep, repair, sleep
        self._report = BlobReport()
        with reading(engine) as session:
            self._names = {line.id: line.name for line in lines.list_lines(session)}
        self._files = self._files_now()
        self._seen: set[str] = set()

    def run(self, progress: Callable[[int], None]) -> BlobReport:
        lonely: list[Stored] = []
        absent: list[Known] = []
        for blob, known in _side_by_side(self._blobs.stored(), self._pictures()):
            self._report.blobs += blob is not None
            self._report.pictures += known is not None
            if known is None and blob is not None and blob.name in self._files:
                self._file(blob)
            elif known is None and blob is not None:
                lonely.append(blob)
            elif known is not None and blob is None:
                absent.append(known)
            elif known is not None and blob is not None:
                self._pair(blob, known)
            if len(lonely) >= BATCH:
                self._orphans(lonely)
                lonely = []
            if len(absent) >= BATCH:
                self._absent(absent)
                absent = []
            progress(self._report.pictures)
        self._orphans(lonely)
        self._absent(absent)
        self._absent_files()
        return self._report

    def _pictures(self) -> Iterator[Known]:
        after = ""
        while True:
            with reading(self._engine) as session:
                page = checking.pictures_after(session, after, BATCH)
            if not page:
                return
            yield from page
            after = page[-1].sha256

    def _files_now(self) -> dict[str, str]:
        """What every blob that is no picture is, by its hash. A few hundred a run: they fit in memory."""
        with reading(self._engine) as session:
            return {sha256: what for what, named in FILES.items() for sha256 in named(session)}

    def _file(self, blob: Stored) -> None:
        self._report.files += 1
        try:
            if self._deep and not self._right(blob.name):
                self._damaged(blob.name, f"its bytes have another hash; it is {self._files[blob.name]}")
        except UnknownBlob:  # gone since it was listed
            return
        self._seen.add(blob.name)

    def _absent_files(self) -> None:
        """Files that were not among the blobs, unless they have come since or are needed no more."""
        lost = sorted(self._files.keys() - self._seen)
        now = self._files_now() if lost else {}
        for sha256 in lost:
            if sha256 in now and not self._blobs.exists(sha256):
                fault = Fault(sha256=sha256, detail=f"its bytes are gone; it is {now[sha256]}")
                self._report.missing.add(fault)

    def _pair(self, blob: Stored, known: Known) -> None:
        if known.erased:
            self._report.undead.add(
                Fault(sha256=known.sha256, detail="it was erased, but its bytes are there")
            )
            if self._repair:
                self._blobs.delete(known.sha256)
                self._report.removed += 1
        elif blob.size != known.bytes:
            self._damaged(known.sha256, f"it has {blob.size} bytes instead of {known.bytes}")
        elif self._deep:
            self._hash(known.sha256)

    def _hash(self, sha256: str) -> None:
        try:
            right = self._right(sha256)
        except UnknownBlob:
            self._absent(list(self._again([sha256]).values()))
            return
        if not right:
            self._damaged(sha256, "its bytes have another hash")

    def _right(self, sha256: str) -> bool:
        return hashlib.sha256(self._blobs.get(sha256)).hexdigest() == sha256

    def _damaged(self, sha256: str, detail: str) -> None:
        self._report.damaged.add(self._fault(sha256, detail))

    def _orphans(self, lonely: Sequence[Stored]) -> None:
        """Blobs without a row: looked at again once they are old enough to have got one."""
        if not lonely:
            return
        old = self._grown(lonely)
        if len(old) < len(lonely) and self._youth() == YOUNG:
            self._sleep(YOUNG.total_seconds())
            # Unless an import has begun meanwhile.
            old = list(lonely) if self._youth() == YOUNG else old
        self._report.young += len(lonely) - len(old)
        known = self._again([blob.name for blob in old]).keys() | self._files_now().keys()
        for blob in old:
            if blob.name in known:
                continue
            # Whoever put it again since it was listed is about to commit its row: then it stays.
            if self._repair and not self._blobs.delete_older(blob.name, blob.modified + RESOLUTION):
                self._report.young += 1
                continue
            self._report.removed += self._repair
            self._report.orphans.add(Fault(sha256=blob.name, detail="no row names it"))

    def _grown(self, lonely: Sequence[Stored]) -> list[Stored]:
        now, youth = datetime.now(UTC), self._youth()
        return [blob for blob in lonely if now - blob.modified >= youth]

    def _youth(self) -> timedelta:
        with reading(self._engine) as session:
            importing = any_running(session, datetime.now(UTC))
        return YOUNG_WITH_IMPORT if importing else YOUNG

    def _absent(self, absent: Sequence[Known]) -> None:
        for known in self._again([known.sha256 for known in absent]).values():
            if known.erased or self._blobs.exists(known.sha256):
                continue
            if known.place is None:
                self._report.missing.add(self._fault(known.sha256, "its bytes are gone"))
            elif problem := self._in_place(known.sha256):
                self._report.missing.add(self._fault(known.sha256, problem))

    def _in_place(self, sha256: str) -> str | None:
        """What is wrong with a picture that was registered where it lies."""
        with reading(self._engine) as session:
            record = get_image(session, sha256)
        if record is None:
            return None
        try:
            if self._deep or not Path(record.place or "").is_file():
                bytes_of(self._blobs, record)
        except SortlineError as error:
            return str(error)
        return None

    def _again(self, sha256s: Sequence[str]) -> dict[str, Known]:
        if not sha256s:
            return {}
        with reading(self._engine) as session:
            return checking.pictures(session, sha256s)

    def _fault(self, sha256: str, detail: str) -> Fault:
        with reading(self._engine) as session:
            uses = checking.uses(session, [sha256])
        used = tuple(
            f"{self._names.get(use.line_id, use.line_id)}: {use.name or sha256[:12]}" for use in uses
        )
        return Fault(sha256=sha256, detail=detail, used=used)


def _side_by_side(
    blobs: Iterator[Stored], pictures: Iterator[Known]
) -> Iterator[tuple[Stored | None, Known | None]]:
    """Both in the order of their hashes, those of the same hash together."""
    blob, known = next(blobs, None), next(pictures, None)
    while blob is not None or known is not None:
        if known is None or (blob is not None and blob.name < known.sha256):
            yield blob, None
            blob = next(blobs, None)
        elif blob is None or known.sha256 < blob.name:
            yield None, known
            known = next(pictures, None)
        else:
            yield blob, known
            blob, known = next(blobs, None), next(pictures, None)
