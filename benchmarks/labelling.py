"""How soon the next picture stands there when somebody labels by keyboard alone.

    python benchmarks/labelling.py [--pictures 100] [--database-url URL]

Photos are classified on a line that sends all of them to review; then the Review page is opened in Chromium and a key
is pressed for each, as quickly as a person could. A time begins with the key and ends when another picture is decoded
and painted. Needs Playwright and Chromium (SORTLINE_TEST_CHROMIUM). The last line is JSON: `key_p50_ms`, `key_p95_ms`,
`labelled`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from pages import p95
from photos import first_number, photos, template
from running_server import RunningServer, running_server
from serving import LINE, database_name

# Presses a key and waits until another picture stands there, decoded and painted: milliseconds for each key.
TIMED = """async keys => {
  const shown = () => document.querySelector("[data-item]")?.dataset.item;
  const painted = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  const times = [];
  for (const key of keys) {
    const before = shown(), begun = performance.now();
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    while (shown() === before) await painted();
    const image = document.querySelector("[data-item]");
    if (image && !image.complete) await image.decode();
    await painted();
    times.push(performance.now() - begun);
    // Nobody is quicker; what was decided goes out meanwhile.
    await new Promise(done => setTimeout(done, 30));
  }
  return times;
}"""


def main() -> None:
    """Measure, print a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--database-url")
    given = parser.parse_args()
    begun, folder = time.perf_counter(), Path(tempfile.mkdtemp(prefix="sortline-labelling-"))
    try:
        with running_server(
            folder / "data", log=folder / "server.log", database_url=given.database_url
        ) as server:
            queue(server, given.pictures + 1)
            times = timed(server.url, given.pictures)
            labelled = sum(one["labels"] for one in server.ask("GET", f"{LINE}/review/stats")["people"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    figures: dict[str, Any] = {
        "key_p50_ms": round(statistics.median(times), 1),
        "key_p95_ms": round(p95(times), 1),
        "labelled": labelled,
        "database": database_name(given.database_url),
        "n": len(times),
        "seconds": round(time.perf_counter() - begun, 1),
    }
    print(json.dumps(figures))


def queue(server: RunningServer, count: int) -> None:
    """So many pictures, no two alike, wait for a person."""
    server.ask("PATCH", LINE, {"policy": {"sample_share": 1.0}})
    jpegs, number = [template(one) for one in photos(None)[0]], first_number()
    with httpx.Client(base_url=server.url, timeout=60) as client:
        for place in range(count):
            picture = jpegs[place % len(jpegs)].fill(number + place)
            client.post(f"{LINE}/classify", files={"image": picture}).raise_for_status()


def timed(url: str, count: int) -> list[float]:
    """Milliseconds from each key to the next picture."""
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("SORTLINE_TEST_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{url}/review?line=waste")
        page.locator("[data-item]").wait_for()
        found: list[float] = page.evaluate(TIMED, [str(1 + place % 2) for place in range(count)])
        page.wait_for_load_state("networkidle")
        browser.close()
    return found


if __name__ == "__main__":
    main()
