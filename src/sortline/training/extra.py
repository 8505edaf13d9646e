"""Whether a fine-tune can be done here: what the extra `train` installs, looked for without being loaded."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from sortline.errors import SortlineError

_NEEDED = ("torch", "torchvision", "timm", "safetensors")


class TrainingExtraMissing(SortlineError):
    """PyTorch is not installed where a fine-tune would be done: in this process (`here`), or where the worker runs."""

    def __init__(self, *, here: bool = False) -> None:
        self.here = here
        # Whoever is told over HTTP is told no path of the server.
        python, where = (sys.executable, "here") if here else ("python", "where the worker runs")
        again = "" if here else " there, and start the worker again"
        super().__init__(
            f"fine-tuning needs PyTorch, which is not installed {where}; to install it: {python} -m pip install "
            f"'sortline[train]'{again}. A probe needs nothing more."
        )


def can_finetune() -> bool:
    """Whether this Python has what a fine-tune needs."""
    return all(_there(name) for name in _NEEDED)


def _there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ValueError:  # it is blocked, or half loaded
        return False
