"""How fast pictures are imported, what that costs whoever classifies meanwhile, and what a kill leaves behind.

    python benchmarks/importing.py [--quick] [--photos DIR] [--database-url URL]
    python benchmarks/importing.py --kill [--quick] [--database-url URL]

The rate is held against a bare loop that reads, hashes, decodes, fingerprints and stores the same files by the same
functions on as many threads as there are cores, by turns. `--kill` kills imports of a folder, a ZIP, idx files and a
COCO export ten times each (import_kill.py). The last line is JSON: `import_ratio`, `p99_ratio_importing` and more.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

import load
from import_kill import Verdict, kill_imports
from photos import DEFAULT_FOLDER, first_number, photos
from running_server import program, running_server
from sortline.catalogue.importing import Options
from sortline.catalogue.sources.item import Item
from sortline.catalogue.sources.source import open_source
from sortline.db.engine import connect
from sortline.db.session import writing
from sortline.engine import image
from sortline.engine.canonical import Canonical, canonical
from sortline.engine.fingerprint import fingerprint
from sortline.engine.image import Preprocessing
from sortline.engine.quality import measure as measure_quality
from sortline.flows.ingest import Tools, run_import, start_import
from sortline.lines import store as lines
from sortline.settings import Settings, available_cores
from sortline.storage.local import LocalBlobs
from sortline.wiring import installation

DATA = Path(os.environ.get("SORTLINE_TEST_DATA", DEFAULT_FOLDER))
CLIENTS = 50
GROUP = 64
SQUARE = Preprocessing()
PART_FILES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One pair: pictures a second of the bare loop and of the import, the import's seconds in transactions, and the
    ratio of processor time a picture, which other programs on the machine change less.
    """

    bare: float
    imported: float
    writing: float
    cpu_ratio: float


def measure(
    *,
    photos_dir: Path,
    pairs: int = 5,
    load_seconds: float = 20,
    loads: int = 3,
    database_url: str | None = None,
) -> dict[str, Any]:
    """`import_ratio` and `p99_ratio_importing` with what they are made of, printed as they come."""
    folder = Path(tempfile.mkdtemp(prefix="sortline-importing-"))
    try:
        rate = measure_rate(photos_dir, folder, pairs, database_url)
        with own_schema(database_url) as url:
            return rate | measure_beside(photos_dir, folder, load_seconds, loads, url)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def own_schema(database_url: str | None) -> Iterator[str | None]:
    """The URL of a PostgreSQL schema that nothing is in yet, gone afterwards; None stays None, for SQLite."""
    if database_url is None:
        yield None
        return
    server, schema = connect(database_url), f"benchmark_{time.time_ns()}"
    with server.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    try:
        url = make_url(database_url).update_query_dict({"options": f"-csearch_path={schema}"})
        yield url.render_as_string(hide_password=False)
    finally:
        with server.begin() as connection:
            connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
        server.dispose()


# ── rate ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def measure_rate(photos_dir: Path, folder: Path, pairs: int, database_url: str | None) -> dict[str, Any]:
    """The import's rate as a ratio of the bare loop's, median of pairs."""
    files = _items(photos_dir)
    print(f"{len(files)} pictures of {photos_dir}, {available_cores()} cores")
    parts = measure_parts(files[:PART_FILES], folder / "parts")
    for name, milliseconds in parts.items():
        print(f"  {name:<24} {milliseconds:6.3f} ms a picture on one core")
    turns: list[Turn] = []
    for number in range(pairs):
        begun = time.process_time()
        bare = bare_rate(files, folder / f"bare-{number}")
        between = time.process_time()
        with own_schema(database_url) as url:
            imported, seconds = import_rate(photos_dir, folder / f"import-{number}", url)
        cpu_ratio = (between - begun) / (time.process_time() - between)
        turns.append(Turn(bare=bare, imported=imported, writing=seconds, cpu_ratio=cpu_ratio))
        print(
            f"  bare {bare:7.1f}/s   import {imported:7.1f}/s   ratio {imported / bare:.3f}   "
            f"by processor time {cpu_ratio:.3f}"
        )
        for used in (folder / f"bare-{number}", folder / f"import-{number}"):
            shutil.rmtree(used, ignore_errors=True)
    rows = statistics.median(turn.writing for turn in turns) / len(files) * 1000
    print(f"  {'transactions':<24} {rows:6.3f} ms a picture")
    return {
        "import_ratio": round(statistics.median(turn.imported / turn.bare for turn in turns), 3),
        "import_ratio_cpu": round(statistics.median(turn.cpu_ratio for turn in turns), 3),
        "import_img_s": round(statistics.median(turn.imported for turn in turns), 1),
        "bare_img_s": round(statistics.median(turn.bare for turn in turns), 1),
        "parts_ms": {name: round(value, 3) for name, value in parts.items()} | {"rows": round(rows, 3)},
        "n": len(files),
    }


