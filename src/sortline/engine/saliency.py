"""Where the network looked: class activation maps (Zhou et al. 2016)."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def class_activation_map(
    features: NDArray[np.float32], weight: NDArray[np.float32], size: int
) -> NDArray[np.uint8]:
    """How much each place spoke for a class, (size, size): the strongest place is 255, what spoke against is 0.

    Args:
        features: (D, h, w), the network's features before global pooling.
        weight: (D,), the class's row of the linear head.
        size: Side in px of the map, the network's input size.
    """
    evidence = np.maximum(np.tensordot(weight, features, axes=1), 0)
    peak = float(evidence.max())
    coarse = np.round(evidence * (255 / peak if peak > 0 else 0)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))


def png(map_: NDArray[np.uint8]) -> bytes:
    """A map (S, S) as a greyscale PNG."""
    buffer = BytesIO()
    Image.fromarray(map_).save(buffer, "PNG")
    return buffer.getvalue()
