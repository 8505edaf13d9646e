"""Which way of reading pictures a network was made for, told by how many labelled photos it gets right."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sortline.engine.calibration import log_softmax
from sortline.engine.foreign.network import Network
from sortline.engine.foreign.reading import SCALINGS, Reading, Resize, readings
from sortline.engine.foreign.servable import Prepared, load, with_reading
from sortline.engine.image import ImageError, Picture, Preprocessing, read
from sortline.engine.onnx_runtime import OnnxRuntime
from sortline.engine.runtime import Outputs
from sortline.settings import available_cores

# Every way is tried on so many photos, the best ways on more: 20 ways on 300 photos would take minutes.
FEW, MORE, FINALISTS = 60, 300, 4
_BATCH = 8
# Photos in memory at once.
_HELD = 64
# A grey picture has one mean; ImageNet's are of three channels.
_GREY_SCALES = ("unit", "signed", "raw")


# Called as it comes on: what is being done, how much of it is done and how much there is (0: not counted).
Observer = Callable[[str, int, int], None]


def unobserved(what: str, done: int, total: int) -> None:
    """An observer that looks away."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo on disk and the index of its class."""

    path: Path
    label: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One way of reading and what came of it: the true classes and the answers, each (N,), and `loss`, the mean of
    −log p of the true class, lower is better.
    """

    reading: Reading
    labels: NDArray[np.int64]
    predictions: NDArray[np.int64]
    loss: float

    @property
    def hits(self) -> NDArray[np.bool_]:
        """Which answers were right, (N,)."""
        return np.equal(self.labels, self.predictions)

    @property
    def right(self) -> int:
        """How many answers were right."""
        return int(self.hits.sum())

    @property
    def total(self) -> int:
        """How many photos were asked about."""
        return len(self.labels)

    @property
    def accuracy(self) -> float:
        """Share of right answers, 0..1."""
        return self.right / self.total


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a network said of labelled photos: `outputs` of those that could be read, `photos` which these are."""

    photos: tuple[Photo, ...]
    outputs: Outputs

    @property
    def labels(self) -> NDArray[np.int64]:
        """The true classes, (N,)."""
        return np.array([photo.label for photo in self.photos], np.int64)


def ways(network: Network) -> tuple[Reading, ...]:
    """Every way of reading that can make a difference to a network."""
    scales = tuple(SCALINGS) if network.channels == 3 else _GREY_SCALES
    return tuple(readings(scales=scales if network.scaled else ("raw",), coloured=network.channels == 3))


def measure(
    prepared: Prepared,
    photos: Sequence[Photo],
    candidates: Sequence[Reading],
    observe: Observer = unobserved,
) -> tuple[Tried, ...]:
    """How each way of reading does, the best first: most right answers, then the lowest loss.

    All are tried on a few photos, the best of them on more. A photo that cannot be read counts for no way, and where
    all photos are square the two resize rules are one.
    """
    few, more = spread(photos, FEW), spread(photos, MORE)
    first = _trials(prepared, few, candidates, observe)
    if len(more) == len(few):
        return first
    best = sorted(tried.reading for tried in first[:FINALISTS])
    best.sort(key=lambda reading: reading.resize)  # photos are read once for each rule
    return (*_trials(prepared, more, best, observe), *first[FINALISTS:])


def pick(tried: Sequence[Tried]) -> Tried:
    """The way to take: the best, or the best with the usual order of channels if that is within one standard error.

    Where a network knows little of the photos, ways differ by a few answers, and the unusual order wins now and then.
    """
    best = tried[0]
    usual = next((each for each in tried if each.reading.usual and each.total == best.total), best)
    return best if better(best, usual, errors=1) else usual


def better(one: Tried, other: Tried, *, errors: float) -> bool:
    """Whether the first got more right, by so many standard errors of the photos on which they differ (McNemar 1947);
    by a tenth of all where they saw different photos.
    """
    if one.total != other.total:
        return one.accuracy - other.accuracy > 0.1
    gained, lost = int((one.hits & ~other.hits).sum()), int((other.hits & ~one.hits).sum())
    return gained > lost and (gained - lost) ** 2 > errors**2 * (gained + lost)


