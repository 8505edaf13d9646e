"""The wheel, built from a clean copy and installed in an empty environment without Node, serves the web app."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[1]
NO_NETWORK = ("Could not find a version", "No matching distribution", "connection", "Temporary failure")


def test_the_wheel_serves_the_web_app(tmp_path: Path) -> None:
    """Its page and everything that names, with no Node in reach; what it depends on is this environment's."""
    python = installed(wheel(copy(tmp_path / "copy"), tmp_path), tmp_path / "venv")
    with serving(python, tmp_path) as url:
        page = httpx.get(url, headers={"Accept": "text/html"}).text
        named = re.findall(r'(?:src|href)="(/[^"]+)"', page)
        answers = {path: httpx.get(url + path).status_code for path in named}
    assert any(path.startswith("/assets/") for path in answers)
    assert set(answers.values()) == {200}


def copy(folder: Path) -> Path:
    """What is committed, and Node's packages."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone: there is nothing to take a clean copy of")
    folder.mkdir()
    packed = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x"], cwd=folder, input=packed, check=True)
    bring_node_packages(folder / "frontend")
    return folder


def bring_node_packages(frontend: Path) -> None:
    """Node's packages of this clone as links, where they are as its lock says: they need not be fetched again."""
    ours, lock = ROOT / "frontend" / "node_modules", ROOT / "frontend" / "package-lock.json"
    there = ours / ".package-lock.json"
    if not there.exists() or there.stat().st_mtime < lock.stat().st_mtime:
        return
    if subprocess.run(["cp", "-al", ours, frontend], stderr=subprocess.DEVNULL).returncode:
        shutil.rmtree(frontend / "node_modules", ignore_errors=True)  # another file system
    else:
        os.utime(frontend / "package-lock.json", (0, 0))  # older than what was installed from it


def wheel(sources: Path, folder: Path) -> Path:
    """The wheel of the sources, built as pip builds it: in an environment that it makes for that."""
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), "."]
    made = subprocess.run(pip, cwd=sources, capture_output=True, text=True)
    if made.returncode and any(words in made.stderr for words in NO_NETWORK):
        pytest.skip("the build's own tools cannot be fetched: no network")
    assert made.returncode == 0, made.stderr
    return next(folder.glob("sortline-*.whl"))


def installed(wheel: Path, folder: Path) -> Path:
    """The Python of a new environment with the wheel."""
    venv.create(folder)
    python = folder / "bin" / "python"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-deps",
        str(wheel),
    ]
    subprocess.run(pip, check=True)
    return python


@contextmanager
def serving(python: Path, folder: Path) -> Iterator[str]:
    """A server of that environment and no other; its dependencies are found, and Node is not."""
    # On PYTHONPATH this environment's packages are found, its editable install of this repository is not.
    only = {"PATH": str(python.parent), "PYTHONPATH": sysconfig.get_path("purelib"), "HOME": str(folder)}
    where = subprocess.run(
        [python, "-c", "import sortline; print(sortline.__file__)"], env=only, check=True, capture_output=True
    )
    assert Path(where.stdout.decode().strip()).is_relative_to(python.parents[1])
    log = folder / "server.log"
    command = [python, "-m", "sortline.cli.main", "serve", "--port", "0", "--data-dir", str(folder / "data")]
    with log.open("wb") as output:
        server = subprocess.Popen(command, env=only, stdout=output, stderr=output)
    try:
        while (found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text())) is None:
            assert server.poll() is None, log.read_text()
            time.sleep(0.05)
        yield found[0]
    finally:
        server.terminate()
        server.wait()
