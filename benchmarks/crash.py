"""Kills a server under load, again and again, and holds what clients were told against what was kept.

    python benchmarks/crash.py [--quick] [--kills N] [--clients N] [--database-url URL]

Every answer a client received whole must be recorded exactly once. Where the answer said `review`, its picture must
be on the disk, whole, and its item in the queue. What was recorded and not acknowledged can only be what was in flight
when the server died. The last line is JSON: `acknowledged`, `lost`, `duplicated`, `orphans` and more counts.
"""

import argparse
import contextlib
import hashlib
import http.client
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from photos import first_number, photos, template
from running_server import running_server
from sortline.db.engine import connect
from sortline.db.session import reading
from sortline.errors import SortlineError
from sortline.monitoring.tables import predictions
from sortline.review.tables import review_items
from sortline.storage.local import LocalBlobs

HALF_TO_REVIEW = {"sample_share": 0.5, "min_confidence": 0, "ood_threshold": 1e9, "min_sharpness": 0}
BOUNDARY = "sortline-crash-test"


@dataclass(slots=True)
class Told:
    """What clients were told: an entry for each answer that arrived whole, refusals by status and type, and how many
    requests died with their server.
    """

    answers: list[dict[str, Any]] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found: ids and answers, all counts."""

    acknowledged: int
    recorded: int
    in_flight: int
    lost: int
    duplicated: int
    orphans: int

    @property
    def sound(self) -> bool:
        """Whether nothing was lost, doubled or orphaned, and nothing came from nowhere."""
        faults = self.lost + self.duplicated + self.orphans
        return faults == 0 and self.acknowledged <= self.recorded <= self.acknowledged + self.in_flight


class Clients:
    """Threads that send one new picture after another until their server dies."""

    def __init__(self, count: int, pictures: list[bytes]) -> None:
        self._count, self._templates = count, [template(picture) for picture in pictures]
        self._next, self._lock = first_number(), threading.Lock()
        self._threads: list[threading.Thread] = []
        self.told = Told()

    def start(self, port: int) -> None:
        """The clients are at work against the server on that port."""
        self._threads = [threading.Thread(target=self._work, args=(port,)) for _ in range(self._count)]
        for thread in self._threads:
            thread.start()

    def wait_for(self, count: int, *, refused: bool = False) -> None:
        """So many more answers have come, or so many refusals: a slow machine gets up to two minutes."""
        before, end = self._heard(refused), time.monotonic() + 120
        while self._heard(refused) < before + count:
            if time.monotonic() > end:
                raise RuntimeError(f"only {self._heard(refused) - before} of {count} answers in two minutes")
            time.sleep(0.01)

    def join(self) -> None:
        """The server is gone, and so the clients."""
        for thread in self._threads:
            thread.join()

    def _heard(self, refused: bool) -> int:
        return self.told.refused.total() if refused else len(self.told.answers)

    def _work(self, port: int) -> None:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=120)) as connection:
            while self._ask(connection):
                pass

    def _ask(self, connection: http.client.HTTPConnection) -> bool:
        """Sends one picture; whether the server lived to answer."""
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        try:
            connection.request("POST", "/api/v1/lines/waste/classify", _form(self._picture()), headers)
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError):
            with self._lock:
                self.told.in_flight += 1
            return False
        with self._lock:
            if response.status == 200:
                self.told.answers.append(answer)
            else:
                self.told.refused[f"{response.status} {answer['type']}"] += 1
        return True

    def _picture(self) -> bytes:
        with self._lock:
            self._next += 1
            number = self._next
        return self._templates[number % len(self._templates)].fill(number)


def run(
    data_dir: Path,
    *,
    kills: int,
    clients: int,
    pictures: list[bytes],
    database_url: str | None,
    seconds: float,
) -> Verdict:
    """Starts, loads and kills a server `kills` times, each after up to `seconds` of load, and holds the result."""
    crowd = Clients(clients, pictures)
    for kill in range(kills):
        with running_server(data_dir, log=data_dir / "server.log", database_url=database_url) as server:
            if kill == 0:
                server.ask("PATCH", "/api/v1/lines/waste", {"policy": HALF_TO_REVIEW})
            crowd.start(server.port)
            time.sleep(random.uniform(0.3, 1) * seconds)
            crowd.wait_for(clients)
            server.process.kill()
            server.process.wait()
            crowd.join()
    return check(database_url or f"sqlite:///{data_dir / 'sortline.db'}", data_dir / "blobs", crowd.told)


def check(database_url: str, blobs_dir: Path, told: Told) -> Verdict:
    """What clients were told against rows and files."""
    engine = connect(database_url)
    with reading(engine) as session:
        recorded = Counter(session.scalars(select(predictions.c.id)))
        items = {row.prediction_id: row.image_sha256 for row in session.execute(select(review_items))}
    engine.dispose()
    blobs = LocalBlobs(blobs_dir)
    whole = {prediction_id for prediction_id, sha256 in items.items() if _is_whole(blobs, sha256)}
    blobs.close()
    ids = [answer["id"] for answer in told.answers]
    reviewed = {answer["id"] for answer in told.answers if answer["verdict"] == "review"}
    return Verdict(
        acknowledged=len(ids),
        recorded=recorded.total(),
        in_flight=told.in_flight,
        lost=sum(recorded[found] == 0 for found in ids),
        duplicated=sum(count > 1 for count in recorded.values()) + len(ids) - len(set(ids)),
        orphans=len((reviewed | set(items)) - whole),
    )


def _is_whole(blobs: LocalBlobs, sha256: str) -> bool:
    try:
        return hashlib.sha256(blobs.get(sha256)).hexdigest() == sha256
    except SortlineError:
        return False


def _form(picture: bytes) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="p.jpg"\r\n\r\n'
    return b"".join((head.encode(), picture, f"\r\n--{BOUNDARY}--\r\n".encode()))


def main() -> None:
    """Runs the test and prints what it found; exit code 1 if anything is wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="shorter load before each kill")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--photos", type=Path, default=None)
    parser.add_argument("--database-url", default=None)
    given = parser.parse_args()
    found, told = photos(given.photos)
    print(f"{given.kills} kills under {given.clients} clients, {told}")
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        verdict = run(
            Path(folder),
            kills=given.kills,
            clients=given.clients,
            pictures=found,
            database_url=given.database_url,
            seconds=1 if given.quick else 5,
        )
    figures = {name: getattr(verdict, name) for name in Verdict.__slots__}
    for name, value in figures.items():
        print(f"  {name:<14} {value:>8}")
    print("nothing acknowledged was lost" if verdict.sound else "SOMETHING WAS LOST")
    database = "postgresql" if given.database_url else "sqlite"
    seconds = round(time.perf_counter() - begun, 1)
    figures |= {"kills": given.kills, "database": database, "n": verdict.acknowledged, "seconds": seconds}
    print(json.dumps(figures))
    sys.exit(not verdict.sound)


if __name__ == "__main__":
    main()
