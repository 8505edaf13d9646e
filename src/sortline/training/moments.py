"""What a fine-tuning run tells while it runs, and the log that it leaves: one row an epoch."""

import csv
import dataclasses
import io
import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sortline.training.durable import write_text

Phase = Literal["photos", "features", "head", "all layers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One row of the log; validation figures are those of the averaged weights, None where there is no photo for it."""

    epoch: int
    progress: float  # of phase 2, 0..1
    size: int  # px
    learning_rate: float
    train_loss: float
    validation_loss: float | None
    validation_accuracy: float | None
    images_per_second: float
    seconds: float
    total_minutes: float

    @property
    def rank(self) -> tuple[float, ...]:
        """Higher is better; without validation, later is better."""
        if self.validation_accuracy is None or self.validation_loss is None:
            return (float(self.epoch),)
        return (self.validation_accuracy, -self.validation_loss)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """How far a run is.

    In `photos` and `features` a batch is one photo, in `head` one step, in `all layers` one batch of `epoch`. `log` has
    every epoch that has ended, those before a resume as well; `ended` is true once an epoch, when it stands there and
    in the checkpoint.
    """

    phase: Phase
    batch: int
    batches: int
    epoch: int = 0
    epochs: int = 0
    images_per_second: float | None = None
    eta_seconds: float | None = None
    size: int | None = None
    learning_rate: float | None = None
    train_loss: float | None = None
    log: tuple[Epoch, ...] = ()
    ended: bool = False


# Whatever it raises ends the run, with the checkpoint kept.
Observer = Callable[[Moment], None]


def unobserved(moment: Moment) -> None:
    """Nobody looks."""


class Pace:
    """Units done per second over the last minute or so, and the seconds that the rest will take."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque([(time.monotonic(), 0)], maxlen=64)
        self._done = 0

    def add(self, units: int) -> None:
        """So many more are done."""
        self._done += units
        self._marks.append((time.monotonic(), self._done))

    def per_second(self) -> float | None:
        """None before the first."""
        (since, before), (now, done) = self._marks[0], self._marks[-1]
        return (done - before) / (now - since) if done > before and now > since else None

    def seconds_for(self, units: int) -> float | None:
        """At the present pace; None before the first."""
        pace = self.per_second()
        return None if pace is None else units / pace


def write_log(folder: Path, epochs: Sequence[Epoch]) -> None:
    """training_log.csv and training_log.json: every epoch so far."""
    rows = [dataclasses.asdict(epoch) for epoch in epochs]
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in dataclasses.fields(Epoch)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    for name, content in (("csv", text.getvalue()), ("json", json.dumps(rows, indent=1) + "\n")):
        write_text(folder / f"training_log.{name}", content)
