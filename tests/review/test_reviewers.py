"""Several people review at once, in processes of their own, and one is killed with items on lease."""

from pathlib import Path

import reviewers


def test_every_item_has_one_outcome_whoever_is_killed(database_url: str, tmp_path: Path) -> None:
    """None is lost, none is decided twice; what the dead one had, another decides. At size: benchmarks/reviewers.py."""
    came = reviewers.review(database_url, tmp_path, count=30, people=2, kills=1)
    assert (came.outcomes, came.lost, came.doubled, came.kills) == (30, 0, 0, 1)
    assert came.recovered > 0
