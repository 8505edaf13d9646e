import numpy as np
import pytest
from PIL import Image, ImageFilter

from sortline.engine.quality import measure
from tests.pictures import drawn


def test_brightness_is_the_mean_of_green() -> None:
    """Brightness runs from 0 for black to 255 for white."""
    pixels = np.zeros((3, 32, 32, 3), np.uint8)
    pixels[1, ..., 1] = 100
    pixels[2] = 255
    brightness, _ = measure(pixels)
    assert brightness.tolist() == [0, 100, 255]


def test_blur_lowers_sharpness() -> None:
    """The more a picture is blurred, the less sharp it is; a flat one has none."""
    picture = Image.fromarray(drawn(64, 64))
    blurred = [np.asarray(picture.filter(ImageFilter.GaussianBlur(radius))) for radius in (0, 1, 2, 4)]
    _, sharpness = measure(np.stack([*blurred, np.full((64, 64, 3), 90, np.uint8)]))
    assert (np.diff(sharpness) < 0).all()
    assert sharpness[-1] == 0


def test_sharpness_is_the_variance_of_the_laplacian() -> None:
    """One bright pixel on black gives the variance worked out by hand."""
    pixels = np.zeros((5, 5, 3), np.uint8)
    pixels[2, 2, 1] = 255
    laplacian = np.array([0, 255, 0, 255, -1020, 255, 0, 255, 0])
    _, sharpness = measure(pixels)
    assert np.isclose(sharpness, laplacian.var())


@pytest.mark.parametrize(("height", "width"), [(3, 3), (3, 17), (17, 3), (31, 20)])
def test_neighbours_are_those_of_the_picture(height: int, width: int) -> None:
    """No column's neighbour is taken from the other side."""
    pixels = drawn(width, height)
    green = pixels[..., 1].astype(int)
    around = green[:-2, 1:-1] + green[2:, 1:-1] + green[1:-1, :-2] + green[1:-1, 2:]
    brightness, sharpness = measure(pixels)
    assert np.isclose(brightness, green.mean())
    assert np.isclose(sharpness, (around - 4 * green[1:-1, 1:-1]).var())


def test_batch_equals_one_by_one() -> None:
    """A batch of any shape is measured as its pictures are."""
    pictures = np.stack([drawn(48, 48, seed) for seed in range(6)]).reshape(2, 3, 48, 48, 3)
    brightness, sharpness = measure(pictures)
    assert brightness.shape == sharpness.shape == (2, 3)
    assert brightness.dtype == sharpness.dtype == np.float32
    for index in np.ndindex(2, 3):
        one = measure(pictures[index])
        assert (one[0], one[1]) == (brightness[index], sharpness[index])


def test_tiny_pictures_have_no_sharpness() -> None:
    """Without a pixel that has four neighbours, sharpness is 0."""
    brightness, sharpness = measure(np.full((2, 2, 3), 7, np.uint8))
    assert (float(brightness), float(sharpness)) == (7, 0)
