"""What lines keep of accepted pictures, and for how long: a job that lets go of the rest and reports it.

A picture is removed only if nothing else needs it: no catalogue, no review, no other line that keeps it. Unlike an
erased one it leaves no tombstone, and may come again. Rows go first, in one transaction with the look at what else
needs them, then files; a kill in between leaves files that no row names, which `sortline data check --repair` removes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from sortline.catalogue.image import ImageRecord
from sortline.catalogue.store.clock import lock_catalogue
from sortline.catalogue.store.forgetting import catalogued, remove_images
from sortline.catalogue.store.images import add_images
from sortline.db.session import Session, reading, writing
from sortline.flows.thumbnails import forget
from sortline.jobs.context import DONE, Context
from sortline.lines.line import Line
from sortline.lines.store import list_lines
from sortline.monitoring.kept_store import kept_before, let_go, still_kept
from sortline.monitoring.recorded import KeptPicture
from sortline.review.store.pictures import in_review
from sortline.storage.blobs import Blobs
from sortline.training.store import embeddings

JOB = "retention"
# Pictures a transaction.
_CHUNK = 100
# A picture's bytes are on the disk before its row, in a server for milliseconds: such young ones are left alone.
_YOUNG = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What a line let go of: `pictures` that are gone with their `bytes`, and `shared` ones that others need."""

    pictures: int = 0
    bytes: int = 0
    shared: int = 0

    def __add__(self, other: Removed) -> Removed:
        return Removed(
            pictures=self.pictures + other.pictures,
            bytes=self.bytes + other.bytes,
            shared=self.shared + other.shared,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Where pictures are kept, with their thumbnails by size."""

    engine: Engine
    blobs: Blobs
    thumbnails: Mapping[int, Blobs]


def retention(kept: Kept, context: Context) -> None:
    """Every line lets go of the accepted pictures that it keeps no longer; the job's log and progress report them."""
    with reading(kept.engine) as session:
        lines = list_lines(session)
    report: dict[str, dict[str, int]] = {}
    for number, line in enumerate(lines):
        context.progress(phase="retention", done=number, total=len(lines))
        report[line.name] = context.step(f"line {line.id}", _step(kept, line, context.check))
        context.log(_words(line, Removed(**report[line.name])))
    context.progress(phase=DONE, removed={name: found for name, found in report.items() if found["pictures"]})


def expire(kept: Kept, line: Line, now: datetime, *, check: Callable[[], object] = lambda: None) -> Removed:
    """What a line let go of now: all that is older than its days, and everything where it keeps nothing."""
    before = _before(line, now)
    total = Removed()
    if before is None and line.keep_accepted > 0:
        return total
    while True:
        check()
        with reading(kept.engine) as session:
            found = kept_before(session, line.id, before, _CHUNK)
        if not found:
            return total
        total += _let_go(kept, line.id, found)


def _before(line: Line, now: datetime) -> datetime | None:
    """Up to when pictures are let go of; None: all or none of them."""
    if line.keep_accepted <= 0 or line.keep_days is None:
        return None
    return now - timedelta(days=line.keep_days)


def _let_go(kept: Kept, line_id: int, found: Sequence[KeptPicture]) -> Removed:
    hashes = sorted({picture.image_sha256 for picture in found})
    begun = datetime.now(UTC)
    with writing(kept.engine) as session:
        # So that no catalogue takes one of them up meanwhile.
        lock_catalogue(session)
        let_go(session, line_id, [picture.prediction_id for picture in found])
        lonely = _lonely(session, hashes)
        embeddings.forget(session, lonely)
        gone = remove_images(session, lonely)
    removed = [record for record in gone if _remove(kept, record, begun - _YOUNG)]
    return Removed(
        pictures=len(removed),
        bytes=sum(record.bytes for record in removed),
        shared=len(hashes) - len(lonely),
    )


def _lonely(session: Session, hashes: Sequence[str]) -> list[str]:
    """The pictures that nothing needs."""
    needed = still_kept(session, hashes) | catalogued(session, hashes) | in_review(session, hashes)
    return [sha256 for sha256 in hashes if sha256 not in needed]


def _remove(kept: Kept, record: ImageRecord, before: datetime) -> bool:
    """Whether a picture's files are gone; where it came again meanwhile, what is known of it is known again."""
    if record.place is None and kept.blobs.delete_older(record.sha256, before):
        forget(kept.thumbnails, record.sha256)
        if not kept.blobs.exists(record.sha256):
            return True
    with writing(kept.engine) as session:
        add_images(session, [record])
    return False


def _step(kept: Kept, line: Line, check: Callable[[], object]) -> Callable[[], dict[str, Any]]:
    return lambda: asdict(expire(kept, line, datetime.now(UTC), check=check))


def _words(line: Line, removed: Removed) -> str:
    days = "for good" if line.keep_days is None else f"for {line.keep_days} days"
    kept = (
        f"{line.keep_accepted:.0%} of accepted pictures, {days}"
        if line.keep_accepted
        else "no accepted pictures"
    )
    shared = f"; {removed.shared} stay for other uses" if removed.shared else ""
    return f"{line.name} keeps {kept}: removed {removed.pictures} ({removed.bytes:,} bytes){shared}"
