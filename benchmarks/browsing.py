"""How smoothly a browser scrolls through the pictures of a line with 100,000 of them.

    python benchmarks/browsing.py [--quick] [--database-url URL]

The line is filled with drawn rows (`drawn_rows.py`); the thumbnails of those that are reached are drawn, too. Chromium
opens the Data page and scrolls down: first as fast as a scroll bar is dragged, until so many pictures are loaded, then
there, as fast as a person looks. Frames, long tasks, nodes, memory and waiting are told from within the page. The last
line is JSON; benchmarks/README.md says what its keys are. Needs Playwright and Chromium.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from drawn_pictures import Drawn, draw
from drawn_rows import add_rows
from million import CLASSES
from pages import p95
from running_server import running_server
from serving import database_name
from sortline.db.session import writing
from sortline.lines import store as lines
from sortline.settings import Settings
from sortline.wiring import Installation, installation

PICTURES = 100_000
# Pictures that are scrolled past: all of them take a while.
DEEP, DEEP_QUICK = 100_000, 30_000
# Pixels a second: a scroll bar that is dragged, a person who looks. Of the former, seconds at most.
DRAGGED, LOOKED = 18_000, 1_500
MOST_SECONDS, MOST_SECONDS_QUICK = 400, 75
LINE = "browsed"
THUMBNAIL = 384

WATCH = """
window.tasks = [];
new PerformanceObserver(list => { for (const one of list.getEntries()) tasks.push(one.duration); })
  .observe({ type: "longtask" });
