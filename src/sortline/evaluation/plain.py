"""Results as plain JSON: what a program reads back, without NaN or infinity."""

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np


def plain(value: object) -> Any:
    """The value as `json.dumps(…, allow_nan=False)` takes it.

    Dataclasses become objects with their fields in order, arrays and tuples lists; a number that is not finite
    becomes null.

    Raises:
        TypeError: something in it has no plain form.
    """
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.kind in "biu":  # always finite, and a confusion matrix of 200 classes is large
            return value.tolist()
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | int):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    raise TypeError(f"{type(value).__name__} has no plain form")
