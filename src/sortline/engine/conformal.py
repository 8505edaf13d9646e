"""Split conformal prediction: for each picture the classes that cannot be ruled out, with a stated coverage.

Sadinle, Lei and Wasserman 2019, "Least ambiguous set-valued classifiers with bounded error levels": a class is in the
set if its probability is at least the one that a share `coverage` of held-out pictures gave to their true class.
For pictures exchangeable with those, the true class is in the set with at least that probability, whatever the network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class ConformalSets:
    """Makes sets of the classes whose probability is at least `floor`."""

    floor: float

    def __call__(self, probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which classes are in each picture's set, (N, C), from calibrated probabilities (N, C). It may be none."""
        within: NDArray[np.bool_] = probabilities >= np.float32(self.floor)
        return within


def conformal_sets(
    probabilities: NDArray[np.float32], labels: NDArray[np.integer], coverage: float
) -> ConformalSets:
    """Sets that hold the true class with probability `coverage` or more.

    With n held-out pictures, probabilities (n, C) and labels (n,), the floor is the ceil((n + 1) · coverage)-th largest
    probability of a true class. Where that is more than n there are too few pictures to rule anything out: every class
    is in every set.
    """
    given = np.sort(probabilities[np.arange(len(labels)), labels])[::-1]
    # Rounded: 1000 · 0.9 must not become 901 for the last bit of a float.
    rank = math.ceil(round((len(given) + 1) * coverage, 9))
    return ConformalSets(floor=float(given[rank - 1]) if rank <= len(given) else 0.0)