"""
# Scrolls down at a speed until so many pictures are loaded or the time is over.
SCROLL = """async ({ speed, deep, seconds }) => {
  tasks.length = 0;
  const told = { frames: [], waits: [], nodes: 0, blank: 0, looks: 0 };
  const loaded = () => Number(document.querySelector("main [role=status]").textContent.replace(/\\D/g, ""));
  const begun = performance.now();
  let before = begun, waiting = null;
  while (before - begun < seconds * 1000 && loaded() < deep) {
    const now = await new Promise(requestAnimationFrame);
    told.frames.push(now - before);
    const from = scrollY;
    scrollBy(0, Math.max(1, (speed * Math.min(now - before, 100)) / 1000));
    if (scrollY === from) waiting ??= now;
    else if (waiting !== null) { told.waits.push(now - waiting); waiting = null; }
    before = now;
    if (told.frames.length % 10 === 0) {
      told.nodes = Math.max(told.nodes, document.getElementsByTagName("*").length);
      const seen = [...document.querySelectorAll(".sl-tile img")].filter((one) => {
        const { top, bottom } = one.getBoundingClientRect();
        return bottom > 0 && top < innerHeight;
      });
      told.looks += seen.length;
      told.blank += seen.filter((one) => !one.complete).length;
    }
  }
  return { ...told, tasks: [...tasks], loaded: loaded(), seconds: (before - begun) / 1000 };
}"""


def main() -> None:
    """Measure, print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="less deep; ends within three minutes")
    parser.add_argument("--database-url")
    given = parser.parse_args()
    begun, folder = time.perf_counter(), Path(tempfile.mkdtemp(prefix="sortline-browsing-"))
    try:
        figures = measured(given, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    figures |= {
        "database": database_name(given.database_url),
        "n": PICTURES,
        "seconds": round(time.perf_counter() - begun, 1),
    }
    print(json.dumps(figures))


def measured(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The figures, and the table printed."""
    data_dir, deep = folder / "data", DEEP_QUICK if given.quick else DEEP
    most = MOST_SECONDS_QUICK if given.quick else MOST_SECONDS
    own: dict[str, Any] = {"data_dir": data_dir}
    if given.database_url:
        own["database_url"] = given.database_url
    with installation(Settings.model_validate(own)) as ready:
        fill(ready, deep)
    with running_server(data_dir, log=folder / "server.log", database_url=given.database_url) as server:
        dragged, looked, heap = scrolled(f"{server.url}/data?line={LINE}", deep, most)
    print_table(dragged, looked)
    return {
        "scrolled_pictures": dragged["loaded"],
        "dragged_frame_p95_ms": round(p95(dragged["frames"]), 1),
        "looked_frame_p95_ms": round(p95(looked["frames"]), 1),
        "long_task_p95_ms": round(p95([*dragged["tasks"], *looked["tasks"]] or [0.0]), 1),
        "longest_task_ms": round(max([*dragged["tasks"], *looked["tasks"], 0.0]), 1),
        "waited_share": round(sum(dragged["waits"]) / 1000 / dragged["seconds"], 3),
        "blank_share": round(looked["blank"] / max(looked["looks"], 1), 3),
        "nodes_most": max(dragged["nodes"], looked["nodes"]),
        "heap_mb": round(heap, 1),
    }


def fill(ready: Installation, deep: int) -> None:
    """The line has its pictures; those that are reached have thumbnails, of which there are few distinct ones."""
    drawn = draw(PICTURES)
    with writing(ready.engine) as session:
        line = lines.create_line(session, LINE, class_names=CLASSES)
        classes = [each.id for each in lines.list_classes(session, line.id)]
    add_rows(ready.engine, line.id, drawn, classes, 0, PICTURES)
    put_thumbnails(ready, drawn, deep)


def put_thumbnails(ready: Installation, drawn: Drawn, deep: int) -> None:
    """The newest pictures, which come first, have thumbnails."""
    few = [thumbnail(seed) for seed in range(24)]
    first = max(0, PICTURES - deep - 2_000)
    for start in range(first, PICTURES, 1_000):
        numbers = range(start, min(start + 1_000, PICTURES))
        ready.thumbnails[THUMBNAIL].put_many(
            [(drawn.sha256(number), few[number % len(few)]) for number in numbers]
        )


def thumbnail(seed: int) -> bytes:
    """A picture of coarse patches, with about as many bytes as that of a photo."""
    patches = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(patches).resize((THUMBNAIL, 288), Image.Resampling.BICUBIC).save(file, "WEBP", quality=80)
    return file.getvalue()


def scrolled(url: str, deep: int, most: float) -> tuple[dict[str, Any], dict[str, Any], float]:
    """What scrolling was like, dragged and looked at, and MB of the page's heap after it."""
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("SORTLINE_TEST_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-background-networking"]
        )
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.add_init_script(WATCH)
        page.goto(url, wait_until="commit", timeout=120_000)
        page.locator(".sl-tile").first.wait_for(timeout=120_000)
        dragged = page.evaluate(SCROLL, {"speed": DRAGGED, "deep": deep, "seconds": most})
        looked = page.evaluate(SCROLL, {"speed": LOOKED, "deep": 10 * PICTURES, "seconds": 10})
        inspector = page.context.new_cdp_session(page)
        inspector.send("HeapProfiler.collectGarbage")
        heap = inspector.send("Runtime.getHeapUsage")["usedSize"] / 1e6
        browser.close()
    return dragged, looked, heap


def print_table(dragged: Mapping[str, Any], looked: Mapping[str, Any]) -> None:
    """The table for people."""
    print(f"\n{dragged['loaded']:,} of {PICTURES:,} pictures loaded in {dragged['seconds']:.1f} s.\n")
    print("scrolled      frames   p50 ms   p95 ms   max ms   long tasks   p95 ms   max ms   waits   nodes")
    for name, told in (("dragged", dragged), ("looked at", looked)):
        frames, tasks = told["frames"], told["tasks"] or [0.0]
        print(
            f"{name:12s}  {len(frames):6d}   {_median(frames):6.1f}   {p95(frames):6.1f}   {max(frames):6.1f}   "
            f"{len(told['tasks']):10d}   {p95(tasks):6.1f}   {max(tasks):6.1f}   "
            f"{len(told['waits']):5d}   {told['nodes']:5d}"
        )
    print()


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


if __name__ == "__main__":
    main()
