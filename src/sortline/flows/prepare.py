"""What an import does for each picture before the database hears of it: read, hash, decode, measure, fingerprint.

`prepare` is all of it for one file; `Ahead` has threads do it for a source, in order, a bounded amount ahead of whoever
takes what they made.
"""

from __future__ import annotations

import os
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Generic, TypeVar

from sortline.catalogue.image import ImageRecord
from sortline.catalogue.sources.item import Item, Refused, SourceError
from sortline.engine import image
from sortline.engine.canonical import Canonical, canonical
from sortline.engine.fingerprint import fingerprint
from sortline.engine.image import ImageError, Preprocessing
from sortline.engine.image_formats import Format, sniff
from sortline.engine.quality import measure

# Brightness, sharpness and fingerprint are of the picture at this size, so that those of all pictures compare.
_MEASURED = Preprocessing(size=224)
UNREADABLE = "unreadable"

Given = TypeVar("Given")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A picture ready to be added: the item it came as, its canonical bytes, and what is known of it."""

    item: Item
    canonical: Canonical
    record: ImageRecord


def prepare(item: Item | Refused, *, now: datetime, in_place: bool = False) -> Prepared | Refused:
    """The picture, ready; or why its file is not taken."""
    if isinstance(item, Refused):
        return item
    place = item.place if in_place else None
    try:
        stored, record = measured(item.read(), now=now, source="import", place=place)
    except ImageError as error:
        return _refused(item, code_of(error), str(error))
    except SourceError as error:
        return _refused(item, error.code, str(error))
    except OSError as error:
        return _refused(item, UNREADABLE, f"The file cannot be read: {error.strerror or error}.")
    return Prepared(item=item, canonical=stored, record=record)


def measured(
    data: bytes | memoryview,
    *,
    now: datetime,
    source: str,
    client: str | None = None,
    place: Path | None = None,
) -> tuple[Canonical, ImageRecord]:
    """The canonical bytes of a picture, and what is known of it, fingerprint included.

    Raises:
        ImageError: it cannot be taken.
    """
    stored = canonical(data)
    picture = image.read(stored.data, _MEASURED)
    brightness, sharpness = measure(picture.pixels)
    record = ImageRecord(
        sha256=stored.sha256.hex(),
        media_type=stored.media_type,
        bytes=len(stored.data),
        width=picture.width,
        height=picture.height,
        brightness=float(brightness),
        sharpness=float(sharpness),
        source=source,
        client=client,
        first_seen=now,
        format=sniff(memoryview(data)),
        phash=fingerprint(picture.pixels),
        place=None if place is None else str(place),
    )
    return stored, record


def fingerprint_of(data: bytes) -> tuple[bytes, Format]:
    """The fingerprint of a canonical picture, and its format: what `measured` tells of it.

    Raises:
        ImageError: it cannot be read.
    """
    picture = image.read(data, _MEASURED)
    return fingerprint(picture.pixels), sniff(memoryview(data))


def code_of(error: ImageError) -> str:
    """The stable name of a reason for which a picture is refused, as `corrupt-image`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(error).__name__).lower()


def size_of(made: Prepared | Refused) -> int:
    """Bytes held in memory for it."""
    return len(made.canonical.data) if isinstance(made, Prepared) else 0


class Ahead(Generic[Given, Made]):
    """What `work` makes of each item, in the items' order, made by threads a bounded amount ahead.

    Threads pause while more than `most` results or `most_bytes` (by `size`) wait to be taken; each may then still hold
    the one it is at. `work` must not raise; what `items` raises, `take` raises once all before it was taken.
    """

    def __init__(
        self,
        items: Iterator[Given],
        work: Callable[[Given], Made],
        *,
        threads: int,
        size: Callable[[Made], int],
        most: int = 1000,
        most_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        self._items, self._work, self._size = items, work, size
        self._most, self._most_bytes = most, most_bytes
        self._next_item = threading.Lock()
        self._state = threading.Condition()
        self._slots: deque[_Slot[Made]] = deque()
        self._bytes = self._ready = 0
        self._ended = self._stopped = False
        self._error: BaseException | None = None
        self._threads = [threading.Thread(target=self._make, name="prepare") for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def take(self, most: int, *, seconds: float) -> list[Made]:
        """Up to `most` results in order: waits until there are so many, or no more can come, or time is up.

        An empty list after the end of the items; see `finished`.
        """
        with self._state:
            self._state.wait_for(lambda: self._takeable(most), timeout=seconds)
            taken: list[Made] = []
            while self._slots and len(taken) < most and self._slots[0].made is not None:
                slot = self._slots.popleft()
                self._bytes -= slot.bytes
                self._ready -= 1
                taken.append(slot.made)  # type: ignore[arg-type]  # looked at in the condition
            self._state.notify_all()
            if not taken and self._error is not None and not self._slots:
                raise self._error
            return taken

    @property
    def finished(self) -> bool:
        """Whether everything was taken."""
        with self._state:
            return self._ended and not self._slots and self._error is None

    def close(self) -> None:
        """The threads are gone, each after the item it is at."""
        with self._state:
            self._stopped = True
            self._state.notify_all()
        for thread in self._threads:
            thread.join()

    def _takeable(self, most: int) -> bool:
        if not self._slots:
            return self._ended
        # Full: nobody makes more until some are taken. All made and ended: nobody makes more at all.
        enough = self._ready >= most or self._full() or (self._ended and self._ready == len(self._slots))
        return enough and self._slots[0].made is not None

    def _full(self) -> bool:
        return len(self._slots) >= self._most or self._bytes >= self._most_bytes

    def _make(self) -> None:
        _be_modest()
        while (found := self._pull()) is not None:
            item, slot = found
            made = self._work(item)
            with self._state:
                slot.made, slot.bytes = made, self._size(made)
                self._bytes += slot.bytes
                self._ready += 1
                self._state.notify_all()

    def _pull(self) -> tuple[Given, _Slot[Made]] | None:
        with self._next_item:
            with self._state:
                self._state.wait_for(lambda: self._stopped or not self._full())
                if self._stopped or self._ended:
                    return None
            try:
                item = next(self._items)
            except BaseException as error:  # noqa: BLE001  # raised again where results are taken
                self._end(None if isinstance(error, StopIteration) else error)
                return None
            slot: _Slot[Made] = _Slot()
            with self._state:
                self._slots.append(slot)
            return item, slot

    def _end(self, error: BaseException | None) -> None:
        with self._state:
            self._ended, self._error = True, error
            self._state.notify_all()


@dataclass(slots=True)
class _Slot(Generic[Made]):
    """A result's place in the order; `made` is None until it is there."""

    made: Made | None = field(default=None)
    bytes: int = 0


def _be_modest() -> None:
    # On Linux a thread has a priority of its own. The thread that writes keeps the usual one: set back while it holds
    # SQLite's only write lock, it would keep the server's recorder waiting.
    with suppress(AttributeError, OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


def _refused(item: Item, code: str, detail: str) -> Refused:
    return Refused(position=item.position, name=item.name, code=code, detail=detail)
