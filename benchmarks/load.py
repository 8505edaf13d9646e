"""Sends pictures to a server from many clients at once and tells how it fared.

The clients are wrk's where it is installed: it takes a few percent of one core. Otherwise this file is its own
generator, in a process of its own, which costs more and so takes more from the server on the same machine.
"""

import argparse
import asyncio
import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from limit import children_cpu
from photos import Template, template

HERE = Path(__file__).parent
BOUNDARY = b"sortline-benchmark-boundary"
# How long a client waits for an answer before that is a failure.
PATIENCE = 30
# Has glibc keep the memory of a request for the next: wrk took 66 us a picture instead of 90.
KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(8 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(64 * 2**20)}
# What the generators write: answers of any status, seconds, latency, and errors by kind.
ERRORS = ("status", "connect", "read", "write", "timeout")


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How a load fared: `answers` are 200s, `cpu_share` is the generator's share of all cores."""

    clients: int
    answers: int
    failures: int
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_share: float

    @property
    def images_per_second(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds


def generator() -> str:
    """The program that sends: wrk, or this file."""
    return "wrk" if shutil.which("wrk") else "asyncio"


def prepare(folder: Path, jpegs: Sequence[bytes], *, host: str, path: str) -> None:
    """Each JPEG as a whole HTTP request in pieces, for either generator to fill with numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, jpeg in enumerate(jpegs):
        filled = request(template(jpeg), host=host, path=path)
        for name, piece in (
            ("a", filled.head),
            ("b", filled.middle),
            ("c", filled.tail),
            ("low", filled.lowest),
        ):
            (folder / f"{index}.{name}").write_bytes(piece)


def request(picture: Template, *, host: str, path: str) -> Template:
    """The picture's template, grown to a whole HTTP request with the picture as a form's field `image`."""
    before = (
        b"--" + BOUNDARY + b'\r\nContent-Disposition: form-data; name="image"; filename="photo.jpg"\r\n'
        b"Content-Type: image/jpeg\r\n\r\n"
    )
    after = b"\r\n--" + BOUNDARY + b"--\r\n"
    size = len(before) + len(picture.fill(0)) + len(after)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\nContent-Length: {size}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY.decode()}\r\n\r\n"
    ).encode()
    return Template(
        head=head + before + picture.head,
        middle=picture.middle,
        lowest=picture.lowest,
        tail=picture.tail + after,
    )


def run(url: str, folder: Path, *, clients: int, seconds: float, first: int) -> Load:
    """What `clients` clients got in that time, each sending its next picture when it has its answer.

    Pictures are those of `prepare` in `folder`, numbered from `first` on.
    """
    if generator() == "wrk":
        # Whole seconds are all that wrk takes.
        command = ["wrk", "-t1", f"-c{clients}", f"-d{math.ceil(seconds)}s", "--timeout", f"{PATIENCE}s"]
        command += ["-s", str(HERE / "wrk_upload.lua"), url, "--", str(folder), str(first)]
    else:
        command = [sys.executable, str(HERE / "load.py"), url, str(folder)]
        command += ["--clients", str(clients), "--seconds", str(seconds), "--first", str(first)]
    begun, before = time.perf_counter(), children_cpu()
    # The children that have ended by now are counted; the server has not, so it is not.
    ended = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, env=os.environ | KEPT_MEMORY
    )
    cpu = (children_cpu() - before) / (time.perf_counter() - begun) / (os.cpu_count() or 1)
    found = json.loads(ended.stdout.strip().splitlines()[-1])
    return Load(
        clients=clients,
        answers=found["answers"] - found["status"],
        failures=sum(found[kind] for kind in ERRORS),
        seconds=found["seconds"],
        p50_ms=found["p50_ms"],
        p99_ms=found["p99_ms"],
        max_ms=found["max_ms"],
        cpu_share=cpu,
    )


# ── the generator where wrk is missing ──────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Tally:
    """What all clients saw so far."""

    number: int
    end: float
    latencies: list[float]
    status: int = 0
    connect: int = 0
    read: int = 0
    write: int = 0
    timeout: int = 0


async def _client(host: str, port: int, pictures: list[Template], tally: _Tally) -> None:
    while time.perf_counter() < tally.end:
        try:
            reader, writer = await asyncio.open_connection(host, port)
        except OSError:
            tally.connect += 1
            await asyncio.sleep(0.1)
            continue
        try:
            while time.perf_counter() < tally.end:
                await _exchange(reader, writer, pictures, tally)
        except TimeoutError:
            tally.timeout += 1
        except (OSError, EOFError):
            tally.read += 1
        finally:
            writer.close()


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pictures: list[Template], tally: _Tally
) -> None:
    tally.number += 1
    message = pictures[tally.number % len(pictures)].fill(tally.number)
    begun = time.perf_counter()
    writer.write(message)
    async with asyncio.timeout(min(PATIENCE, tally.end - begun + 1)):
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
    if time.perf_counter() < tally.end:  # as wrk: what comes after the end is not counted
        tally.latencies.append(time.perf_counter() - begun)
        tally.status += not head.startswith(b"HTTP/1.1 200")


async def _generate(url: str, folder: Path, clients: int, seconds: float, first: int) -> dict[str, float]:
    pictures = [
        Template(
            head=head.read_bytes(),
            middle=head.with_suffix(".b").read_bytes(),
            lowest=head.with_suffix(".low").read_bytes(),
            tail=head.with_suffix(".c").read_bytes(),
        )
        for head in sorted(folder.glob("*.a"))
    ]
    address, begun = urlsplit(url), time.perf_counter()
    tally = _Tally(number=first, end=begun + seconds, latencies=[])
    host, port = address.hostname or "127.0.0.1", address.port or 80
    await asyncio.gather(*(_client(host, port, pictures, tally) for _ in range(clients)))
    ordered = sorted(tally.latencies) or [0.0]
    errors = {kind: value for kind, value in asdict(tally).items() if kind in ERRORS}
    return errors | {
        "answers": len(tally.latencies),
        "seconds": seconds,
        "p50_ms": ordered[len(ordered) // 2] * 1000,
        "p99_ms": ordered[int(len(ordered) * 0.99)] * 1000,
        "max_ms": ordered[-1] * 1000,
    }


def main() -> None:
    """Generate load as wrk would and print what became of it as a line of JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    print(json.dumps(asyncio.run(_generate(**vars(given)))))


if __name__ == "__main__":
    main()
