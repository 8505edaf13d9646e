"""From frozen values to the rows they are stored as."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any


def row_of(value: Any) -> dict[str, Any]:
    """The fields of a dataclass by name, as a table with columns of the same names takes them."""
    kind: Any = type(value)
    names, read = _reader(kind)
    return dict(zip(names, read(value), strict=True))


@cache
def _reader(kind: Any) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    # `dataclasses.asdict` copies deeply; this does not, and the recorder
    # calls it for every prediction.
    names = tuple(field.name for field in fields(kind))
    return names, attrgetter(*names)
