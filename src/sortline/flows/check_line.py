"""Whether a line's summaries say what its catalogue and versions hold, and which of its groups leak between splits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Engine

from sortline.catalogue.entry import Group, TrainedLookup
from sortline.catalogue.store import checking, groups, summaries
from sortline.catalogue.store.clock import lock_catalogue
from sortline.catalogue.store.facts import facts_of
from sortline.catalogue.summary import Facts, Summary
from sortline.db.session import Session, reading, writing
from sortline.flows.check_versions import check_versions
from sortline.flows.finish import mend_leaks
from sortline.lines.line import Line

BATCH = 500
EXAMPLES = 20
# How often a repair is tried while others change the catalogue under it.
ATTEMPTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LineReport:
    """What was found: `pictures` of the line, whether its summary was wrong, the numbers of versions whose summaries
    were, and whether all that is `repaired`; the first groups that leak between splits, whether there are more, and
    how many were mended.
    """

    line: str
    pictures: int
    summary_wrong: bool
    wrong_versions: tuple[int, ...]
    repaired: bool
    leaks: tuple[Group, ...]
    more_leaks: bool
    mended: int

    @property
    def sound(self) -> bool:
        """Whether the summaries are right by now. Leaks are no fault of the catalogue's: they came declared."""
        return self.repaired or not (self.summary_wrong or self.wrong_versions)


def check_line(
    engine: Engine,
    line: Line,
    *,
    repair: bool = False,
    leaks: Literal["resplit", "drop"] | None = None,
    trained: Callable[[Session], TrainedLookup],
) -> LineReport:
    """How a line's catalogue stands; `leaks` says how to mend groups that leak between splits."""
    mended = mend_leaks(engine, line.id, leaks, who="cli", trained=trained) if leaks else 0
    right, wrong, repaired = _check_summary(engine, line.id, repair=repair)
    wrong_versions = check_versions(engine, line.id, repair=repair)
    with reading(engine) as session:
        page = groups.leaks(session, line.id, limit=EXAMPLES)
    return LineReport(
        line=line.name,
        pictures=right.size,
        summary_wrong=wrong,
        wrong_versions=tuple(version.number for version in wrong_versions),
        # Versions are, whenever they are to be: nobody else changes them.
        repaired=repair and (wrong or bool(wrong_versions)) and (repaired or not wrong),
        leaks=page.items,
        more_leaks=page.next_cursor is not None,
        mended=mended,
    )


def _check_summary(engine: Engine, line_id: int, *, repair: bool) -> tuple[Summary, bool, bool]:
    """The line's summary as it should be, whether it was not, and whether it is now."""
    wrong = repaired = False
    for _ in range(ATTEMPTS):
        kept, right = _both(engine, line_id)
        if kept == right:
            break
        wrong = True
        if not repair:
            break
        with writing(engine) as session:
            lock_catalogue(session)
            # Counted anew if it has changed since it was read; then nothing is written but what is true now.
            if summaries.line_summary(session, line_id) == kept:
                summaries.set_line_summary(session, line_id, right)
                repaired = True
                break
    return right, wrong, repaired


def _both(engine: Engine, line_id: int) -> tuple[Summary, Summary]:
    """The summary as it is kept, and as it should be: both of one moment."""
    if engine.dialect.name == "postgresql":
        # There, each statement of a transaction would see another moment; SQLite's see one.
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    with reading(engine) as session:
        return summaries.line_summary(session, line_id), Summary.of(_facts(session, line_id))


def _facts(session: Session, line_id: int) -> Iterator[Facts]:
    after = 0
    while ids := checking.entry_ids_after(session, line_id, after, BATCH):
        yield from facts_of(session, ids).values()
        after = ids[-1]
