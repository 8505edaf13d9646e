"""Kills imports with SIGKILL at random moments, runs them again, and holds the end against the source.

After each kill the same command is run again; when it has come to its end, `sortline data check` must find that rows
and pictures agree, every picture must be there once, and one more import must add nothing.
"""

import json
import os
import random
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from running_server import program
from sortline.catalogue.tables import entries, imports
from sortline.db.engine import connect
from sortline.db.session import reading
from sortline.errors import SortlineError
from sortline.lines.tables import lines

LINE = "killed"
PATIENCE = 600
# Seconds an import lives at most before it is killed.
LONGEST = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of it: kills while the import was under way, runs to the end, and what was found wrong there."""

    kind: str
    kills: int
    rounds: int
    pictures: int
    duplicates: int
    lost: int
    orphans: int
    wrong: int
    added_again: int

    @property
    def sound(self) -> bool:
        """Whether nothing was lost, doubled or left behind."""
        return not (self.duplicates or self.lost or self.orphans or self.wrong or self.added_again)


def kill_imports(
    source: Path, folder: Path, *, kills: int, database_url: str | None = None, longest: float = LONGEST
) -> Verdict:
    """Kills imports of `source` until `kills` have hit one at work, each round to its end in a complete catalogue.

    `longest`: seconds an import lives at most before it is killed. With a database of its own there is one round.

    Raises:
        RuntimeError: an import failed that was not killed.
    """
    clean = folder / "clean"
    whole = _run(["data", "import", source, *_OPTIONS], clean, None)
    expected = len(_pictures(_url(clean, None)))
    hits, found = 0, list[Counter[str]]()
    while not found or (hits < kills and database_url is None):
        data_dir = folder / f"killed-{len(found)}"
        while hits < kills and (outcome := _run_and_kill(source, data_dir, database_url, longest)) != "ended":
            hits += outcome == "hit"
        found.append(_hold(source, data_dir, database_url, expected))
    told = sum(found, Counter())
    return Verdict(
        kind=whole["kind"], kills=hits, rounds=len(found), **{name: told[name] for name in _COUNTS}
    )


_OPTIONS = ("--line", LINE, "--create-line", "--json")
_COUNTS = ("pictures", "duplicates", "lost", "orphans", "wrong", "added_again")


def _run_and_kill(source: Path, data_dir: Path, database_url: str | None, longest: float) -> str:
    """`hit`: killed while at work; `missed`: killed before it began; `ended`: it came to its end first."""
    command = [*program(), "data", "import", str(source), *_OPTIONS]
    url = _url(data_dir, database_url)
    before = _newest(url)
    with subprocess.Popen(
        command, env=_environment(data_dir, database_url), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        while process.poll() is None and _newest(url).runner in (None, before.runner):
            time.sleep(0.005)
        time.sleep(random.uniform(0, longest))
        ended = process.poll()
        process.kill()
        errors = process.communicate()[1]
    if ended not in (None, 0):
        raise RuntimeError(f"the import failed: {errors.decode(errors='replace')[-2000:]}")
    after = _newest(url)
    if after.state == "done":
        return "ended"
    return "hit" if after.runner not in (None, before.runner) else "missed"


def _hold(source: Path, data_dir: Path, database_url: str | None, expected: int) -> Counter[str]:
    """What is wrong once the import has come to its end."""
    told = _run(["data", "import", source, *_OPTIONS], data_dir, database_url)
    check = _run(["data", "check", "--deep", "--json"], data_dir, database_url, allowed=(0, 1))
    again = _run(["data", "import", source, *_OPTIONS], data_dir, database_url)
    names = _pictures(_url(data_dir, database_url))
    faults = check["blobs"]
    return Counter(
        pictures=len(names),
        duplicates=len(names) - len(set(names)),
        lost=abs(expected - len(names)) + abs(told["total"] - sum(told["outcomes"].values())),
        orphans=faults["orphans"]["count"],
        wrong=faults["missing"]["count"] + faults["damaged"]["count"] + (not check["sound"]),
        added_again=again["outcomes"].get("added", 0),
    )


def _run(
    arguments: list[Any], data_dir: Path, database_url: str | None, *, allowed: tuple[int, ...] = (0,)
) -> Any:
    result = subprocess.run(
        [*program(), *map(str, arguments)],
        env=_environment(data_dir, database_url),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if result.returncode not in allowed:
        raise RuntimeError(f"{arguments} ended with {result.returncode}: {result.stderr[-2000:]}")
    return json.loads(result.stdout)


def _environment(data_dir: Path, database_url: str | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "PORT")}
    return kept | {"SORTLINE_DATA_DIR": str(data_dir), "SORTLINE_DATABASE_URL": _url(data_dir, database_url)}


def _url(data_dir: Path, database_url: str | None) -> str:
    return database_url or f"sqlite:///{data_dir.absolute() / 'sortline.db'}"


@dataclass(frozen=True, slots=True)
class _Newest:
    """The newest import: its state, and the process at work on it."""

    state: str | None = None
    runner: str | None = None


def _newest(url: str) -> _Newest:
    """Of the newest import; nothing where there is no database yet."""
    if url.startswith("sqlite") and not Path(url.removeprefix("sqlite:///")).exists():
        return _Newest()
    query = select(imports.c.state, imports.c.runner).order_by(imports.c.id.desc()).limit(1)
    engine = connect(url)
    try:
        with reading(engine) as session:
            row = session.execute(query).one_or_none()
    except (DBAPIError, SortlineError):  # its tables are about to be made
        row = None
    finally:
        engine.dispose()
    return _Newest() if row is None else _Newest(row.state, row.runner)


def _pictures(url: str) -> list[str]:
    """The hash of every picture in the line's catalogue."""
    engine = connect(url)
    with reading(engine) as session:
        mine = entries.c.line_id == select(lines.c.id).where(lines.c.name == LINE).scalar_subquery()
        found = list(session.scalars(select(entries.c.image_sha256).where(mine)))
    engine.dispose()
    return found
