"""Ids that sort by time."""

import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sortline.db.ids import first_id, new_id


def test_ids_are_version_7_uuids_and_sort_as_they_were_made() -> None:
    """A thousand in a row are distinct; one made a moment later sorts later."""
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(UUID(made).version == 7 for made in ids)
    before = new_id()
    time.sleep(0.001)
    assert before < new_id()


def test_the_first_id_of_a_moment_divides_past_from_future() -> None:
    """An id lies between those of a second before it was made and those of a second after."""
    before, made, after = datetime.now(UTC), new_id(), datetime.now(UTC)
    assert first_id(before - timedelta(seconds=1)) < made < first_id(after + timedelta(seconds=1))
