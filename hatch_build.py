"""The package's build step: the web app, where its sources have changed since it was last built.

A source distribution carries the built app, so a wheel made from it needs no Node.
"""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent / "frontend"))
import build as frontend


class WebAppHook(BuildHookInterface[Any]):
    """Runs before a wheel, an editable install or a source distribution is made."""

    def dependencies(self) -> list[str]:
        """Node from PyPI, only where something is to be built and the system has none."""
        return [] if frontend.is_current() or frontend.has_node() else [frontend.NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """The app is built if it is stale."""
        if not frontend.is_current():
            self.app.display_info("Building the web app")
            frontend.build()
