"""Runs in the corners: few pictures, many classes, nothing labelled, a disk that is full for a while."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sortline.catalogue.version import NothingChanged, NoVersion
from sortline.db.session import writing
from sortline.flows import runs
from sortline.jobs.job import State
from sortline.lines.store import create_line
from sortline.storage.errors import StorageUnavailable
from sortline.training.recipe import ProbeRecipe
from sortline.wiring import Installation
from tests.training_runs import coloured, installed, line_with, trained


@pytest.fixture
def ready(database_url: str, tmp_path: Path) -> Iterator[Installation]:
    """An installation with the packaged bundle and no pictures."""
    with installed(database_url, tmp_path) as found:
        yield found


def test_a_class_with_one_picture_is_trained_on_and_nothing_is_decided_on_it(
    ready: Installation, tmp_path: Path
) -> None:
    """One red picture beside twenty blue and green ones: a candidate, and too little evidence to promote it."""
    line = line_with(ready, "few", coloured(tmp_path / "in", {"Red": 1, "Blue": 20, "Green": 20}))
    found = trained(ready, line)
    assert found.job.state is State.SUCCEEDED, found.job.error
    assert found.run.data["classes"]["Red"] == {"train": 1, "validation": 0, "test": 0}
    assert found.run.promote is False
    assert "to compare on" in (found.run.verdict or {})["text"]


def test_two_hundred_classes(ready: Installation, tmp_path: Path) -> None:
    """Three pictures of each of 200 classes: a candidate that knows them all, with its report."""
    for number in range(200):
        folder = tmp_path / "in" / f"class {number:03d}"
        folder.mkdir(parents=True)
        for copy in range(3):
            draw = np.random.default_rng([number, copy])
            pixels = np.kron(draw.integers(0, 256, (4, 4, 3)), np.ones((12, 12, 1))).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{copy}.png")
    found = trained(ready, line_with(ready, "many", tmp_path / "in"))
    assert found.job.state is State.SUCCEEDED, found.job.error
    assert len(found.run.data["classes"]) == 200
    assert "report.html" in found.run.artefacts


def test_a_line_without_labels_has_nothing_to_train_on(ready: Installation) -> None:
    """No version, and none can be made of no labels: said before anything is queued."""
    with writing(ready.engine) as session:
        line = create_line(session, "empty")
    with pytest.raises((NoVersion, NothingChanged)), writing(ready.engine) as session:
        runs.start_run(session, line, runs.Wanted(method="probe", recipe=ProbeRecipe()), who="tester")


@dataclass
class FullFor:
    """A blob store whose disk is full for some writes; all else is the real one's."""

    blobs: Any
    writes: int

    def __getattr__(self, name: str) -> Any:
        return getattr(self.blobs, name)

    def put_many(self, blobs: Sequence[tuple[str, bytes]]) -> None:
        """Refuses the first few times."""
        if self.writes:
            self.writes -= 1
            raise StorageUnavailable("the disk", "No space left on device")
        self.blobs.put_many(blobs)


def test_a_disk_that_is_full_for_a_while_delays_a_run(ready: Installation, tmp_path: Path) -> None:
    """The step is tried again, and the run comes to its end."""
    line = line_with(ready, "full", coloured(tmp_path / "in", {"Red": 12, "Blue": 12}))
    found = trained(replace(ready, blobs=FullFor(ready.blobs, writes=1)), line)
    assert found.job.state is State.SUCCEEDED, found.job.error


def test_a_disk_that_stays_full_fails_the_run_and_says_so(ready: Installation, tmp_path: Path) -> None:
    """After its tries the run fails with what is wrong; once there is room, the next one runs."""
    line = line_with(ready, "full", coloured(tmp_path / "in", {"Red": 12, "Blue": 12}))
    failed = trained(replace(ready, blobs=FullFor(ready.blobs, writes=1000)), line)
    assert failed.job.state is State.FAILED
    assert "No space left on device" in (failed.job.error or "")
    assert trained(ready, line).job.state is State.SUCCEEDED
