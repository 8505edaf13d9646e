"""Many reviewers at once, each a process, some of them killed: every item has exactly one outcome, none is lost.

    python benchmarks/reviewers.py [--database-url URL] [--items 1000] [--people 10] [--kills 5]

Each person takes leases of a second, labels, skips now and then, and is sometimes killed with items on lease; another
takes their chair. The last line is JSON: `items`, `outcomes`, `lost`, `doubled`, `kills`, `recovered` (items that a
killed person had on lease and another decided), `seconds`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import Engine

from drawn_queue import drawn, open_items
from sortline.catalogue.store.entries import get_entry
from sortline.db.base import metadata
from sortline.db.engine import DatabaseUnavailable, connect
from sortline.db.migrate import migrate
from sortline.db.session import reading, writing
from sortline.flows.ingest import Tools
from sortline.flows.review import Ask, decide
from sortline.flows.review_queue import Wanted, lease_next
from sortline.lines import store as lines
from sortline.review.outcome import effective
from sortline.review.store import decisions, items
from sortline.storage.local import LocalBlobs

CLASSES = ("Glass", "Metal")
_LEASE_S = 1
_STALLED_S = 1200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What came of it; see the module."""

    items: int
    outcomes: int
    lost: int
    doubled: int
    kills: int
    recovered: int
    seconds: float


def main() -> None:
    """Let them review, print what came of it as a line of JSON; exit code 1 if an item was lost or decided twice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--database-url", default=None)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--kills", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = given.database_url or f"sqlite:///{Path(folder) / 'reviewers.db'}"
        came = review(url, Path(folder), count=given.items, people=given.people, kills=given.kills)
    print(json.dumps(asdict(came)))
    sys.exit(came.lost > 0 or came.doubled > 0)


def review(url: str, folder: Path, *, count: int, people: int, kills: int) -> Came:
    """What came of so many people reviewing so many items, some of them killed on the way."""
    from sortline.wiring import TABLES  # the tables of every domain join the metadata; nobody else needs it

    assert TABLES
    engine = connect(url)
    migrate(engine, metadata)
    line_id, ids = _queue(engine, folder / "blobs", count)
    begun = time.monotonic()
    crew = [_Chair(url, folder, line_id, number) for number in range(people)]
    died: set[str] = set()
    killed = 0
    try:
        while (waiting := _waiting(engine, line_id)) > 0:
            if time.monotonic() - begun > _STALLED_S:
                break
            # Spread over the work: one more each time another share of it is done.
            due = killed < kills and count - waiting > (killed + 1) * count // (kills + 2)
            for one in crew if due else ():
                # Halted while one looks, so that nothing of it is decided before the end.
                with one.halted():
                    held = _held(engine, line_id, ids, one.who)
                    if held:
                        one.kill()
                if held:
                    died |= held
                    killed += 1
                    one.sit()
                    break
            time.sleep(0.02)
    finally:
        for one in crew:
            one.kill()
    came = _checked(engine, line_id, ids, died, killed, time.monotonic() - begun)
    engine.dispose()
    return came


def at_work(url: str, folder: Path, line_id: int, who: str) -> None:
    """One person, until nothing waits. A database that is busy is asked again, as any client does on a 503."""
    engine, chance = connect(url), random.Random(who)
    tools = Tools(engine=engine, blobs=LocalBlobs(folder / "blobs"), trained=lambda _: lambda _: None)
    while True:
        try:
            if not _turn(tools, line_id, who, chance):
                return
        except DatabaseUnavailable:
            time.sleep(chance.random())


def _turn(tools: Tools, line_id: int, who: str, chance: random.Random) -> bool:
    """Whether anything waits still: some of it was leased and decided."""
    found = lease_next(tools.engine, line_id, who=who, wanted=Wanted(), limit=5, seconds=_LEASE_S)
    for item in found.items:
        if chance.random() < 0.1:
            ask = Ask(item=item.id, action="skip")
        else:
            name = CLASSES[int(item.id[-1], 16) % 2]
            ask = Ask(item=item.id, action="label", class_name=name, key=f"{item.id}-{who.replace(' ', '.')}")
        decide(tools, line_id, [ask], who=who)
    if not found.items:
        time.sleep(0.1)
    return bool(found.items or found.waiting)


class _Chair:
    """Where one person sits at a time, each a process with a name of its own."""

    def __init__(self, url: str, folder: Path, line_id: int, number: int) -> None:
        self._url, self._folder, self._line_id, self._number, self._sat = url, folder, line_id, number, 0
        self.sit()

    @property
    def who(self) -> str:
        return f"person {self._number}.{self._sat}"

    def sit(self) -> None:
        self._sat += 1
        place = f"{self._url!r}, reviewers.Path({str(self._folder)!r}), {self._line_id}, {self.who!r}"
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"import reviewers; reviewers.at_work({place})"],
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"},
        )

    @contextmanager
    def halted(self) -> Iterator[None]:
        self._process.send_signal(signal.SIGSTOP)
        yield
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


def _queue(engine: Engine, blobs: Path, count: int) -> tuple[int, list[str]]:
    """A line on which so many drawn pictures wait, and the items' ids."""
    with writing(engine) as session:
        line_id = lines.create_line(session, f"crew-{time.time_ns()}", class_names=CLASSES).id
    jpegs = (drawn(seed, grain=8, size=96) for seed in range(count))
    return line_id, open_items(engine, LocalBlobs(blobs), line_id, jpegs, class_name=CLASSES[0])


def _checked(
    engine: Engine, line_id: int, ids: Sequence[str], died: set[str], kills: int, seconds: float
) -> Came:
    outcomes = lost = doubled = recovered = 0
    with reading(engine) as session:
        for start in range(0, len(ids), 500):
            part = ids[start : start + 500]
            rows, made = items.get_items(session, line_id, part), decisions.of_items(session, part)
            for one in part:
                said = [decision for decision in effective(made[one]) if decision.action == "label"]
                entry = None
                if rows[one].state == "done":
                    entry = get_entry(session, line_id, rows[one].image_sha256)
                right = entry is not None and entry.class_id == rows[one].class_id == said[0].class_id
                outcomes += right and len(said) == 1
                lost += not right
                doubled += len(said) > 1
                recovered += one in died and right
    return Came(
        items=len(ids),
        outcomes=outcomes,
        lost=lost,
        doubled=doubled,
        kills=kills,
        recovered=recovered,
        seconds=round(seconds, 1),
    )


def _waiting(engine: Engine, line_id: int) -> int:
    with reading(engine) as session:
        return items.count_open(session, line_id)


def _held(engine: Engine, line_id: int, ids: Sequence[str], who: str) -> set[str]:
    """The waiting items that a person has on lease."""
    found: set[str] = set()
    with reading(engine) as session:
        for start in range(0, len(ids), 500):
            rows = items.get_items(session, line_id, ids[start : start + 500]).values()
            found |= {one.id for one in rows if one.waiting and one.lease_by == who}
    return found


if __name__ == "__main__":
    main()
