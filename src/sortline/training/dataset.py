"""Photos as training keeps them: decoded once, in a file that is mapped into memory.

They are read as serving reads them, by `engine.image`. A file needs no more memory than there is: the system keeps as
much of it in memory as it can, and a run that is taken up again finds its photos decoded.
"""

import json
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortline.engine.image import Preprocessing, read
from sortline.training.durable import write_whole
from sortline.training.moments import Moment, Observer, Pace, unobserved

# libjpeg-turbo and Pillow work outside the GIL; two keep two cores busy and leave a larger machine to its network.
_THREADS = 2
# Photos on their way at any time: what is read ahead stays in memory.
_AHEAD = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Photos:
    """Decoded photos of one size: pixels (N, H, W, 3) uint8 RGB and labels (N,) int64.

    `file` holds the pixels where they lie in one (.npy); another process can map it as well.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    file: Path | None = None

    def __len__(self) -> int:
        return len(self.labels)


def keep_photos(
    items: Iterable[tuple[bytes, int]],
    count: int,
    preprocessing: Preprocessing,
    *,
    folder: Path,
    name: str,
    key: str,
    observe: Observer = unobserved,
) -> Photos:
    """The photos of `count` (bytes, label) pairs, in their order, kept in `folder` under `name`.

    `key` says what they are, such as the hash of a version and the part: if the folder has them under the same key and
    size, whole, `items` is not touched.

    Raises:
        ImageError: one cannot be read.
        ValueError: there are more or fewer than `count`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    marker = folder / f"{name}.json"
    what = {"key": key, "count": count, "size": preprocessing.size, "resize": preprocessing.resize}
    if not (marker.exists() and json.loads(marker.read_text()) == what):
        marker.unlink(missing_ok=True)
        _decode_into(folder, name, items, count, preprocessing, observe)
        write_whole(marker, lambda path: path.write_text(json.dumps(what)))
    file = folder / f"{name}.npy"
    return Photos(
        pixels=np.load(file, mmap_mode="r") if count else _no_pixels(preprocessing),
        labels=np.load(folder / f"{name}.labels.npy"),
        file=file if count else None,
    )


def load_photos(paths: Sequence[Path], labels: Sequence[int], preprocessing: Preprocessing) -> Photos:
    """The photos in memory, as serving would read them at that size; ImageError where one cannot be read."""
    size = preprocessing.size
    pixels = np.empty((len(paths), size, size, 3), np.uint8)
    for path, out in zip(paths, pixels, strict=True):
        read(path.read_bytes(), preprocessing, out=out)
    return Photos(pixels=pixels, labels=np.array(labels, dtype=np.int64))


def find_photos(folder: Path) -> dict[str, Path]:
    """File name → path of every photo in the class folders of `folder`, sorted by path."""
    return {p.name: p for p in sorted(folder.glob("*/*")) if p.suffix.lower() in {".jpg", ".jpeg", ".png"}}


def _decode_into(
    folder: Path,
    name: str,
    items: Iterable[tuple[bytes, int]],
    count: int,
    preprocessing: Preprocessing,
    observe: Observer,
) -> None:
    """The pixels and labels as files of their own, on the disk."""
    labels = np.empty(count, np.int64)
    shape = (count, preprocessing.size, preprocessing.size, 3)

    def fill(path: Path) -> None:
        pixels: Any = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
        _claim(path)
        done, pace = 0, Pace()
        for row in _decoded(items, pixels, labels, preprocessing):
            done = row + 1
            pace.add(1)
            observe(_photos_moment(done, count, pace))
        if done != count:
            raise ValueError(f"{count} photos were promised, {done} came")
        pixels.flush()

    if count:
        write_whole(folder / f"{name}.npy", fill)
    write_whole(folder / f"{name}.labels.npy", lambda path: _save(path, labels))


def _decoded(
    items: Iterable[tuple[bytes, int]],
    pixels: NDArray[np.uint8],
    labels: NDArray[np.int64],
    preprocessing: Preprocessing,
) -> Iterator[int]:
    """Each row when it is filled, in order, a few being decoded at a time."""
    waiting: deque[tuple[int, Future[Any]]] = deque()
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            for row, (data, label) in enumerate(items):
                if row >= len(labels):
                    raise ValueError(f"{len(labels)} photos were promised, more came")
                labels[row] = label
                waiting.append((row, pool.submit(read, data, preprocessing, out=pixels[row])))
                if len(waiting) >= _AHEAD:
                    yield _finished(waiting)
            while waiting:
                yield _finished(waiting)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _finished(waiting: deque[tuple[int, Future[Any]]]) -> int:
    row, future = waiting.popleft()
    future.result()
    return row


def _claim(path: Path) -> None:
    """Takes the file's room on the disk: with a hole in the file, a full disk would be a bus error in mid-write."""
    if hasattr(os, "posix_fallocate"):
        with path.open("rb+") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _photos_moment(done: int, count: int, pace: Pace) -> Moment:
    return Moment(
        phase="photos",
        batch=done,
        batches=count,
        images_per_second=pace.per_second(),
        eta_seconds=pace.seconds_for(count - done),
    )


def _save(path: Path, array: NDArray[Any]) -> None:
    """numpy would add a suffix to a path."""
    with path.open("wb") as file:
        np.save(file, array)


def _no_pixels(preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """np.memmap maps no empty file."""
    return np.empty((0, preprocessing.size, preprocessing.size, 3), np.uint8)
