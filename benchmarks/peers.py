"""What the server is held beside: LitServe on the same network, and the quantised network's limit and accuracy."""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import load
from limit import Limit
from photos import first_number
from running_server import free_port
from sortline.engine.bundle import QUANTISED, read_bundle
from sortline.engine.packaged import packaged_bundles
from sortline.settings import available_cores

START_SECONDS = 60
CLIENTS = 50


def litserve(data_dir: Path, folder: Path, jpegs: Sequence[bytes], seconds: float) -> dict[str, Any]:
    """Pictures a second that LitServe answers to fifty clients: as it comes, and by the best of other settings."""
    cores = available_cores()
    settings = [
        (1, 1),
        *((workers, batch) for workers in {1, cores} for batch in (1, 8) if workers * batch > 1),
    ]
    found = [
        _litserve(data_dir, folder, jpegs, seconds, workers=workers, batch=batch)
        for workers, batch in settings
    ]
    return {"litserve_img_s": round(found[0], 1), "litserve_tuned_img_s": round(max(found), 1)}


def int8(data_dir: Path, photos: Path | None, seconds: float) -> dict[str, Any]:
    """The quantised network's limit, and the points of test accuracy that its card says it loses."""
    manifest = read_bundle(packaged_bundles()["waste"]).manifest
    if QUANTISED not in manifest.files or "int8" not in manifest.precisions:
        return {}
    figures = manifest.metrics["arithmetic"]["int8"]
    limit = Limit(data_dir, photos, runtime="openvino-int8")
    limit.parts()
    limit.sample(seconds)
    return {
        "limit_int8_img_s": round(limit.median, 1),
        "int8_points": round(100 * (figures["test_f32"] - figures["test"]), 2),
    }


def _litserve(
    data_dir: Path, folder: Path, jpegs: Sequence[bytes], seconds: float, *, workers: int, batch: int
) -> float:
    port = free_port()
    command = [sys.executable, str(Path(__file__).with_name("peer_litserve.py")), "--port", str(port)]
    command += ["--data-dir", str(data_dir), "--workers", str(workers), "--batch", str(batch)]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        _wait_until_ready(process, port)
        load.prepare(folder, jpegs, host=f"127.0.0.1:{port}", path="/predict")
        url = f"http://127.0.0.1:{port}"
        load.run(url, folder, clients=CLIENTS, seconds=2, first=first_number())
        found = load.run(url, folder, clients=CLIENTS, seconds=seconds, first=first_number())
        speed = f"{found.images_per_second:.1f} img/s, {found.failures} failures"
        print(f"LitServe, workers {workers}, batches of up to {batch}: {speed}")
        return found.images_per_second
    finally:
        # Asked to stop, it leaves processes that go on for hours, and take a core from whatever is measured next.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise SystemExit("LitServe ended as it started; is it installed? pip install litserve")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.2)
        finally:
            connection.close()
    raise SystemExit(f"LitServe was not ready after {START_SECONDS} s")
