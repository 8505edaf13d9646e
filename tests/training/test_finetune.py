"""Fine-tuning end to end on a tiny network and drawn photos: it learns, tells, stops, and leaves what it learned."""

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra: pip install 'sortline[train]'")
pytest.importorskip("timm", reason="training needs the extra: pip install 'sortline[train]'")

from safetensors.torch import load_file  # noqa: E402  # only where torch is installed

from sortline.training.checkpoint import AnotherRun  # noqa: E402
from sortline.training.dataset import Photos  # noqa: E402
from sortline.training.finetune import TooFewPhotos, finetune  # noqa: E402
from sortline.training.head import loss_function, predict  # noqa: E402
from sortline.training.moments import Moment  # noqa: E402
from sortline.training.recipe import FinetuneRecipe  # noqa: E402
from tests.training_photos import TINY, saved_weights, stripes  # noqa: E402


def with_weights(tmp_path: Path) -> FinetuneRecipe:
    """TINY on from weights in a file, so that there is something to freeze."""
    return dataclasses.replace(TINY, weights=str(saved_weights(tmp_path)))


def test_a_run_learns_and_leaves_what_it_learned(tmp_path: Path) -> None:
    """Two epochs on red against blue: logged with their sizes, the kept weights tell the two apart and lie there."""
    validation, work = stripes(16, seed=1), tmp_path / "work"

    outcome = finetune(stripes(32, seed=0), validation, classes=2, recipe=with_weights(tmp_path), work=work)

    with (work / "training_log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["epoch"], row["size"]) for row in rows] == [("1", "32"), ("2", "48")]
    assert json.loads((work / "training_log.json").read_text()) == [
        dataclasses.asdict(epoch) for epoch in outcome.epochs
    ]
    answers = predict(outcome.network, validation, outcome.recipe).argmax(1).numpy()
    assert (answers == validation.labels).mean() == outcome.best.validation_accuracy == 1.0
    best, last = load_file(work / "best.safetensors"), load_file(work / "last.safetensors")
    assert best.keys() == last.keys() == outcome.network.state_dict().keys()
    assert all(torch.equal(best[name], value) for name, value in outcome.network.state_dict().items())
    assert "multiply-accumulates" in (work / "model_summary.txt").read_text()


def test_every_phase_is_told(tmp_path: Path) -> None:
    """The observer hears of features, the head and each batch, with pace, ETA and the epochs that have ended."""
    heard: list[Moment] = []

    finetune(
        stripes(32, seed=0),
        stripes(8, seed=1),
        classes=2,
        recipe=with_weights(tmp_path),
        work=tmp_path / "work",
        observe=heard.append,
    )

    assert list(dict.fromkeys(moment.phase for moment in heard)) == ["features", "head", "all layers"]
    batches = [m for m in heard if m.phase == "all layers" and not m.ended]
    assert [(m.epoch, m.batch, m.batches) for m in batches] == [
        (e, b, 4) for e in (1, 2) for b in (1, 2, 3, 4)
    ]
    assert all(m.eta_seconds is not None and m.images_per_second for m in batches)
    assert [(m.epoch, len(m.log)) for m in heard if m.ended] == [(1, 1), (2, 2)]


def test_from_scratch_there_is_no_phase_of_the_head(tmp_path: Path) -> None:
    """Without weights there is nothing to freeze."""
    heard: list[Moment] = []
    recipe = dataclasses.replace(TINY, epochs=1)

    finetune(
        stripes(8, seed=0), stripes(4, seed=1), classes=2, recipe=recipe, work=tmp_path, observe=heard.append
    )

    assert {moment.phase for moment in heard} == {"all layers"}


class Cancelled(Exception):
    """What an observer raises."""


@pytest.mark.parametrize("at", [(2, 2), (1, 3)])
def test_what_the_observer_raises_ends_the_run_which_goes_on_later(
    at: tuple[int, int], tmp_path: Path
) -> None:
    """A run cancelled in mid-epoch, or before validation, goes on there, to the weights of a run that was not."""
    train, validation = stripes(24, seed=0), stripes(8, seed=1)

    def cancel(moment: Moment) -> None:
        if (moment.epoch, moment.batch) == at and not moment.ended:
            raise Cancelled

    whole = finetune(train, validation, classes=2, recipe=TINY, work=tmp_path / "whole")
    with pytest.raises(Cancelled):
        finetune(train, validation, classes=2, recipe=TINY, work=tmp_path / "cut", observe=cancel)
    heard: list[Moment] = []
    finetune(train, validation, classes=2, recipe=TINY, work=tmp_path / "cut", observe=heard.append)

    assert (heard[0].epoch, heard[0].batch, heard[0].ended) == {(2, 2): (2, 3, False), (1, 3): (1, 3, True)}[
        at
    ]
    assert [e.train_loss for e in heard[-1].log] == [e.train_loss for e in whole.epochs]
    # A GPU adds up in an order of its own, each time another.
    for name in () if torch.cuda.is_available() else ("best.safetensors", "last.safetensors"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_finished_run_is_not_run_again(tmp_path: Path) -> None:
    """Asked for once more, it gives the same outcome at once."""
    train, validation = stripes(16, seed=0), stripes(8, seed=1)
    first = finetune(train, validation, classes=2, recipe=TINY, work=tmp_path)
    heard: list[Moment] = []

    again = finetune(train, validation, classes=2, recipe=TINY, work=tmp_path, observe=heard.append)

    assert (heard, again.epochs) == ([], first.epochs)


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    """A checkpoint of another recipe is not gone on from."""
    train, validation = stripes(16, seed=0), stripes(8, seed=1)
    recipe = dataclasses.replace(TINY, epochs=1)
    finetune(train, validation, classes=2, recipe=recipe, work=tmp_path)

    with pytest.raises(AnotherRun, match=r"checkpoint\.pt is of another run"):
        finetune(train, validation, classes=2, recipe=dataclasses.replace(recipe, seed=1), work=tmp_path)


def test_a_run_out_of_time_ends(tmp_path: Path) -> None:
    """With no minutes to spend the schedule is over after one epoch, however many were asked for."""
    recipe = dataclasses.replace(TINY, epochs=50, minutes=1e-6)

    outcome = finetune(stripes(8, seed=0), stripes(4, seed=1), classes=2, recipe=recipe, work=tmp_path)

    assert len(outcome.epochs) == 1


def test_patience_ends_a_run(tmp_path: Path) -> None:
    """A rate too small to learn anything: the first epoch stays the best, and the run ends early."""
    recipe = dataclasses.replace(TINY, epochs=50, patience=2, learning_rate=1e-12, warmup=0, ema_decay=0.9)
    noise = dataclasses.replace(stripes(8, seed=1), labels=np.array([0, 0, 0, 0, 1, 1, 1, 1]))

    outcome = finetune(stripes(8, seed=0), noise, classes=2, recipe=recipe, work=tmp_path)

    assert len(outcome.epochs) == outcome.best.epoch + 2 < 50


def test_without_validation_photos_the_last_epoch_is_kept(tmp_path: Path) -> None:
    """There is nothing to choose by."""
    none = Photos(pixels=np.empty((0, 48, 48, 3), np.uint8), labels=np.empty(0, np.int64))

    outcome = finetune(stripes(8, seed=0), none, classes=2, recipe=TINY, work=tmp_path)

    assert (outcome.best.epoch, outcome.best.validation_accuracy) == (2, None)


def test_too_few_photos_are_refused(tmp_path: Path) -> None:
    """One photo is no set."""
    with pytest.raises(TooFewPhotos):
        finetune(stripes(1, seed=0), stripes(1, seed=1), classes=2, recipe=TINY, work=tmp_path)


def test_classes_without_a_photo_and_many_classes(tmp_path: Path) -> None:
    """200 classes of which two have photos: they are told apart, weighted or not."""
    recipe = dataclasses.replace(TINY, class_weights="balanced", epochs=1)

    outcome = finetune(stripes(16, seed=0), stripes(8, seed=1), classes=200, recipe=recipe, work=tmp_path)

    assert np.isfinite(outcome.best.train_loss)
    assert outcome.network.get_classifier().out_features == 200  # type: ignore[operator, unused-ignore]


def test_balanced_weights_make_classes_weigh_the_same() -> None:
    """Three photos of one class weigh together what one of the other does."""
    photos = Photos(pixels=np.empty((4, 8, 8, 3), np.uint8), labels=np.array([0, 0, 0, 1]))
    recipe = dataclasses.replace(TINY, class_weights="balanced", label_smoothing=0.0)
    loss = loss_function(photos, recipe, 2, torch.device("cpu"))
    wrong = torch.tensor([[0.0, 1.0]])

    common = float(loss(wrong, torch.tensor([[1.0, 0.0]])))
    rare = float(loss(wrong.flip(1), torch.tensor([[0.0, 1.0]])))

    assert rare == pytest.approx(3 * common)


def test_two_processes_train_one_network(tmp_path: Path) -> None:
    """Each takes half of every batch; what comes out tells the classes apart, and no process is left."""
    validation = stripes(8, seed=1)
    recipe = dataclasses.replace(TINY, devices=2, drop_path=0.0)
    before = set(torch.multiprocessing.active_children())

    outcome = finetune(stripes(32, seed=0), validation, classes=2, recipe=recipe, work=tmp_path)

    assert outcome.best.validation_accuracy == 1.0
    assert not torch.distributed.is_initialized()
    assert set(torch.multiprocessing.active_children()) <= before
