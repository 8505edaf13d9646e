"""What a bundle said of pictures whose true class is known: the one thing every figure is made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sortline.engine.calibration import softmax
from sortline.errors import SortlineError

# The label of a picture whose class the bundle does not know.
UNKNOWN = -1


class NotNumbers(SortlineError):
    """A network whose answers are not numbers, and for how many of the pictures."""

    def __init__(self, broken: int, total: int) -> None:
        self.broken, self.total = broken, total
        super().__init__(
            f"{broken:,} of {total:,} answers of the network are not finite numbers: its training diverged; "
            "train again at a lower learning rate"
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """A bundle's answers for N pictures.

    classes: in the order of the logits; keys: one a picture, by which two bundles' answers are paired; truth: the name
    of each picture's true class, known to the bundle or not; logits: (N, C) raw; temperature: the bundle's; flagged:
    (N,), whether the picture would go to review as unknown.

    Raises:
        ValueError: the parts do not fit together, or a key comes twice.
        NotNumbers: a logit is not finite.
    """

    classes: tuple[str, ...]
    keys: Sequence[str]
    truth: Sequence[str]
    logits: NDArray[np.float32]
    temperature: float
    flagged: NDArray[np.bool_]

    def __post_init__(self) -> None:
        shape = (len(self.keys), len(self.classes))
        if self.logits.shape != shape or len(self.truth) != shape[0] or self.flagged.shape != shape[:1]:
            raise ValueError(
                f"{shape[0]} keys, {len(self.truth)} true classes, {self.flagged.shape} flags and logits "
                f"{self.logits.shape} for {shape[1]} classes do not fit together"
            )
        if len(set(self.keys)) != shape[0] or len(set(self.classes)) != shape[1]:
            raise ValueError("a key or a class comes twice")
        if not self.temperature > 0:
            raise ValueError(f"a temperature is positive, not {self.temperature}")
        if broken := int((~np.isfinite(self.logits)).any(axis=1).sum()):
            raise NotNumbers(broken, shape[0])

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """The true classes as indices into `classes`, (N,); −1 where the bundle does not know the class."""
        index = {name: i for i, name in enumerate(self.classes)}
        return np.array([index.get(name, UNKNOWN) for name in self.truth], np.int64)

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """Whether the bundle knows the true class, (N,)."""
        known: NDArray[np.bool_] = self.labels != UNKNOWN
        return known

    @cached_property
    def predictions(self) -> NDArray[np.int64]:
        """The class with the largest logit, (N,)."""
        found: NDArray[np.int64] = self.logits.argmax(axis=1)
        return found

    @cached_property
    def probabilities(self) -> NDArray[np.float32]:
        """Calibrated probabilities, (N, C)."""
        return softmax(self.logits, self.temperature)

    @cached_property
    def confidences(self) -> NDArray[np.float32]:
        """The calibrated probability of the predicted class, (N,)."""
        largest: NDArray[np.float32] = self.probabilities.max(axis=1, initial=0.0)
        return largest

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """Which answers are right, (N,); never where the bundle does not know the class."""
        right: NDArray[np.bool_] = np.equal(self.labels, self.predictions)
        return right

    @cached_property
    def reviewed(self) -> NDArray[np.bool_]:
        """What goes to a person, (N,): flagged, or of a class the bundle does not know."""
        return self.flagged | ~self.known

    def take(self, rows: Sequence[int] | NDArray[np.integer]) -> Answers:
        """The answers for some of the pictures, in the order of `rows`."""
        picked = [int(row) for row in rows]
        return Answers(
            classes=self.classes,
            keys=tuple(self.keys[row] for row in picked),
            truth=tuple(self.truth[row] for row in picked),
            logits=self.logits[picked],
            temperature=self.temperature,
            flagged=self.flagged[picked],
        )
