"""Sortline: a sorting line for images.

>>> import sortline
>>> sortline.load("waste").classify("photo.jpg").class_name  # doctest: +SKIP
'Glass'
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sortline.engine.packaged import load

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def __getattr__(name: str) -> Any:
    # Loaded on demand: `import sortline` alone stays instant, and the version readable without the engine.
    if name == "load":
        from sortline.engine.packaged import load

        return load
    raise AttributeError(f"module 'sortline' has no attribute {name!r}")
