"""How fast the web app's pages get what they show while 50 clients classify, and how fast the first one is there.

    python benchmarks/pages.py [--quick] [--photos DIR] [--database-url URL]

A server is started as a user would start it, its line is filled with labelled photos and a trained candidate, and each
page's calls are sent one after the other, page by page: first with nothing else to do, then while 50 clients classify
and a fifth of their pictures goes to review. With Playwright and Chromium the first page is opened, too, in a browser
whose cache is empty. The last line is JSON; benchmarks/README.md says what its keys are.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import load
from photos import DEFAULT_FOLDER, first_number, photos
from running_server import RunningServer, program, running_server
from serving import LINE, POLICY, database_name

DATA = Path(os.environ.get("SORTLINE_TEST_DATA", DEFAULT_FOLDER))
CLIENTS = 50
# Milliseconds of each call, by page and by path.
Took = Mapping[str, Mapping[str, list[float]]]
LEASE: Mapping[str, Any] = {"limit": 20, "seconds": 30}
# What a page asks for when it is opened. With a body a call is a POST.
PAGES: Mapping[str, Sequence[tuple[str, Mapping[str, Any] | None]]] = {
    "classify": (("/api/v1/session", None), ("/api/v1/lines", None), (f"{LINE}/classes", None)),
    "review": (
        (f"{LINE}/review/lease", LEASE),
        (f"{LINE}/review/stats", None),
        (f"{LINE}/review/clusters", None),
        (f"{LINE}/review?limit=50", None),
    ),
    "dashboard": ((f"{LINE}/dashboard?bucket=hour", None),),
    "data": (
        (f"{LINE}/images?limit=100", None),
        (f"{LINE}/versions", None),
        (f"{LINE}/insights", None),
        (f"{LINE}/imports", None),
        (f"{LINE}/staged", None),
    ),
    "training": ((f"{LINE}/runs", None), (f"{LINE}/recipes/probe", None)),
    "models": ((f"{LINE}/models", None), (f"{LINE}/promotions", None), (f"{LINE}/models/live", None)),
    "settings": (
        (f"{LINE}/policy", None),
        (f"{LINE}/review/settings", None),
        ("/api/v1/people", None),
        ("/api/v1/keys", None),
        ("/api/v1/audit", None),
        ("/api/v1/jobs", None),
    ),
}


def main() -> None:
    """Measure, print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="shorter; ends within three minutes")
    parser.add_argument(
        "--photos", type=Path, default=DATA / "trashnet", help="class folders to fill the line with"
    )
    parser.add_argument("--database-url")
    given = parser.parse_args()
    begun, folder = time.perf_counter(), Path(tempfile.mkdtemp(prefix="sortline-pages-"))
    try:
        figures = measured(given, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    figures |= {
        "database": database_name(given.database_url),
        "seconds": round(time.perf_counter() - begun, 1),
    }
    print(json.dumps(figures))


def measured(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The figures, and the table printed."""
    data_dir, seconds = folder / "data", 20.0 if given.quick else 60.0
    with running_server(data_dir, log=folder / "server.log", database_url=given.database_url) as server:
        fill(given.photos, data_dir, given.database_url)
        server.ask("PATCH", LINE, {"policy": POLICY})
        jpegs, _ = photos(None)
        requests = folder / "requests"
        load.prepare(requests, jpegs, host=f"127.0.0.1:{server.port}", path=f"{LINE}/classify")
        number = first_number()
        load.run(server.url, requests, clients=CLIENTS, seconds=5.0, first=number)
        idle = calls(server, seconds / 4)
        opened = first_page(server.url)
        done: list[load.Load] = []
        clients = threading.Thread(
            target=lambda: done.append(
                load.run(server.url, requests, clients=CLIENTS, seconds=seconds + 3, first=number + 100_000)
            )
        )
        clients.start()
        time.sleep(2.0)
        busy = calls(server, seconds)
        clients.join()
    print_table(idle, busy, done[0])
    worst = max(busy, key=lambda page: p95(of_page(busy, page)))
    slowest = max(busy[worst], key=lambda path: p95(busy[worst][path]))
    return {
        "pages_p95_ms": round(p95(of_page(busy, worst)), 1),
        "slowest_page": worst,
        "slowest_call": slowest.removeprefix(LINE),
        "slowest_call_p95_ms": round(p95(busy[worst][slowest]), 1),
        "idle_p95_ms": round(max(p95(of_page(idle, page)) for page in idle), 1),
        "classified_img_s": round(done[0].images_per_second, 1),
        "n": sum(len(of_page(busy, page)) for page in busy),
        **opened,
    }


def fill(folder: Path, data_dir: Path, database_url: str | None) -> None:
    """The line has labelled photos, a version of them, and a candidate."""
    environment = os.environ | ({"SORTLINE_DATABASE_URL": database_url} if database_url else {})
    for command in (("data", "import", str(folder)), ("train", "--method", "probe")):
        subprocess.run(
            [*program(), *command, "--line", "waste", "--data-dir", str(data_dir)],
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def calls(server: RunningServer, seconds: float) -> Took:
    """Milliseconds that each page's calls took, each call for itself, as often as there was time for."""
    found: Took = {page: {path: [] for path, _ in asked} for page, asked in PAGES.items()}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for page, asked in PAGES.items():
            for path, body in asked:
                found[page][path].append(_call(connection, path, body))
            time.sleep(0.02)
    connection.close()
    return found


def _call(connection: http.client.HTTPConnection, path: str, body: Mapping[str, Any] | None) -> float:
    begun = time.perf_counter()
    sent = None if body is None else json.dumps(body)
    headers = {"Content-Type": "application/json"} if sent else {}
    connection.request("GET" if sent is None else "POST", path, sent, headers)
    answer = connection.getresponse()
    told = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{path} answered {answer.status}: {told[:300]!r}")
    return (time.perf_counter() - begun) * 1000


def first_page(url: str) -> dict[str, Any]:
    """Seconds until the first page can be used and what it loads, kB; nothing where there is no browser."""
    chromium = os.environ.get("SORTLINE_TEST_CHROMIUM") or shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return {}
    if chromium is None:
        return {}
    took, loaded = [], 0.0
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        for _ in range(5):
            context = browser.new_context()
            page = context.new_page()
            network = context.new_cdp_session(page)
            network.send("Network.enable")
            sizes: list[float] = []
            network.on(
                "Network.loadingFinished", lambda event, to=sizes: to.append(event["encodedDataLength"])
            )
            begun = time.perf_counter()
            page.goto(url)
            page.get_by_role("heading", level=1).wait_for()
            took.append(time.perf_counter() - begun)
            page.wait_for_load_state("networkidle")
            loaded = sum(sizes) / 1000
            context.close()
        browser.close()
    return {"interactive_s": round(statistics.median(took), 2), "first_page_kb": round(loaded, 1)}


def of_page(took: Took, page: str) -> list[float]:
    """What all calls of a page took."""
    return [one for values in took[page].values() for one in values]


def p95(values: Sequence[float]) -> float:
    """What 95 of 100 did not exceed."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * 0.95), len(ordered) - 1)]


def print_table(idle: Took, busy: Took, done: load.Load) -> None:
    """The table for people: each page, and under it each of its calls."""
    print(f"\n{CLIENTS} clients classified {done.images_per_second:.1f} pictures a second meanwhile.\n")
    print("page, call                     calls   idle p50   p95 ms   busy p50   p95 ms   max ms")
    for page, asked in busy.items():
        _print_row(page, of_page(idle, page), of_page(busy, page))
        for path, values in asked.items():
            _print_row(f"  {path.removeprefix(LINE).removeprefix('/api/v1')}", idle[page][path], values)
    print()


def _print_row(name: str, idle: Sequence[float], busy: Sequence[float]) -> None:
    print(
        f"{name:28s}  {len(busy):6d}   {statistics.median(idle):8.1f} {p95(idle):8.1f}   "
        f"{statistics.median(busy):8.1f} {p95(busy):8.1f} {max(busy):8.1f}"
    )


if __name__ == "__main__":
    main()
