"""Copies of a picture are near it, other pictures are not."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance
from scipy.fft import dctn

from sortline.engine.fingerprint import (
    SIZE,
    are_near,
    bands,
    fingerprint,
    hamming,
    hashes,
    near_mask,
)
from sortline.engine.image import Pixels, Preprocessing, read, resize

DATA = Path(os.environ.get("SORTLINE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.mark.parametrize(
    "change",
    [
        lambda photo: (photo, 60),
        lambda photo: (photo.resize((photo.width // 2, photo.height // 2)), 85),
        lambda photo: (photo.resize((photo.width * 9 // 10, photo.height * 9 // 10)), 85),
        lambda photo: (ImageEnhance.Brightness(photo).enhance(0.9), 85),
    ],
    ids=["quality-60", "half-size", "nine-tenths", "darker"],
)
def test_a_copy_is_near_and_shares_a_band(change) -> None:
    """Coarser, smaller and darker copies of photos are found through a band and recognised."""
    files = _photos("realwaste")[::40]
    found = 0
    for file in files:
        image, quality = change(Image.open(file))
        copy = io.BytesIO()
        image.save(copy, "JPEG", quality=quality)
        original, other = _of(file.read_bytes()), _of(copy.getvalue())
        mine, theirs = bands(hashes([original, other]))
        found += are_near(original, other) and bool((mine == theirs).any())
    assert found == len(files)


def test_small_copies_of_large_photos_are_near() -> None:
    """Each 524 px original is near its 200 px copy of the same name."""
    originals = _photos("realwaste-524")
    copies = [DATA / "realwaste" / file.relative_to(DATA / "realwaste-524") for file in originals]
    pairs = zip(originals, copies, strict=True)
    assert all(are_near(_of(a.read_bytes()), _of(b.read_bytes())) for a, b in pairs)


def test_the_photos_that_trashnet_labels_twice_are_near() -> None:
    """The three photos that stand in two classes are found."""
    if not (DATA / "trashnet").is_dir():
        pytest.skip(f"no {DATA / 'trashnet'}; set SORTLINE_TEST_DATA")
    twice = [
        ("glass/glass115", "metal/metal91"),
        ("glass/glass389", "plastic/plastic332"),
        ("glass/glass176", "plastic/plastic152"),
    ]
    for a, b in twice:
        first, second = (_of((DATA / "trashnet" / f"{name}.jpg").read_bytes()) for name in (a, b))
        assert are_near(first, second)


def test_other_photos_are_not_near() -> None:
    """Of all pairs of 300 photos of single items on one conveyor, none is taken for a copy."""
    prints = [_of(file.read_bytes()) for file in _photos("realwaste")[::12]]
    assert sum(int(near_mask(one, prints).sum()) for one in prints) == len(prints)


def test_a_colour_makes_another_picture() -> None:
    """A shape in another colour is not near, though its luminance is the same."""
    red, green = _drawn((200, 40, 40)), _drawn((40, 122, 40))
    assert not are_near(red, green)
    assert are_near(red, red)


def test_a_blank_picture_is_near_blanks_of_its_colour_only() -> None:
    """Without anything to see, colour decides; a blank is never near a picture that shows something."""
    grey, same, lighter = (fingerprint(np.full((224, 224, 3), level, np.uint8)) for level in (90, 91, 110))
    assert are_near(grey, same)
    assert not are_near(grey, lighter)
    assert not are_near(grey, _drawn((90, 90, 90)))
    assert len(set(hashes([grey, lighter]))) == 1


def test_the_first_bits_are_signs_of_a_cosine_transform() -> None:
    """The hash agrees with scipy's DCT-II of the luminance, the lowest frequencies first."""
    pixels = resize(np.random.default_rng(7).integers(0, 256, (9, 9, 3)).astype(np.uint8), Preprocessing())
    luminance = pixels.reshape(32, 7, 32, 7, 3).mean((1, 3)) @ [0.299, 0.587, 0.114]
    waves = dctn(luminance, norm="ortho")
    lowest = sorted(((u, v) for u in range(14) for v in range(14)), key=lambda at: at[0] ** 2 + at[1] ** 2)
    expected = np.array([waves[at] for at in lowest[1:65]])
    bits = np.unpackbits(np.frombuffer(fingerprint(pixels)[:8], np.uint8))
    # The first band holds every fourth frequency from the first on, the second from the second on.
    signs = bits.reshape(4, 16).T.ravel()
    sure = np.abs(expected) > 2
    assert sure.sum() > 50
    assert np.array_equal(signs[sure] == 1, expected[sure] > 0)


def test_a_picture_read_at_another_size_is_near() -> None:
    """Sides that 32 does not divide are resampled."""
    pixels = resize(np.random.default_rng(3).integers(0, 256, (12, 12, 3)).astype(np.uint8), Preprocessing())
    smaller = resize(pixels, Preprocessing(size=100))
    assert len(fingerprint(smaller)) == SIZE
    assert are_near(fingerprint(smaller), fingerprint(pixels))


@given(st.binary(min_size=8, max_size=8), st.sets(st.integers(0, 63), max_size=3))
def test_hashes_that_differ_in_three_bits_share_a_band(start: bytes, flipped: set[int]) -> None:
    """Whatever three bits flip, one of four bands stays; the signed form keeps the distance."""
    value = int.from_bytes(start, "big")
    other = value
    for bit in flipped:
        other ^= 1 << bit
    a, b = (number.to_bytes(8, "big") + bytes(SIZE - 8) for number in (value, other))
    one, two = bands(hashes([a, b]))
    assert (one == two).any()
    assert (one >> 16).tolist() == [0, 1, 2, 3]
    assert hamming(hashes([a])[0], hashes([b])).tolist() == [len(flipped)]


def test_nothing_is_near_in_an_empty_list() -> None:
    """No candidates, no answer to compute."""
    assert near_mask(_drawn((1, 2, 3)), []).shape == (0,)


def _of(data: bytes) -> bytes:
    return fingerprint(read(data, Preprocessing()).pixels)


def _drawn(colour: tuple[int, int, int]) -> bytes:
    image = Image.new("RGB", (224, 224), (230, 230, 230))
    draw = ImageDraw.Draw(image)
    draw.ellipse((30, 40, 160, 190), fill=colour)
    draw.rectangle((120, 20, 200, 90), fill=colour)
    pixels: Pixels = np.asarray(image)
    return fingerprint(pixels)


def _photos(name: str) -> list[Path]:
    files = sorted((DATA / name).rglob("*.jpg"))
    if not files:
        pytest.skip(f"no photos in {DATA / name}; set SORTLINE_TEST_DATA")
    return files
