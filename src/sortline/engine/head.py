"""The linear head of a network: a value, since bundles, detectors and training all hand it on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """logits = embedding @ weight.T + bias; weight (C, D), bias (C,), float32."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
