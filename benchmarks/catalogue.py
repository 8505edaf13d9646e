"""What versions, insights and pages cost in a line with a million pictures and a thousand versions.

    python benchmarks/catalogue.py [--quick] [--database-url URL] [--no-import]

Builds the line through the same functions an import uses (million.py), then measures over many different versions, each
in a transaction of its own on a new connection. The last line is JSON: `child_ms_1m`, `insights_ms_1m`, `page_ms_1m`,
`diff_ms_1m` in milliseconds (medians), `import_ratio` and `p99_ratio_importing` (importing.py), and more.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import psutil
from sqlalchemy import Engine

import importing
from importing import own_schema
from million import Built, build
from sortline.catalogue.entry import EntryFilter, Split
from sortline.catalogue.store.changes import diff
from sortline.catalogue.store.entries import get_entries
from sortline.catalogue.store.members import members
from sortline.catalogue.store.versions import version_by_id
from sortline.catalogue.version import Draft, Version
from sortline.db.session import reading, writing
from sortline.flows.insights import insights
from sortline.flows.versions import from_changes
from sortline.settings import Settings
from sortline.wiring import installation

IMAGES, SPARE = 1_000_000, 10_000
# With --quick so many come as an import's do, the others as rows.
IMPORTED_QUICK = 50_000
VERSIONS, CHANGES = 1_000, 100
PAGE = 100

Answer = TypeVar("Answer")


def main() -> None:
    """Measure, print a table, and last a line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--database-url", default=None)
    parser.add_argument("--no-import", action="store_true", help="versions, insights and pages alone")
    given = parser.parse_args()
    begun = time.perf_counter()
    figures = measure(
        given.database_url,
        repeats=40 if given.quick else 200,
        imported=IMPORTED_QUICK if given.quick else IMAGES,
    )
    if not given.no_import:
        quick = {"pairs": 2, "load_seconds": 8, "loads": 1} if given.quick else {}
        photos = importing.DATA / "realwaste"
        # Before ours: `n` is of the pictures here.
        figures = importing.measure(photos_dir=photos, database_url=given.database_url, **quick) | figures
    told = {
        "database": "postgresql" if given.database_url else "sqlite",
        "n": IMAGES,
        "seconds": round(time.perf_counter() - begun, 1),
    }
    print(json.dumps(figures | told))


def measure(database_url: str | None, *, repeats: int, imported: int) -> dict[str, Any]:
    """The figures of a line with a million pictures, printed as they come."""
    folder = Path(tempfile.mkdtemp(prefix="sortline-catalogue-"))
    try:
        with (
            own_schema(database_url) as url,
            installation(Settings(data_dir=folder, database_url=url)) as ready,
        ):
            return _measure(ready.engine, repeats, imported)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure(engine: Engine, repeats: int, imported: int) -> dict[str, Any]:
    process = psutil.Process()
    built = build(
        engine, count=IMAGES, imported=imported, spare=SPARE, versions=VERSIONS, changes=CHANGES,
        rss_mb=lambda: process.memory_info().rss / 1e6,
    )  # fmt: skip
    print(f"{len(built.ids)} pictures, {len(built.chain) + len(built.tips) - 1} versions")
    for part, seconds in built.seconds.items():
        print(f"  {part:<16} {seconds:8.1f} s")
    print(
        "  resident "
        + ", ".join(f"{mb:.0f} MB at {share} %" for share, mb in built.rss_mb.items())
        + f" of {built.imported} imported"
    )
    figures: dict[str, Any] = {}
    for name, times in _times(engine, built, repeats):
        ordered = sorted(times)
        figures[f"{name}_ms_1m"] = round(statistics.median(ordered), 2)
        worst = ordered[int(0.95 * (len(ordered) - 1))]
        print(f"  {name:<16} {figures[f'{name}_ms_1m']:8.2f} ms   95 % within {worst:8.2f} ms")
    return (
        figures
        | {f"rss_mb_{share}": mb for share, mb in built.rss_mb.items()}
        | {"imported": built.imported}
        | {f"{part.replace(' ', '_')}_s": round(seconds, 1) for part, seconds in built.seconds.items()}
    )


