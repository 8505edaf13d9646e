"""The command `sortline` in a process of its own, away from the tester's settings."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Sortline = Callable[..., subprocess.CompletedProcess[str]]


def environment(tmp_path: Path) -> dict[str, str]:
    """The environment without settings, but a data folder of the test's own and a runtime that needs no measuring."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SORTLINE_") and name not in {"DATABASE_URL", "PORT"}
    }
    return kept | {"SORTLINE_DATA_DIR": str(tmp_path / "data"), "SORTLINE_RUNTIME": "onnxruntime"}


@pytest.fixture
def sortline(tmp_path: Path) -> Sortline:
    """Runs `sortline ARGUMENTS…`, with further variables as keywords, and gives what came out."""

    def run(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "sortline.cli.main", *map(str, arguments)],
            env=environment(tmp_path) | variables,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run
