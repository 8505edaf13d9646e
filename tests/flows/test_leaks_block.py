"""Near-duplicates that straddle splits are counted until that is mended: a gate lets nothing pass meanwhile."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from sortline.catalogue.entry import Split
from sortline.catalogue.store.groups import drop, resplit
from sortline.catalogue.version import Draft
from sortline.db.session import reading, writing
from sortline.flows.duplicates import leaking_groups
from sortline.flows.versions import Changes, from_changes, from_staged
from tests.versions import add_entries, new_line


@pytest.mark.parametrize("mend", ["resplit", "drop"])
def test_a_leak_blocks_until_it_is_mended(engine: Engine, mend: str) -> None:
    """The version that tears a pair apart leaks; the one made after mending does not, by either way."""
    with writing(engine) as session:
        line_id, (glass,) = new_line(session, "Glass")
        ids = add_entries(session, line_id, [(glass, Split.TRAIN)] * 4)
        pair = add_entries(
            session, line_id, [(glass, Split.TRAIN), (glass, Split.TEST)], group_id=ids[-1] + 1
        )
        torn = from_changes(session, line_id, Draft(author="x"), Changes(add=frozenset([*ids, *pair])))
    with reading(engine) as session:
        assert leaking_groups(session, torn) == 1
    with writing(engine) as session:
        if mend == "resplit":
            assert resplit(session, line_id, who="x", trained=lambda _: None) == 1
        else:
            assert drop(session, line_id, who="x") == 1
    mended = from_staged(engine, line_id, Draft(author="x"))
    with reading(engine) as session:
        assert leaking_groups(session, mended) == 0
        assert leaking_groups(session, torn) == 1  # immutable: what was torn stays torn
