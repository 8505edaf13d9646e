"""A line with a million pictures that nobody took: what the catalogue is told of them is as real photos' would be."""

from __future__ import annotations

import random
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from drawn_pictures import CHUNK, Drawn, draw
from drawn_rows import add_rows
from sortline.catalogue.entry import EntryFilter
from sortline.catalogue.store.entries import add_pictures, get_entries
from sortline.catalogue.version import Draft, Version
from sortline.db.session import reading, writing
from sortline.flows.versions import Changes, from_changes, from_filter
from sortline.lines import store as lines

CLASSES = tuple(f"class-{number:02}" for number in range(12))


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What was built: ids of all entries, versions along the chain, the last of each branch, seconds by part.

    `rss_mb` is the memory of this process at 10, 50 and 100 % of what was `imported`.
    """

    line_id: int
    classes: list[int]
    ids: array[int]
    pool: Pool
    first: Version
    chain: list[Version]
    tips: list[Version]
    imported: int
    rss_mb: dict[int, float]
    seconds: dict[str, float]


def build(
    engine: Engine,
    *,
    count: int,
    imported: int,
    spare: int,
    versions: int,
    changes: int,
    rss_mb: Callable[[], float],
) -> Built:
    """A line with `count` pictures in a first version, `spare` more, and a chain of versions with three branches.

    `imported` of them come as an import's do; the others are written as rows, many times faster.
    """
    with writing(engine) as session:
        line = lines.create_line(session, f"million-{time.time_ns()}", class_names=CLASSES)
        classes = [each.id for each in lines.list_classes(session, line.id)]
    marks, seconds = [time.perf_counter()], dict[str, float]()

    def lap(part: str) -> None:
        marks.append(time.perf_counter())
        seconds[part] = marks[-1] - marks[-2]

    drawn = draw(count + spare)
    lap("draw")
    ids, resident = _import(engine, line.id, drawn, classes, imported, rss_mb)
    lap("import")
    ids.extend(add_rows(engine, line.id, drawn, classes, imported, count + spare))
    lap("rows")
    with reading(engine) as session:
        # Up to the moment at which the first of the spare ones came.
        until = get_entries(session, line.id, [ids[count]])[ids[count]].added_at
    draft = Draft(author="benchmark", name="first")
    first = from_filter(engine, line.id, draft, EntryFilter(until=until), of=None)
    lap("first version")
    pool = Pool(ids[: first.size], ids[first.size :], classes, random.Random(7))
    chain, tips = _chain(engine, line.id, first, pool, versions, changes)
    lap("chain")
    return Built(
        line_id=line.id, classes=classes, ids=ids, pool=pool, first=first, chain=chain, tips=tips,
        imported=imported, rss_mb=resident, seconds=seconds,
    )  # fmt: skip


class Pool:
    """Draws changes: half relabel pictures, a quarter take some out, a quarter bring others in."""

    def __init__(
        self, inside: Sequence[int], out: Sequence[int], classes: list[int], rng: random.Random
    ) -> None:
        self._inside, self._out, self._classes, self._rng = inside, out, classes, rng

    def draw(self, count: int) -> Changes:
        """Changes of `count` different pictures. That some turn out to change nothing is as in life."""
        rng, quarter = self._rng, count // 4
        picked = rng.sample(self._inside, count - quarter)
        return Changes(
            add=frozenset(rng.sample(self._out, quarter)),
            remove=frozenset(picked[:quarter]),
            relabel={entry: rng.choice(self._classes) for entry in picked[quarter:]},
        )


def _import(
    engine: Engine, line_id: int, drawn: Drawn, classes: list[int], count: int, rss_mb: Callable[[], float]
) -> tuple[array[int], dict[int, float]]:
    # 8 bytes each: a list of a million numbers would be most of what the memory grows by.
    ids = array("q")
    resident: dict[int, float] = {}
    marks = {count // 10: 10, count // 2: 50, count: 100}
    for start in range(0, count, CHUNK):
        pictures = drawn.pictures(start, min(start + CHUNK, count), classes)
        with writing(engine) as session:
            placed = add_pictures(
                session, line_id, pictures, origin="import", who="benchmark", trained=lambda _: None
            )
        ids.extend(one.entry_id for one in placed if one.entry_id is not None)
        if (share := marks.get(len(ids))) is not None:
            resident[share] = round(rss_mb(), 1)
    return ids, resident


def _chain(
    engine: Engine, line_id: int, first: Version, pool: Pool, count: int, changes: int
) -> tuple[list[Version], list[Version]]:
    """A chain with two forks, at a third and at two thirds: all its versions, and the tips of the three branches."""
    made, forks = [first], []
    for number in range(1, count):
        with writing(engine) as session:
            draft = Draft(author="benchmark", parent_id=made[-1].id)
            made.append(from_changes(session, line_id, draft, pool.draw(changes)))
        if number in (count // 3, 2 * count // 3):
            with writing(engine) as session:
                draft = Draft(author="benchmark", parent_id=made[-2].id)
                forks.append(from_changes(session, line_id, draft, pool.draw(changes)))
    return made, [made[-1], *forks]
