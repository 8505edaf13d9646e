"""How long it takes from labels to a compared candidate, and what feature extraction and fine-tuning reach.

    python benchmarks/training.py [--quick] [--photos DIR] [--database-url URL] [--no-finetune]

A server and a worker are started as a user would start them. All but 100 of the photos are imported, a first probe
embeds them; the 100 others then come as new labels and make a second version, on which probes are timed from the
accepted `POST …/runs` until their comparison is committed. Feature extraction is held against a bare loop that decodes
and infers the same photos with as many threads as cores, by turns. The last line is JSON: `probe_retrain_s`,
`embed_ratio`, `finetune_img_s` and more.
"""

from __future__ import annotations

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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from photos import DEFAULT_FOLDER
from running_server import RunningServer, program, running_server, stop
from sortline.catalogue.store.versions import get_version
from sortline.db.session import reading
from sortline.engine.image import Preprocessing, read
from sortline.engine.packaged import load
from sortline.engine.runtime import Runtime
from sortline.flows.embeddings import Backbone, Embedder
from sortline.flows.training_data import version_pictures
from sortline.lines.store import get_line
from sortline.settings import Settings, available_cores
from sortline.wiring import Installation, installation

DATA = Path(os.environ.get("SORTLINE_TEST_DATA", DEFAULT_FOLDER))
LINE = "waste"
NEW_LABELS = 100
BATCH = 8