def _times(engine: Engine, built: Built, repeats: int) -> Iterator[tuple[str, list[float]]]:
    rng = random.Random(11)
    # From the whole chain, the late ones more often: they are farthest from the base.
    some = [rng.choice(built.chain) if n % 2 else rng.choice(built.chain[-200:]) for n in range(repeats)]
    yield "page", [_page(engine, built, version, rng) for version in some]
    yield "insights", [_insights(engine, version) for version in some]
    yield "insights_all", [_insights_of_all(engine, built) for _ in range(repeats // 4)]
    pairs = [rng.randrange(1, len(built.chain)) for _ in range(repeats)]
    yield "diff", [_diff(engine, built.chain[n - 1], built.chain[n]) for n in pairs]
    tips = list(built.tips)
    yield "child", [_child(engine, built, tips, number % 3) for number in range(repeats)]


def _page(engine: Engine, built: Built, version: Version, rng: random.Random) -> float:
    """A page of a class and split within a span of dates that holds two fifths of the pictures, from its middle."""
    low, high = (int(share * built.first.size) for share in (0.3, 0.7))
    middle = built.ids[rng.randrange((low + high) // 2 - 1000, (low + high) // 2 + 1000)]
    with reading(engine) as session:
        ends = get_entries(session, built.line_id, [built.ids[low], built.ids[high]])
        fresh = version_by_id(session, version.id)
    wanted = EntryFilter(
        class_id=rng.choice(built.classes),
        split=rng.choice([Split.TRAIN, Split.VALIDATION, Split.TEST]),
        since=ends[built.ids[low]].added_at,
        until=ends[built.ids[high]].added_at,
    )

    def ask() -> int:
        with reading(engine) as session:
            return len(members(session, fresh, wanted, limit=PAGE, cursor=str(middle)).items)

    seconds, found = _timed(engine, ask)
    if found != PAGE:
        raise RuntimeError(f"a page of {found} pictures")
    return seconds


def _insights(engine: Engine, version: Version) -> float:
    def ask() -> int:
        with reading(engine) as session:
            return insights(session, version.line_id, version).size

    seconds, size = _timed(engine, ask)
    if size != version.size:
        raise RuntimeError(f"insights of {size} pictures instead of {version.size}")
    return seconds


def _insights_of_all(engine: Engine, built: Built) -> float:
    def ask() -> int:
        with reading(engine) as session:
            return insights(session, built.line_id).size

    seconds, size = _timed(engine, ask)
    if size != len(built.ids):
        raise RuntimeError(f"insights of {size} pictures instead of {len(built.ids)}")
    return seconds


def _diff(engine: Engine, before: Version, after: Version) -> float:
    def ask() -> int:
        with reading(engine) as session:
            return sum(diff(session, before, after).counts.values())

    seconds, changed = _timed(engine, ask)
    if changed != after.changed:
        raise RuntimeError(f"{changed} changes instead of {after.changed}")
    return seconds


def _child(engine: Engine, built: Built, tips: list[Version], branch: int) -> float:
    draft = Draft(author="benchmark", parent_id=tips[branch].id)
    changes = built.pool.draw(CHANGES)

    def ask() -> Version:
        with writing(engine) as session:
            return from_changes(session, built.line_id, draft, changes)

    seconds, tips[branch] = _timed(engine, ask)
    return seconds


def _timed(engine: Engine, ask: Callable[[], Answer]) -> tuple[float, Answer]:
    """Milliseconds, without connecting but with nothing cached on the connection."""
    engine.dispose()
    with engine.connect():
        pass
    begun = time.perf_counter()
    answer = ask()
    return (time.perf_counter() - begun) * 1000, answer


if __name__ == "__main__":
    main()