def bare_rate(files: Sequence[Item], folder: Path) -> float:
    """Pictures a second of threads that only read, hash, decode, fingerprint and store."""
    blobs, waiting, lock = LocalBlobs(folder), iter(files), threading.Lock()

    def work() -> None:
        group: list[tuple[str, bytes]] = []
        while True:
            with lock:
                item = next(waiting, None)
            if item is None or len(group) == GROUP:
                blobs.put_many(group)
                group = []
            if item is None:
                return
            stored = canonical(item.read())
            fingerprint(image.read(stored.data, SQUARE).pixels)
            group.append((stored.sha256.hex(), stored.data))

    threads = [threading.Thread(target=work) for _ in range(available_cores())]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begun
    blobs.close()
    return len(files) / seconds


def import_rate(photos_dir: Path, data_dir: Path, database_url: str | None) -> tuple[float, float]:
    """Pictures a second of an import into a new line, and its seconds in transactions."""
    settings = Settings(data_dir=data_dir, database_url=database_url)
    with installation(settings) as ready, open_source(str(photos_dir)) as source:
        with writing(ready.engine) as session:
            line = lines.create_line(session, f"bench-{time.time_ns()}")
            begun_import = start_import(session, line.id, source, Options(version=False), "benchmark")
        tools = Tools(engine=ready.engine, blobs=ready.blobs, trained=lambda _: lambda _: None)
        with _transactions(ready.engine) as spent:
            begun = time.perf_counter()
            done = run_import(tools, begun_import.id, source=source)
            seconds = time.perf_counter() - begun
    taken = sum(done.outcomes.values())
    if done.total != taken or set(done.outcomes) - {"added", "known", "ignored"}:
        raise RuntimeError(f"not every picture was taken: {done.counts}")
    return taken / seconds, sum(spent)


@contextmanager
def _transactions(engine: Any) -> Iterator[list[float]]:
    """Seconds of each transaction that is committed meanwhile on this thread's connection."""
    from sqlalchemy import event

    spent: list[float] = []
    begun: dict[int, float] = {}

    def begin(connection: Any) -> None:
        begun[id(connection)] = time.perf_counter()

    def commit(connection: Any) -> None:
        spent.append(time.perf_counter() - begun.pop(id(connection)))

    event.listen(engine, "begin", begin)
    event.listen(engine, "commit", commit)
    yield spent
    event.remove(engine, "begin", begin)
    event.remove(engine, "commit", commit)


def measure_parts(files: Sequence[Item], folder: Path) -> dict[str, float]:
    """Milliseconds of one core for a picture, part by part."""
    blobs = LocalBlobs(folder)
    read, data = _timed(lambda item: item.read(), files)
    hashed, stored = _timed(canonical, data)
    decoded, pictures = _timed(lambda one: image.read(one.data, SQUARE), stored)
    measured, _ = _timed(lambda picture: measure_quality(picture.pixels), pictures)
    printed, _ = _timed(lambda picture: fingerprint(picture.pixels), pictures)
    groups = [stored[start : start + GROUP] for start in range(0, len(stored), GROUP)]
    kept, _ = _timed(lambda group: _put(blobs, group), groups)
    blobs.close()
    return {
        "read": read,
        "strip + hash": hashed,
        "decode + resize": decoded,
        "brightness, sharpness": measured,
        "perceptual hash": printed,
        f"store ({GROUP} at a time)": kept * len(groups) / len(files),
    }


def _put(blobs: LocalBlobs, group: Sequence[Canonical]) -> None:
    blobs.put_many([(one.sha256.hex(), one.data) for one in group])


def _timed(work: Callable[[Any], Any], given: Sequence[Any]) -> tuple[float, list[Any]]:
    begun = time.perf_counter()
    made = [work(one) for one in given]
    return (time.perf_counter() - begun) * 1000 / max(len(given), 1), made


def _items(folder: Path) -> list[Item]:
    with open_source(str(folder)) as source:
        return [item for item in source.items() if isinstance(item, Item)]


# ── beside a server ──────────────────────────────────────────────────────────────────────────────────────────────────


