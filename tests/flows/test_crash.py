"""A server killed under load, the short form of `benchmarks/crash.py`."""

from pathlib import Path

import crash
from tests.pictures import photo


def test_acknowledged_survives_kill(database_url: str, tmp_path: Path) -> None:
    """Every acknowledged id is recorded exactly once, and every answer that said review has its picture and item."""
    pictures = [photo(80, 60, seed) for seed in range(4)]
    found = crash.run(tmp_path, kills=2, clients=6, pictures=pictures, database_url=database_url, seconds=0.5)
    assert found.sound, found
    assert found.acknowledged >= 12
    assert found.in_flight <= 12
