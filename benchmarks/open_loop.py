"""A steady load: so many pictures a second, sent when they are due whether or not earlier ones were answered.

Clients that wait for their answer before they send again slow down with the server, and hide how long others would have
waited. Here latency counts from the moment a picture was due. Runs in a process of its own.
"""

import argparse
import asyncio
import json
import re
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from photos import Template

# How long an answer may take before that is a failure.
PATIENCE = 30
# How long a connection may idle before it is not used again.
IDLE = 2.0
_MODEL = re.compile(rb'"model":\{[^}]*"hash":"([0-9a-f]{64})"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A picture: when it was due and when it left (seconds since 1970), its latency from then on, the answer's status
    (0: none came) and the hash of the bundle that answered.
    """

    due: float
    left: float
    latency: float
    status: int
    model: str


def start(url: str, folder: Path, *, rate: float, seconds: float, first: int, out: Path) -> "Running":
    """A load begins: pictures of `load.prepare` in `folder`, numbered from `first` on."""
    command = [sys.executable, str(Path(__file__)), url, str(folder), str(out)]
    command += ["--rate", str(rate), "--seconds", str(seconds), "--first", str(first)]
    return Running(subprocess.Popen(command), out)


@dataclass(frozen=True)
class Running:
    """A load under way."""

    process: subprocess.Popen[bytes]
    out: Path

    def wait(self) -> list[Sent]:
        """What became of every picture, once all have been answered."""
        if self.process.wait() != 0:
            raise RuntimeError("the generator failed")
        return [Sent(**json.loads(line)) for line in self.out.read_text().splitlines()]

    def stop(self) -> None:
        """It is gone, whatever it was at."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@dataclass(slots=True)
class _Target:
    host: str
    port: int
    pictures: list[Template]
    idle: deque[tuple[float, tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
    sent: list[dict[str, Any]]


async def _one(target: _Target, number: int, due: float) -> None:
    left, status, model = time.time(), 0, ""
    try:
        async with asyncio.timeout(PATIENCE):
            connection = await _connection(target)
            status, model = await _exchange(
                *connection, target.pictures[number % len(target.pictures)].fill(number)
            )
            target.idle.append((time.monotonic(), connection))
    except (OSError, EOFError, TimeoutError):
        status = 0
    target.sent.append(
        {"due": due, "left": left, "latency": time.time() - due, "status": status, "model": model}
    )


async def _connection(target: _Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """One that was used a moment ago, or a new one: servers close what idles."""
    while target.idle:
        since, (reader, writer) = target.idle.pop()
        if time.monotonic() - since < IDLE:
            return reader, writer
        writer.close()
    return await asyncio.open_connection(target.host, target.port)


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: bytes
) -> tuple[int, str]:
    writer.write(message)
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    found = _MODEL.search(await reader.readexactly(int(length)))
    return int(head.split(None, 2)[1]), found[1].decode() if found else ""


async def _generate(target: _Target, rate: float, seconds: float, first: int) -> None:
    begun, tasks = time.time() + 0.05, set()
    for index in range(int(rate * seconds)):
        due = begun + index / rate
        if (wait := due - time.time()) > 0:
            await asyncio.sleep(wait)
        task = asyncio.create_task(_one(target, first + index, due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)


def main() -> None:
    """Send the load and write a line of JSON for each picture."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    pictures = [
        Template(
            head=head.read_bytes(),
            middle=head.with_suffix(".b").read_bytes(),
            lowest=head.with_suffix(".low").read_bytes(),
            tail=head.with_suffix(".c").read_bytes(),
        )
        for head in sorted(given.folder.glob("*.a"))
    ]
    address = urlsplit(given.url)
    target = _Target(address.hostname or "127.0.0.1", address.port or 80, pictures, deque(), [])
    asyncio.run(_generate(target, given.rate, given.seconds, given.first))
    with given.out.open("w") as file:
        for row in sorted(target.sent, key=lambda row: row["due"]):
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
