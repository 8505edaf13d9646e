"""Photos for training: decoded once as serving would, kept in a file, varied by a seed."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra: pip install 'sortline[train]'")
pytest.importorskip("timm", reason="training needs the extra: pip install 'sortline[train]'")

from sortline.engine.image import ImageError, Preprocessing, read  # noqa: E402  # only where torch is installed
from sortline.training.augment import Normalise, mix, vary  # noqa: E402
from sortline.training.dataset import keep_photos  # noqa: E402
from sortline.training.moments import Moment  # noqa: E402
from sortline.training.recipe import Augmentation  # noqa: E402
from tests.pictures import photo  # noqa: E402
from tests.training_photos import stripes  # noqa: E402

HOW = Preprocessing(size=32)


def items(count: int) -> list[tuple[bytes, int]]:
    """Drawn photos with labels 0, 1, 2, …"""
    return [(photo(60, 40, seed), seed % 3) for seed in range(count)]


def test_photos_are_what_serving_reads(tmp_path: Path) -> None:
    """Row by row the pixels of `engine.image.read`, in order, with a moment each."""
    photos, heard = items(50), list[Moment]()

    kept = keep_photos(photos, 50, HOW, folder=tmp_path, name="train", key="v1", observe=heard.append)

    assert all(np.array_equal(kept.pixels[i], read(data, HOW).pixels) for i, (data, _) in enumerate(photos))
    assert kept.labels.tolist() == [label for _, label in photos]
    assert [(m.phase, m.batch, m.batches) for m in heard] == [("photos", n, 50) for n in range(1, 51)]


def test_photos_that_are_there_are_not_decoded_again(tmp_path: Path) -> None:
    """The same key and size: the items are not touched. Another key or size: they are."""

    def untouchable() -> Iterator[tuple[bytes, int]]:
        raise AssertionError("decoded twice")
        yield

    first = keep_photos(items(5), 5, HOW, folder=tmp_path, name="train", key="v1")
    again = keep_photos(untouchable(), 5, HOW, folder=tmp_path, name="train", key="v1")
    assert np.array_equal(first.pixels, again.pixels)
    for how, key in ((HOW, "v2"), (Preprocessing(size=16), "v1")):
        with pytest.raises(AssertionError, match="decoded twice"):
            keep_photos(untouchable(), 5, how, folder=tmp_path, name="train", key=key)


def test_photos_cut_short_are_decoded_anew(tmp_path: Path) -> None:
    """What a run left in mid-photo is no set."""

    def stop(moment: Moment) -> None:
        if moment.batch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keep_photos(items(9), 9, HOW, folder=tmp_path, name="train", key="v1", observe=stop)
    heard = list[Moment]()
    kept = keep_photos(items(9), 9, HOW, folder=tmp_path, name="train", key="v1", observe=heard.append)
    assert (len(kept), len(heard)) == (9, 9)


@pytest.mark.parametrize("count", [4, 6])
def test_another_number_of_photos_than_promised_is_an_error(count: int, tmp_path: Path) -> None:
    """Rows would be left black."""
    with pytest.raises(ValueError, match="5 photos were promised"):
        keep_photos(items(count), 5, HOW, folder=tmp_path, name="train", key="v1")


def test_a_photo_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """As in serving."""
    with pytest.raises(ImageError):
        keep_photos([*items(3), (b"no photo", 0)], 4, HOW, folder=tmp_path, name="train", key="v1")


def test_no_photos_are_a_set_as_well(tmp_path: Path) -> None:
    """A class may be absent from a split, and a split from a version."""
    assert keep_photos([], 0, HOW, folder=tmp_path, name="validation", key="v1").pixels.shape == (
        0,
        32,
        32,
        3,
    )


def test_variation_keeps_shape_and_is_repeatable() -> None:
    """The same seed varies photos the same, another seed differently."""
    pixels = torch.from_numpy(stripes(4, seed=0).pixels)
    normalise = Normalise(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))

    def varied(seed: int) -> torch.Tensor:
        how = Augmentation(quarter_turns=True, erase=0.5)
        return vary(pixels, 40, how, torch.Generator().manual_seed(seed), normalise=normalise)

    assert varied(1).shape == (4, 3, 40, 40)
    assert torch.equal(varied(1), varied(1))
    assert not torch.equal(varied(1), varied(2))


def test_without_variation_photos_stay_as_they_are() -> None:
    """Every kind of variation can be turned off."""
    pixels = torch.from_numpy(stripes(4, seed=0).pixels)
    how = Augmentation(
        crop_area=(1.0, 1.0), crop_aspect=1.0, flip=False, tilt_degrees=0, brightness=0, contrast=0, saturation=0,
        white_balance=0, sharpness=(1.0, 1.0), low_resolution=0, erase=0,
    )  # fmt: skip
    plain = Normalise(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))

    images = vary(pixels, 48, how, torch.Generator(), normalise=plain)

    assert images.numpy() == pytest.approx(pixels.permute(0, 3, 1, 2).numpy() / 255, abs=1e-4)


@pytest.mark.parametrize("seed", range(6))
def test_mixed_targets_stay_shares(seed: int) -> None:
    """Whatever mix is drawn, each photo's targets sum to one."""
    how = Augmentation(mix=1.0)
    generator = torch.Generator().manual_seed(seed)

    images, targets = mix(torch.rand(4, 3, 16, 16), torch.eye(4), how, generator)

    assert images.shape == (4, 3, 16, 16)
    assert targets.sum(1).numpy() == pytest.approx(np.ones(4))