def _trials(
    prepared: Prepared,
    photos: Sequence[Photo],
    candidates: Sequence[Reading],
    observe: Observer,
) -> tuple[Tried, ...]:
    found: list[Tried] = []
    what = f"trying {len(candidates)} ways of reading pictures on {len(photos)} photos"
    observe(what, 0, len(candidates))
    seen: _Seen | None = None
    for reading in candidates:
        if seen is None or seen.resize != reading.resize:
            if seen is not None and seen.square:
                break
            seen = _see(photos, reading.preprocessing(prepared.network.size))
        if not seen.photos:
            break
        logits = infer(load(with_reading(prepared, reading)), seen.pixels).logits
        labels = np.array([photo.label for photo in seen.photos])
        loss = -float(log_softmax(logits)[np.arange(len(labels)), labels].mean())
        found.append(Tried(reading=reading, labels=labels, predictions=logits.argmax(axis=1), loss=loss))
        observe(what, len(found), len(candidates))
    return tuple(sorted(found, key=lambda tried: (-tried.right, tried.loss)))


def ask(
    runtime: OnnxRuntime,
    photos: Sequence[Photo],
    preprocessing: Preprocessing,
    observe: Observer = unobserved,
) -> Asked | None:
    """What a bundle's network says of photos, read as serving reads them; those that cannot be read are left out.
    None where that leaves none.
    """
    kept: list[Photo] = []
    parts: list[Outputs] = []
    for start in range(0, len(photos), _HELD):
        observe("asking it about the photos", start, len(photos))
        seen = _see(photos[start : start + _HELD], preprocessing)
        if seen.photos:
            kept += seen.photos
            parts.append(infer(runtime, seen.pixels))
    return Asked(photos=tuple(kept), outputs=_joined(parts)) if parts else None


def infer(runtime: OnnxRuntime, pixels: NDArray[np.uint8]) -> Outputs:
    """Logits and embeddings for pictures (N, S, S, 3), a core a batch."""
    batches = [pixels[start : start + _BATCH] for start in range(0, len(pixels), _BATCH)]
    with ThreadPoolExecutor(available_cores()) as pool:
        return _joined(list(pool.map(runtime.infer, batches)))


def spread(photos: Sequence[Photo], most: int) -> list[Photo]:
    """At most so many photos, of every class about as many, evenly from those it has; the same ones each time."""
    by_class: dict[int, list[Photo]] = {}
    for photo in photos:
        by_class.setdefault(photo.label, []).append(photo)
    share, chosen = most, list[Photo]()
    for index, label in enumerate(sorted(by_class, key=lambda label: len(by_class[label]))):
        # The smallest classes first, so that what they do not need goes to the others.
        room = share // (len(by_class) - index)
        taken = list(_evenly(by_class[label], room))
        share -= len(taken)
        chosen += taken
    return sorted(chosen, key=lambda photo: (photo.label, photo.path))


def _evenly(photos: Sequence[Photo], most: int) -> Iterator[Photo]:
    count = min(most, len(photos))
    return (photos[index * len(photos) // count] for index in range(count))


class _Seen(NamedTuple):
    """Photos that could be read, (N, S, S, 3), by which rule, and whether all were square before."""

    photos: list[Photo]
    pixels: NDArray[np.uint8]
    resize: Resize
    square: bool


def _see(photos: Sequence[Photo], preprocessing: Preprocessing) -> _Seen:
    def one(photo: Photo) -> Picture | None:
        try:
            return read(photo.path.read_bytes(), preprocessing)
        except (ImageError, OSError):
            return None

    with ThreadPoolExecutor(available_cores()) as pool:
        found = list(pool.map(one, photos))
    kept = [photo for photo, picture in zip(photos, found, strict=True) if picture is not None]
    pictures = [picture for picture in found if picture is not None]
    size = preprocessing.size
    pixels = (
        np.stack([each.pixels for each in pictures]) if pictures else np.empty((0, size, size, 3), np.uint8)
    )
    return _Seen(kept, pixels, preprocessing.resize, all(each.width == each.height for each in pictures))


def _joined(parts: Sequence[Outputs]) -> Outputs:
    return Outputs(
        logits=np.concatenate([part.logits for part in parts]),
        embedding=np.concatenate([part.embedding for part in parts]),
    )
