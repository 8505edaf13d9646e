"""The shadow: another bundle sees what a line saw, after its answer is sent, and what it would have said is counted.

It never slows an answer. Its one thread looks at a picture only while a core is free; what it cannot keep up with is
dropped and counted. A shadow of the live bundle's backbone costs a matrix product on the embedding that is there.
"""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from sortline.engine.classifier import Classifier, Prediction
from sortline.engine.head import Head
from sortline.engine.image import DEFAULT_LIMITS, read
from sortline.serving.live import LiveLine
from sortline.serving.niceness import let_others_first

log = logging.getLogger(__name__)

# Pictures that wait at most, and their bytes.
MAX_WAITING = 64
MAX_BYTES = 32 * 1024 * 1024
# Seconds between two writings of what was counted: a kill loses at most that much.
FLUSH_EVERY_S = 5.0
# Seconds between two looks for a free core.
_PAUSE_S = 0.005

Outcome = Literal["agreed", "disagreed", "dropped"]


class Opinion(NamedTuple):
    """What the live bundle and the shadow said; both classes are '' where the picture was dropped."""

    line_id: int
    shadow_hash: str
    live_hash: str
    live_class: str
    shadow_class: str


@dataclass(frozen=True, slots=True)
class _Sight:
    """A picture that was answered: what is needed to ask the shadow, its bytes only where it must look itself."""

    line: LiveLine
    live: Classifier
    shadow: Classifier
    prediction: Prediction
    data: bytes | memoryview

    @property
    def size(self) -> int:
        return len(self.data)


class Shadow:
    """One thread behind a short queue. `free()` says whether a core is; `keep(counts)` writes what was counted."""

    def __init__(
        self,
        keep: Callable[[Mapping[Opinion, int]], None],
        *,
        free: Callable[[], bool],
        observe: Callable[[str, Outcome], None] = lambda line, outcome: None,
    ) -> None:
        self._keep, self._free, self._observe = keep, free, observe
        self._waiting: deque[_Sight] = deque()
        self._bytes = 0
        self._counts: Counter[Opinion] = Counter()
        self._lock = threading.Lock()
        self._some = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="shadow", daemon=True)

    def start(self) -> None:
        """The thread takes pictures."""
        self._thread.start()

    def close(self) -> None:
        """What was counted is written, and the thread is gone; pictures that still wait are dropped."""
        self._stop.set()
        self._some.set()
        self._thread.join()

    def offer(self, line: LiveLine, data: bytes | memoryview, prediction: Prediction) -> None:
        """The shadow of the line sees the picture soon, or it is dropped; returns at once."""
        if line.shadow is None or line.classifier is None:
            return
        alike = _head_of(line.classifier, line.shadow) is not None
        sight = _Sight(line, line.classifier, line.shadow, prediction, b"" if alike else data)
        with self._lock:
            room = len(self._waiting) < MAX_WAITING and self._bytes + sight.size <= MAX_BYTES
            if room:
                self._waiting.append(sight)
                self._bytes += sight.size
        if room:
            self._some.set()
        else:
            self._count(sight, None)

    def _work(self) -> None:
        let_others_first()
        written = time.monotonic()
        while not self._stop.is_set():
            if (sight := self._next()) is not None:
                self._look(sight)
            else:
                self._some.wait(FLUSH_EVERY_S)
                self._some.clear()
            if time.monotonic() - written >= FLUSH_EVERY_S:
                self._write()
                written = time.monotonic()
        while (sight := self._next()) is not None:
            self._count(sight, None)
        self._write()

    def _next(self) -> _Sight | None:
        with self._lock:
            if not self._waiting:
                return None
            sight = self._waiting.popleft()
            self._bytes -= sight.size
            return sight

    def _look(self, sight: _Sight) -> None:
        while sight.size and not self._free():
            if self._stop.wait(_PAUSE_S):
                break
        try:
            self._count(sight, _ask(sight))
        except Exception:  # the shadow's fault, whatever it is, must never be the line's
            log.exception("the shadow of line %s failed on a picture", sight.line.name)
            self._count(sight, None)

    def _count(self, sight: _Sight, said: str | None) -> None:
        live_class = sight.prediction.class_name
        classes = ("", "") if said is None else (live_class, said)
        opinion = Opinion(sight.line.id, sight.shadow.bundle.hash, sight.live.bundle.hash, *classes)
        with self._lock:
            self._counts[opinion] += 1
        outcome: Outcome = "dropped" if said is None else "agreed" if said == live_class else "disagreed"
        self._observe(sight.line.name, outcome)

    def _write(self) -> None:
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            self._keep(counts)
        except Exception as error:  # noqa: BLE001  # the thread must live on; they are written with the next
            log.warning("what a shadow saw is not written yet: %s", error)
            with self._lock:
                self._counts.update(counts)


def _ask(sight: _Sight) -> str:
    """The class that the shadow says."""
    shadow = sight.shadow
    if (head := _head_of(sight.live, shadow)) is not None:
        logits = sight.prediction.embedding.astype(np.float32) @ head.weight.T + head.bias
        return shadow.classes[int(logits.argmax())]
    picture = read(sight.data, shadow.preprocessing, limits=DEFAULT_LIMITS)
    logits = shadow.runtime.infer(picture.pixels[None]).logits[0]
    return shadow.classes[int(logits.argmax())]


def _head_of(live: Classifier, shadow: Classifier) -> Head | None:
    """The shadow's head where the live bundle's embedding is its own, too."""
    return shadow.head if live.bundle.backbone == shadow.bundle.backbone else None
