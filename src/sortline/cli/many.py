"""Many files through one classifier: on all cores, in order, with no more of them in memory than are worked on."""

import glob
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sortline.engine.classifier import Classifier, Prediction
from sortline.engine.image import DEFAULT_LIMITS, ImageError, Picture, read
from sortline.engine.routing import Route, route

SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".heif")
)
# Batches handed out ahead of the one whose results are awaited: enough that no core waits.
_AHEAD = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One file: its prediction and verdict, or why there is none."""

    path: Path
    prediction: Prediction | None = None
    route: Route | None = None
    error: str | None = None


def find_files(arguments: Iterable[str]) -> Iterator[Path]:
    """Every file meant: as named, in folders at any depth by their suffix, and by patterns the shell left alone.

    What does not exist is given as it was written, so that reading it tells. Hidden files in folders are left out.
    """
    for argument in arguments:
        path = Path(argument)
        if path.is_dir():
            yield from _in_folder(path)
        elif not path.exists() and glob.has_magic(argument):
            found = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207  # it may be absolute
            yield from find_files(found) if found else [path]
        else:
            yield path


def classify_files(
    classifier: Classifier, paths: Iterable[Path], *, threads: int, batch: int
) -> Iterator[Result]:
    """A result for each file, in order; a file that cannot be read has its error and holds up no other.

    Verdicts are those of the bundle's own policy, without its control share.
    """
    waiting: deque[Future[list[Result]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="classify")
    try:
        remaining = iter(paths)
        while chunk := list(islice(remaining, batch)):
            waiting.append(pool.submit(_classify, classifier, chunk))
            if len(waiting) >= threads * _AHEAD:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _in_folder(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                yield Path(root, name)


def _classify(classifier: Classifier, paths: Sequence[Path]) -> list[Result]:
    read_ = [_read(classifier, path) for path in paths]
    predictions = iter(classifier.predict([picture for picture in read_ if isinstance(picture, Picture)]))
    policy = classifier.bundle.manifest.policy.model_copy(update={"sample_share": 0.0})
    results = []
    for path, picture in zip(paths, read_, strict=True):
        if isinstance(picture, str):
            results.append(Result(path=path, error=picture))
            continue
        prediction = next(predictions)
        verdict = route(prediction, policy, prediction_id="")
        results.append(Result(path=path, prediction=prediction, route=verdict))
    return results


def _read(classifier: Classifier, path: Path) -> Picture | str:
    """The picture, or why it cannot be read."""
    try:
        with path.open("rb") as file:
            # One byte above the limit is enough to be refused, however large the file is.
            data = file.read(DEFAULT_LIMITS.max_bytes + 1)
        return read(data, classifier.preprocessing)
    except ImageError as error:
        return str(error)
    except OSError as error:
        return f"The file cannot be read: {error.strerror}."
