"""Thumbnails are small, upright, and look like their pictures."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from sortline.engine.canonical import canonical
from sortline.engine.image import CorruptImage, ImageError, TruncatedImage
from sortline.engine.thumbnail import SIZES, thumbnail
from tests.pictures import drawn, encode, exif_with, photo, stored_turned


@pytest.mark.parametrize("longest", SIZES)
@pytest.mark.parametrize(("width", "height"), [(1000, 750), (750, 1000), (640, 64)])
def test_the_longest_side_is_as_asked(longest: int, width: int, height: int) -> None:
    """A large picture is scaled down with its shape kept, to WebP."""
    image = _open(thumbnail(photo(width, height), longest))
    assert image.format == "WEBP"
    assert max(image.size) == longest
    assert image.width / image.height == pytest.approx(width / height, rel=0.05)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_a_small_picture_is_never_enlarged(kind: str) -> None:
    """28 px stay 28 px."""
    assert _open(thumbnail(encode(drawn(28, 20), kind), 128)).size == (28, 20)


def test_a_thin_picture_keeps_a_pixel() -> None:
    """The short side does not vanish."""
    assert _open(thumbnail(encode(drawn(300, 15), "png"), 8)).size == (8, 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_upright(orientation: int) -> None:
    """A camera held sideways shows its picture the right way up, from the canonical bytes."""
    upright = Image.fromarray(drawn(600, 400, seed=2))
    stored = encode(stored_turned(upright, orientation), "jpeg", quality=95, exif=exif_with(orientation))
    found = np.asarray(_open(thumbnail(canonical(stored).data, 128)).convert("RGB"), np.float32)
    expected = np.asarray(upright.resize((128, 85), Image.Resampling.LANCZOS), np.float32)
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() < 8


def test_a_colour_profile_goes_along() -> None:
    """What a browser needs to show the colours is in the thumbnail too."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = canonical(encode(drawn(300, 200), "jpeg", icc_profile=profile)).data
    assert _open(thumbnail(data, 128)).info["icc_profile"] == profile
    assert "icc_profile" not in _open(thumbnail(photo(300, 200), 128)).info


def test_damaged_bytes_are_refused() -> None:
    """An error of the image module, never one of Pillow's."""
    with pytest.raises(TruncatedImage):
        thumbnail(photo(300, 200)[:2000], 128)
    with pytest.raises(ImageError):
        thumbnail(b"no picture", 128)
    with pytest.raises((CorruptImage, TruncatedImage)):
        thumbnail(encode(drawn(), "png")[:60], 128)


def _open(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))