def main() -> None:
    """Measure, print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer repeats; ends within three minutes")
    parser.add_argument("--photos", type=Path, default=DATA / "realwaste", help="class folders of photos")
    parser.add_argument("--database-url")
    parser.add_argument("--no-finetune", action="store_true", help="leave fine-tuning out; it needs PyTorch")
    given = parser.parse_args()
    begun = time.perf_counter()
    folder = Path(tempfile.mkdtemp(prefix="sortline-training-"))
    try:
        found = measure(folder, given)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    found["seconds"] = round(time.perf_counter() - begun, 1)
    for name, value in found.items():
        print(f"  {name:24} {value}")
    print(json.dumps(found))


def measure(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """All figures, by the keys of the last line."""
    settings = Settings(
        data_dir=folder / "data", **({"database_url": given.database_url} if given.database_url else {})
    )
    first, later = split_folder(given.photos, folder)
    with installation(settings) as ready:
        database = ready.engine.dialect.name
        bring(settings, first)
        found = extraction(ready, pairs=3 if given.quick else 7)
    with (
        running_server(
            settings.data_dir, log=folder / "server.log", database_url=given.database_url
        ) as server,
        worker(settings, folder / "worker.log") as process,
    ):
        cold = probe(server)
        bring(settings, later)
        activate_newest(server)
        rest(process)
        with_new = probe(server)
        times = [probe(server) for _ in range(3 if given.quick else 9)]
        retrain = [one["seconds"] for one in times]
        found |= {
            "probe_retrain_s": round(statistics.median(retrain), 2),
            "probe_retrain_worst_s": round(max(retrain), 2),
            "probe_new_labels_s": round(with_new["seconds"], 2),
            "probe_first_s": round(cold["seconds"], 2),
            "pictures": times[-1]["pictures"],
        }
        if not given.no_finetune:
            found["finetune_img_s"] = finetune_speed(server, epochs=1 if given.quick else 2)
    return found | {"database": database, "n": found["pictures"]}


def extraction(ready: Installation, *, pairs: int) -> dict[str, Any]:
    """Pictures a second of the bare loop and of the embedder, on the same photos by turns."""
    classifier = load("waste", threads=ready.settings.inference_threads)
    with reading(ready.engine) as session:
        version = get_version(session, get_line(session, LINE).id, None)
    pictures = version_pictures(ready.engine, version)
    share = len(pictures) // (2 * pairs)
    bare, ours = [], []
    for pair in range(pairs):
        hashes = pictures.hashes[pair * share : (pair + 1) * share]
        backbone = Backbone(
            # One of its own for each turn, so that nothing is found.
            hash=f"{pair:064x}",
            runtime=classifier.runtime,
            preprocessing=classifier.preprocessing,
        )
        begun = time.perf_counter()
        bare_loop(ready, classifier.runtime, classifier.preprocessing, hashes)
        middle = time.perf_counter()
        Embedder(engine=ready.engine, blobs=ready.blobs, backbone=backbone)(hashes)
        bare.append(share / (middle - begun))
        ours.append(share / (time.perf_counter() - middle))
    ratios = [mine / limit for mine, limit in zip(ours, bare, strict=True)]
    return {
        "embed_ratio": round(statistics.median(ratios), 3),
        "embed_img_s": round(statistics.median(ours), 1),
        "bare_img_s": round(statistics.median(bare), 1),
    }


def bare_loop(ready: Installation, runtime: Runtime, how: Preprocessing, hashes: Sequence[str]) -> None:
    """Every picture read from its blob, decoded and inferred, by as many threads as there are cores."""
    turns = iter(range(0, len(hashes), BATCH))
    lock = threading.Lock()

    def work() -> None:
        pixels = np.empty((BATCH, how.size, how.size, 3), np.uint8)
        while True:
            with lock:
                start = next(turns, None)
            if start is None:
                return
            chunk = hashes[start : start + BATCH]
            for place, sha256 in enumerate(chunk):
                read(ready.blobs.get(sha256), how, out=pixels[place])
            runtime.infer(pixels[: len(chunk)])

    threads = [threading.Thread(target=work) for _ in range(available_cores())]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def probe(server: RunningServer) -> dict[str, Any]:
    """Seconds from the accepted request to the committed comparison of one probe, and the pictures it knew."""
    begun = time.perf_counter()
    run = server.ask("POST", f"/api/v1/lines/{LINE}/runs", {"method": "probe"})
    ended = wait_for(server, run["id"])
    seconds = time.perf_counter() - begun
    # The line's next run waits for this one's report.
    while server.ask("GET", f"/api/v1/lines/{LINE}/runs/{run['id']}")["state"] == "running":
        time.sleep(0.1)
    counts = ended["data"]
    return {
        "seconds": seconds,
        "pictures": sum(sum(counts[part].values()) for part in ("pictures", "remembered")),
    }


def finetune_speed(server: RunningServer, *, epochs: int) -> float:
    """Photos a second of the last epoch of a short fine-tune of the live network."""
    recipe = {"epochs": epochs, "head_steps": 20, "patience": 0}
    run = server.ask("POST", f"/api/v1/lines/{LINE}/runs", {"method": "finetune", "recipe": recipe})
    ended = wait_for(server, run["id"], seconds=1800)
    last = ended["epochs"][-1]["figures"]
    return round(ended["data"]["pictures"]["train"] / last["seconds"], 1)


def wait_for(server: RunningServer, run_id: str, *, seconds: float = 300) -> dict[str, Any]:
    """The run, once its comparison is committed.

    Raises:
        RuntimeError: it failed, or took too long.
    """
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        run: dict[str, Any] = server.ask("GET", f"/api/v1/lines/{LINE}/runs/{run_id}")
        if run["compared_at"]:
            return run
        if run["state"] in ("failed", "cancelled"):
            raise RuntimeError(f"the run {run['state']}: {run['error']}")
        # Each look costs the server some milliseconds of a core that the worker needs.
        time.sleep(0.1)
    raise RuntimeError(f"the run was not done after {seconds:.0f} s")


def activate_newest(server: RunningServer) -> None:
    """The line works with its newest version."""
    newest = server.ask("GET", f"/api/v1/lines/{LINE}/versions?limit=1")["versions"][0]
    server.ask("POST", f"/api/v1/lines/{LINE}/versions/{newest['number']}/activate")


def bring(settings: Settings, folder: Path) -> None:
    """The folder is imported, and a version made of it."""
    command = [*program(), "data", "import", str(folder), "--line", LINE]
    subprocess.run(
        [*command, "--data-dir", str(settings.data_dir)],
        check=True,
        stdout=subprocess.DEVNULL,
        env=environment(settings),
    )


@contextmanager
def worker(settings: Settings, log: Path) -> Iterator[psutil.Process]:
    """A worker process beside the server."""
    command = [*program(), "worker", "--data-dir", str(settings.data_dir)]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment(settings)
        )
    try:
        yield psutil.Process(process.pid)
    finally:
        stop(process)


def rest(process: psutil.Process, *, seconds: float = 300) -> None:
    """Returns once the worker has done what an import leaves to it, thumbnails above all."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end and process.cpu_percent(interval=3.0) > 20:
        pass


def environment(settings: Settings) -> dict[str, str]:
    """This process's, with the installation's database."""
    kept = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return kept | {"SORTLINE_DATABASE_URL": settings.database}


def split_folder(photos: Path, folder: Path) -> tuple[Path, Path]:
    """The class folders as two of copies: all but `NEW_LABELS` photos, drawn evenly, and those."""
    files = sorted(path for path in photos.glob("*/*") if path.is_file())
    if len(files) < 10 * NEW_LABELS:
        sys.exit(f"{photos} has {len(files)} photos in class folders; {10 * NEW_LABELS} are needed")
    step = len(files) // NEW_LABELS
    later = set(files[step - 1 :: step][:NEW_LABELS])
    parts = (folder / "first", folder / "later")
    for file in files:
        place = parts[file in later] / file.parent.name / file.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)
    return parts


if __name__ == "__main__":
    main()