def measure_beside(
    photos_dir: Path, folder: Path, seconds: float, times: int, database_url: str | None
) -> dict[str, Any]:
    """What 50 clients see without and with an import beside, by turns: the median ratio of their p99."""
    jpegs, what = photos(None)
    print(f"Server under {CLIENTS} clients, {what}")
    ratios, failures, number, taken = [], 0, first_number(), 0
    data_dir, requests = folder / "served", folder / "requests"
    with running_server(data_dir, log=folder / "server.log", database_url=database_url) as server:
        path = "/api/v1/lines/waste/classify"
        load.prepare(requests, jpegs, host=f"127.0.0.1:{server.port}", path=path)
        number += load.run(server.url, requests, clients=10, seconds=3, first=number).answers + 60
        for turn in range(times):
            alone = load.run(server.url, requests, clients=CLIENTS, seconds=seconds, first=number)
            number += alone.answers + alone.failures + CLIENTS
            with _importing(photos_dir, data_dir, database_url, turn) as ended:
                beside = load.run(server.url, requests, clients=CLIENTS, seconds=seconds, first=number)
            number += beside.answers + beside.failures + CLIENTS
            ratios.append(beside.p99_ms / alone.p99_ms)
            failures += alone.failures + beside.failures
            taken += ended.pictures
            print(
                f"  alone {alone.images_per_second:6.1f}/s p50 {alone.p50_ms:5.0f} p99 {alone.p99_ms:5.0f} ms   "
                f"beside an import of {ended.pictures / seconds:5.0f}/s: {beside.images_per_second:6.1f}/s "
                f"p50 {beside.p50_ms:5.0f} p99 {beside.p99_ms:5.0f} ms   ratio {ratios[-1]:.2f}"
            )
    return {
        "p99_ratio_importing": round(statistics.median(ratios), 3),
        "failures_importing": failures,
        "imported_beside": taken,
    }


@dataclass(slots=True)
class _Ended:
    pictures: int = 0


@contextmanager
def _importing(photos_dir: Path, data_dir: Path, database_url: str | None, turn: int) -> Iterator[_Ended]:
    """`sortline data import` at work on new lines, one after another, until the block ends."""
    stop, ended = threading.Event(), _Ended()
    environment = dict(os.environ)
    if database_url:
        environment["SORTLINE_DATABASE_URL"] = database_url

    def work() -> None:
        number = 0
        while not stop.is_set():
            line = f"beside-{turn}-{number}"
            number += 1
            command = [
                *program(),
                "data",
                "import",
                str(photos_dir),
                "--line",
                line,
                "--create-line",
                "--json",
            ]
            command += ["--no-version", "--data-dir", str(data_dir)]
            process = subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            while process.poll() is None:
                if stop.wait(0.05):
                    process.send_signal(2)
                    break
            told = json.loads(process.communicate(timeout=60)[0])
            ended.pictures += told["done"]

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(2)  # until it is at work
    try:
        yield ended
    finally:
        stop.set()
        thread.join()


# ── kills ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def kill_all(folder: Path, kills: int, database_url: str | None) -> list[Verdict]:
    """Ten kills for each kind of source there is data for."""
    found = []
    for name, source in _sources(folder).items():
        if not source.exists():
            print(f"  {name}: no data at {source}")
            continue
        verdict = kill_imports(source, folder / name, kills=kills, database_url=database_url)
        print("  " + "  ".join(f"{key} {value}" for key, value in asdict(verdict).items()))
        found.append(verdict)
        shutil.rmtree(folder / name, ignore_errors=True)
    return found


def _sources(folder: Path) -> dict[str, Path]:
    zipped = folder / "trashnet.zip"
    if (DATA / "trashnet").exists():
        with zipfile.ZipFile(zipped, "w") as archive:
            for file in sorted((DATA / "trashnet").rglob("*.jpg")):
                archive.write(file, file.relative_to(DATA))
    return {
        "folder": DATA / "realwaste",
        "zip": zipped,
        "idx": DATA / "fashion-mnist",
        "coco": DATA / "coco-dry-wet",
    }


def main() -> None:
    """Measure, and print the figures as a line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--photos", type=Path, default=DATA / "realwaste")
    parser.add_argument("--database-url", default=None)
    given = parser.parse_args()
    begun = time.perf_counter()
    told = {"database": "postgresql" if given.database_url else "sqlite", "at": datetime.now(UTC).isoformat()}
    if given.kill:
        with tempfile.TemporaryDirectory() as folder:
            found = kill_all(Path(folder), 2 if given.quick else given.kills, given.database_url)
        figures: dict[str, Any] = {"kills": {one.kind: asdict(one) for one in found}}
        wrong = not all(one.sound for one in found)
    else:
        quick = {"pairs": 2, "load_seconds": 8, "loads": 1} if given.quick else {}
        figures = measure(photos_dir=given.photos, database_url=given.database_url, **quick)
        wrong = figures["failures_importing"] > 0
    print(json.dumps(figures | told | {"seconds": round(time.perf_counter() - begun, 1)}))
    sys.exit(wrong)


if __name__ == "__main__":
    main()
