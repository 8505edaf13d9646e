"""Golden pictures: drawn here, so that a bundle can carry them whatever its photos' licence."""

import numpy as np
from numpy.typing import NDArray


def draw(size: int) -> NDArray[np.uint8]:
    """Four pictures, (4, size, size, 3) uint8, the same on every machine: gradients, waves, rings and tiles.

    They are smooth, so they compress, and different in colour and frequency, so that every filter has something to do.
    """
    y, x = np.mgrid[0:size, 0:size] / size
    radius = np.hypot(x - 0.5, y - 0.5)
    planes = (
        (x, y, 1 - x),
        (np.sin(9 * x) / 2 + 0.5, np.sin(23 * y) / 2 + 0.5, np.cos(15 * (x + y)) / 2 + 0.5),
        (np.sin(40 * radius) / 2 + 0.5, 1 - radius, radius),
        ((x * 8 // 1 + y * 8 // 1) % 2, (x * 4 // 1 + y * 6 // 1) % 2, x * y),
    )
    return np.stack([np.stack(plane, -1) * 255 for plane in planes]).astype(np.uint8)
