"""Runs, done for real: from labelled pictures to a compared candidate, by the worker that does jobs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sortline.db.session import reading, writing
from sortline.engine.bundle import read_bundle
from sortline.flows import runs
from sortline.jobs.job import State
from sortline.lines.store import get_line, set_auto_promote
from sortline.registry import store as registry
from sortline.training.recipe import ProbeRecipe
from sortline.wiring import Installation
from tests.training_runs import coloured, done, installed, line_with, trained


@pytest.fixture
def ready(database_url: str, tmp_path: Path) -> Iterator[Installation]:
    """An installation with the packaged bundle and no pictures."""
    with installed(database_url, tmp_path) as found:
        yield found


def test_a_first_probe_becomes_a_candidate_that_may_go_live(ready: Installation, tmp_path: Path) -> None:
    """A line without a model: the packaged network under a head of its own, judged alone, registered, not promoted."""
    line = line_with(ready, "colours", coloured(tmp_path / "in", {"Red": 50, "Green": 50, "Blue": 50}))
    found = trained(ready, line)
    assert found.job.state is State.SUCCEEDED, found.job.error
    assert found.run.promote, found.run.verdict
    assert found.run.live_hash is None
    assert found.run.bundle_hash is not None
    bundle = read_bundle(ready.bundles_dir / found.run.bundle_hash)
    assert bundle.manifest.classes == ("Blue", "Green", "Red")
    assert bundle.manifest.dataset.version.startswith("v1")
    assert set(np.unique(bundle.memory().splits)) == {0, 1, 2}
    with reading(ready.engine) as session:
        assert line.id not in registry.live_bundles(session)
    assert {"config.toml", "comparison.json", "card.md", "classes.txt", "report.html"} <= set(
        found.run.artefacts
    )


def test_a_second_run_is_held_against_what_is_live_on_the_same_pictures(
    ready: Installation, tmp_path: Path
) -> None:
    """With `auto_promote` the first goes live; a fourth class then comes in, and the old three lose nothing."""
    line = line_with(ready, "colours", coloured(tmp_path / "one", {"Red": 50, "Green": 50, "Blue": 50}))
    with writing(ready.engine) as session:
        set_auto_promote(session, "colours", True)
    first = trained(ready, line)
    with reading(ready.engine) as session:
        live = registry.live_bundles(session)[line.id]
        (entry,) = registry.ledger(session, line.id).items
    assert live.hash == first.run.bundle_hash
    assert entry.evidence["run"] == first.run.id
    line_with(ready, "colours", coloured(tmp_path / "two", {"White": 60}))
    second = trained(ready, line)
    assert second.run.live_hash == live.hash
    comparison = second.run.comparison
    assert comparison is not None
    assert comparison["new_classes"] == ["White"]
    assert second.run.promote, second.run.verdict
    # The line's version has only what the second import brought and what it had: nothing is counted twice.
    assert second.run.data["remembered"] == {"train": 0, "validation": 0, "test": 0}
    assert comparison["left_out"]["candidate"] == 0


def test_what_the_live_bundle_remembers_is_learned_with_a_few_new_labels(
    ready: Installation, tmp_path: Path
) -> None:
    """The packaged bundle's line, 20 pictures of a tenth class: nine classes lose at most a point."""
    line = line_with(ready, "waste", coloured(tmp_path / "in", {"Red": 20}))
    found = trained(ready, line)
    assert found.job.state is State.SUCCEEDED, found.job.error
    assert found.run.comparison is not None
    assert found.run.comparison["new_classes"] == ["Red"]
    shared = found.run.comparison["shared"]
    before, after = shared["live"]["accuracy"]["value"], shared["candidate"]["accuracy"]["value"]
    assert shared["images"] > 700
    assert after >= before - 0.01
    assert found.run.data["remembered"]["train"] > 2000


def test_a_run_that_cannot_be_done_fails_and_leaves_no_lock(ready: Installation, tmp_path: Path) -> None:
    """One class alone: a clear error, and the next run of the line starts."""
    line = line_with(ready, "colours", coloured(tmp_path / "one", {"Red": 10}))
    failed = trained(ready, line)
    assert failed.job.state is State.FAILED
    assert "1 class with training pictures, and two are needed" in (failed.job.error or "")
    line_with(ready, "colours", coloured(tmp_path / "two", {"Blue": 20, "Green": 20}))
    assert trained(ready, line).job.state is State.SUCCEEDED


def test_the_same_key_starts_one_run(ready: Installation, tmp_path: Path) -> None:
    """Whoever asks twice gets the run they first started."""
    line = line_with(ready, "colours", coloured(tmp_path / "in", {"Red": 4, "Blue": 4}))
    wanted = runs.Wanted(method="probe", recipe=ProbeRecipe())
    with writing(ready.engine) as session:
        first = runs.start_run(session, line, wanted, who="tester", key="monday")
        again = runs.start_run(session, line, wanted, who="tester", key="monday")
        other = runs.start_run(session, line, wanted, who="tester", key="tuesday")
    assert first.run.id == again.run.id != other.run.id


def test_a_run_that_waits_is_cancelled_at_once(ready: Installation, tmp_path: Path) -> None:
    """It never runs, and one that comes after it does."""
    line = line_with(ready, "colours", coloured(tmp_path / "in", {"Red": 30, "Blue": 30}))
    wanted = runs.Wanted(method="probe", recipe=ProbeRecipe())
    with writing(ready.engine) as session:
        first = runs.start_run(session, line, wanted, who="tester")
        second = runs.start_run(session, line, wanted, who="tester")
        assert runs.cancel_run(session, line.id, first.run.id).job.state is State.CANCELLED
    done(ready, second.job.id)
    with reading(ready.engine) as session:
        assert runs.get_run(session, line.id, first.run.id).run.bundle_hash is None
        assert runs.get_run(session, line.id, second.run.id).job.state is State.SUCCEEDED
        assert get_line(session, "colours").auto_promote is False


def test_other_things_are_told_apart_from_the_lines_own(ready: Installation, tmp_path: Path) -> None:
    """Another line's pictures as outliers: how unusual they are to the candidate stands in the comparison."""
    line_with(ready, "others", coloured(tmp_path / "others", {"White": 12, "Green": 12}))
    line = line_with(ready, "colours", coloured(tmp_path / "in", {"Red": 20, "Blue": 20}))
    found = trained(ready, line, ProbeRecipe(outliers=("others",)))
    assert found.run.comparison is not None
    (outliers,) = found.run.comparison["candidate_measured"]["outliers"]
    assert (outliers["name"], outliers["images"]) == ("others", 24)
    assert 0 <= outliers["auroc"] <= 1
