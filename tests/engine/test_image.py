import contextlib
import io
import struct
import sys
import threading
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from sortline.engine import image
from sortline.engine.image import Limits, Preprocessing
from tests.pictures import (
    FORMATS,
    PREPROCESSING,
    bad_inputs,
    drawn,
    encode,
    exif_with,
    huge_png,
    photo,
    png_chunk,
    png_of,
    stored_turned,
)


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """Mean absolute difference in grey levels."""
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_read(kind: str) -> None:
    """Each format gives the drawn picture, its size and its name."""
    pixels = drawn()
    picture = image.read(encode(pixels, kind), PREPROCESSING)
    assert (picture.width, picture.height, picture.format) == (120, 90, kind)
    assert picture.pixels.shape == (64, 64, 3)
    assert picture.pixels.dtype == np.uint8
    assert difference(picture.pixels, image.resize(pixels, PREPROCESSING)) < (9 if kind == "gif" else 2)


@pytest.mark.parametrize("kind", ["png", "webp", "bmp", "tiff"])
def test_lossless_formats_decode_exactly(kind: str) -> None:
    """What a lossless format stores comes back to the bit."""
    assert np.array_equal(image.decode(encode(drawn(), kind)), drawn())


def test_heic_is_read_where_the_library_is() -> None:
    """HEIC works as soon as pillow-heif is installed, and stands upright."""
    pillow_heif = pytest.importorskip("pillow_heif", reason="pillow-heif is optional")
    upright = Image.fromarray(drawn())
    file = pillow_heif.from_pillow(stored_turned(upright, 6))
    buffer = io.BytesIO()
    file.save(buffer, quality=95, exif=exif_with(6))
    picture = image.read(buffer.getvalue(), PREPROCESSING)
    assert (picture.width, picture.height, picture.format) == (120, 90, "heif")
    assert difference(picture.pixels, image.resize(drawn(), PREPROCESSING)) < 6


def test_heic_without_the_library_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pillow-heif the error says what to install."""
    monkeypatch.setitem(sys.modules, "pillow_heif.as_plugin", None)
    data = struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"heic", 0, b"mif1", b"heic") + bytes(100)
    with pytest.raises(image.MissingDecoder, match="pip install pillow-heif"):
        image.read(data, PREPROCESSING)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("resize", ["squash", "crop"])
def test_orientation_is_applied(kind: str, orientation: int, resize: str) -> None:
    """However the camera was held, the picture comes out as it was seen."""
    upright = Image.fromarray(drawn())
    data = encode(stored_turned(upright, orientation), kind, exif=exif_with(orientation))
    preprocessing = Preprocessing(size=64, resize=resize)
    picture = image.read(data, preprocessing)
    assert (picture.width, picture.height) == (120, 90)
    assert difference(picture.pixels, image.resize(drawn(), preprocessing)) < 2
    assert difference(image.decode(data), drawn()) < 3


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("L", 100), ("1", 255), ("P", 100), ("LA", 100), ("RGBA", 100)],
)
def test_pillow_modes_become_rgb(mode: str, expected: int) -> None:
    """Greyscale, bilevel, palette and opaque alpha PNGs come out as RGB."""
    grey = Image.new("L", (30, 20), expected)
    pixels = image.decode(encode(grey.convert(mode), "png"))
    assert pixels.shape == (20, 30, 3)
    assert (pixels == expected).all()


def test_transparent_pixels_are_laid_on_white() -> None:
    """What cannot be seen is white, whatever colour hides there; half-seen is halfway."""
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[4:, :, 3] = 128
    seen = image.decode(encode(Image.fromarray(pixels), "png"))
    assert (seen[:4] == 255).all()
    assert (abs(seen[4:].astype(int) - 127) <= 1).all()


def test_transparent_palette_entry_is_laid_on_white() -> None:
    """A GIF's transparent colour is white too."""
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([9, 9, 9, 200, 0, 0])
    palette.putpixel((0, 0), 0)
    seen = image.decode(encode(palette, "gif", transparency=0))
    assert tuple(seen[0, 0]) == (255, 255, 255)
    assert tuple(seen[4, 4]) == (200, 0, 0)


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_16_bit_grey_is_scaled(kind: str) -> None:
    """16-bit grey keeps its high byte; nothing is clipped at 255."""
    ramp = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    pixels = image.decode(encode(Image.fromarray(ramp), kind))
    assert np.array_equal(pixels[..., 0], (ramp >> 8).astype(np.uint8))


def test_16_bit_colour_is_scaled() -> None:
    """16-bit RGB keeps its high byte too."""
    ramp = np.linspace(0, 65535, 16 * 16 * 3).astype(">u2").reshape(16, 16, 3)
    rows = b"".join(b"\0" + row.tobytes() for row in ramp)
    pixels = image.decode(png_of(16, 16, 16, 2, rows))
    assert np.array_equal(pixels, (ramp >> 8).astype(np.uint8))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk_jpegs(mode: str) -> None:
    """JPEGs that are not RGB look as Pillow shows them."""
    converted = Image.fromarray(drawn()).convert(mode)
    pixels = image.decode(encode(converted, "jpeg"))
    assert difference(pixels, np.asarray(converted.convert("RGB"))) < 3


def test_cmyk_tiff() -> None:
    """A print shop's TIFF is read."""
    converted = Image.fromarray(drawn()).convert("CMYK")
    assert difference(image.decode(encode(converted, "tiff")), np.asarray(converted.convert("RGB"))) < 1


def test_progressive_and_mpo_are_jpegs() -> None:
    """Progressive JPEGs and the two-picture files of phones go the JPEG path; the first picture counts."""
    first, second = Image.fromarray(drawn()), Image.new("RGB", (120, 90))
    progressive = encode(first, "jpeg", progressive=True)
    mpo = encode(first, "MPO", save_all=True, append_images=[second], quality=95)
    for data in (progressive, mpo):
        picture = image.read(data, PREPROCESSING)
        assert picture.format == "jpeg"
        assert difference(picture.pixels, image.resize(drawn(), PREPROCESSING)) < 3


@pytest.mark.parametrize("kind", ["gif", "webp", "png", "tiff"])
def test_first_frame_counts(kind: str) -> None:
    """Of an animation or a document the first frame or page is read."""
    first, second = Image.new("RGB", (20, 20), (200, 0, 0)), Image.new("RGB", (20, 20), (0, 200, 0))
    data = encode(first, kind, save_all=True, append_images=[second])
    assert tuple(image.decode(data)[10, 10]) == (200, 0, 0)


@pytest.mark.parametrize(("width", "height"), [(524, 524), (1000, 700), (700, 1300), (3000, 300)])
@pytest.mark.parametrize("resize", ["squash", "crop"])
def test_scaled_decode_looks_like_full_decode(width: int, height: int, resize: str) -> None:
    """Decoding a JPEG at a fraction of its size changes the input by about a grey level, no more."""
    preprocessing = Preprocessing(size=128, resize=resize)
    data = encode(drawn(width, height), "jpeg", subsampling=2, quality=90)
    full = image.resize(image.decode(data), preprocessing)
    assert difference(image.read(data, preprocessing).pixels, full) < 1.2


def test_decode_min_side_bounds_both_sides() -> None:
    """A scaled decode is smaller than the picture and no side falls below what was asked."""
    pixels = image.decode(encode(drawn(800, 500), "jpeg"), min_side=100)
    assert 100 <= pixels.shape[0] < 500
    assert 100 <= pixels.shape[1] < 800


def test_crop_takes_the_centre() -> None:
    """Crop sees only the centre square, squash sees everything."""
    pixels = np.zeros((40, 120, 3), np.uint8)
    pixels[:, 38:82] = 255  # the filter looks a little beyond the cut
    assert image.resize(pixels, Preprocessing(size=32, resize="crop")).min() == 255
    assert image.resize(pixels, Preprocessing(size=32)).min() == 0


def test_out_is_filled_and_result_is_writable() -> None:
    """Pixels land in the caller's batch without a further array; without one they are the caller's own."""
    batch = np.zeros((2, 64, 64, 3), np.uint8)
    picture = image.read(photo(), PREPROCESSING, out=batch[1])
    assert picture.pixels.base is batch or np.shares_memory(picture.pixels, batch)
    assert batch[1].any()
    assert not batch[0].any()
    assert image.read(photo(), PREPROCESSING).pixels.flags.writeable


@pytest.mark.parametrize("kind", FORMATS)
def test_any_buffer_gives_the_same(kind: str) -> None:
    """bytes, bytearray and memoryview are the same picture."""
    data = encode(drawn(), kind)
    expected = image.read(data, PREPROCESSING).pixels
    for buffer in (bytearray(data), memoryview(data), memoryview(b"x" + data)[1:]):
        assert np.array_equal(image.read(buffer, PREPROCESSING).pixels, expected)


def test_tiny_pictures_are_read() -> None:
    """One pixel is a picture; whether it is good enough is not decided here."""
    assert image.read(encode(drawn(1, 1), "png"), PREPROCESSING).width == 1


def test_threads_agree() -> None:
    """Many threads at once read what one reads."""
    files = [encode(drawn(seed=seed), kind) for kind in FORMATS for seed in range(3)]
    expected = [image.read(data, PREPROCESSING).pixels for data in files]
    wrong: list[int] = []

    def work() -> None:
        for index, data in enumerate(files):
            if not np.array_equal(image.read(data, PREPROCESSING).pixels, expected[index]):
                wrong.append(index)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# ---- refusals


def refused(data: bytes, limits: Limits = image.DEFAULT_LIMITS) -> image.ImageError:
    """The error that reading raises."""
    with pytest.raises(image.ImageError) as caught:
        image.read(data, PREPROCESSING, limits=limits)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("empty", image.EmptyImage),
        ("text", image.NotAnImage),
        ("truncated JPEG", image.TruncatedImage),
        ("truncated PNG", image.TruncatedImage),
        ("huge PNG", image.TooManyPixels),
        ("PDF", image.UnsupportedFormat),
    ],
)
def test_bad_inputs_have_their_errors(name: str, error: type[image.ImageError]) -> None:
    """Each kind of bad input is told apart."""
    assert type(refused(bad_inputs()[name])) is error


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.95])
def test_truncated_files_are_refused(kind: str, share: float) -> None:
    """A file cut anywhere is never shown half grey."""
    data = encode(drawn(400, 300), kind)
    assert isinstance(refused(data[: int(len(data) * share)]), image.CorruptImage)


def test_truncated_jpeg_with_end_marker_is_refused() -> None:
    """An end marker after too few pixels does not hide that they are missing."""
    data = photo(400, 300)
    assert isinstance(refused(data[: len(data) // 2] + b"\xff\xd9"), image.TruncatedImage)


@pytest.mark.parametrize("end", [b"", b"\xff\xd9" + b"garbage" * 50, b"\0\0\0\xff\xd9"])
def test_harmless_ends_of_a_jpeg_are_accepted(end: bytes) -> None:
    """A missing end marker, garbage after it or padding before it costs no pixel."""
    data = photo()
    picture = image.read(data[:-2] + end, PREPROCESSING)
    assert difference(picture.pixels, image.read(data, PREPROCESSING).pixels) < 0.5


def test_byte_limit() -> None:
    """Files above the limit are refused with both numbers."""
    error = refused(photo(), Limits(max_bytes=100))
    assert isinstance(error, image.TooManyBytes)
    assert (error.size, error.limit) == (len(photo()), 100)


@pytest.mark.parametrize("kind", FORMATS)
def test_pixel_limit(kind: str) -> None:
    """Every format is held to the pixel limit."""
    error = refused(encode(drawn(), kind), Limits(max_pixels=120 * 90 - 1))
    assert isinstance(error, image.TooManyPixels)
    assert (error.width, error.height) == (120, 90)


def test_huge_pictures_are_refused_before_allocation() -> None:
    """A file that claims 100 megapixels costs no memory, and no warning, not even under a high limit."""
    assert isinstance(refused(huge_png()), image.TooManyPixels)
    assert isinstance(refused(huge_png(), Limits(max_pixels=10**9)), image.CorruptImage)
    header = photo()
    start = header.index(b"\xff\xc0")
    claimed = header[: start + 5] + struct.pack(">HH", 60_000, 60_000) + header[start + 9 :]
    assert isinstance(refused(claimed), image.TooManyPixels)


def test_extreme_aspect() -> None:
    """A line is no item."""
    assert isinstance(refused(encode(drawn(300, 10), "png")), image.ExtremeAspect)


def test_text_bombs_are_not_decompressed() -> None:
    """A PNG with 100 MB of text in a few kilobytes is read like any other; its text is not looked at."""
    bomb = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"\0" * 100_000_000, 9))
    rows = b"".join(b"\0" + row.tobytes() for row in drawn(16, 16))
    assert np.array_equal(image.decode(png_of(16, 16, 8, 2, rows, bomb)), drawn(16, 16))


def test_stray_bytes_do_not_hide_missing_pixels() -> None:
    """libjpeg reports one complaint only; a harmless one first must not let a cut file through."""
    data = photo(400, 300)
    stray = data[:20] + b"stray" + data[20:]  # after the JFIF header
    assert difference(image.decode(stray), image.decode(data)) == 0
    assert isinstance(refused(stray[: len(data) // 2] + b"\xff\xd9"), image.TruncatedImage)


def test_scan_bombs_are_refused() -> None:
    """A progressive JPEG of thousands of scans would cost minutes; it is refused by counting them."""
    data = encode(drawn(), "jpeg", progressive=True)
    scan = data.rindex(b"\xff\xda")
    assert isinstance(refused(data[:-2] + data[scan:-2] * 200 + b"\xff\xd9"), image.CorruptImage)


@pytest.mark.parametrize("mode", ["F", "I"])
def test_float_and_32_bit_tiffs_are_refused(mode: str) -> None:
    """Measurements have no agreed white; they are refused by name instead of guessed."""
    error = refused(encode(Image.new(mode, (20, 20)), "tiff"))
    assert isinstance(error, image.UnsupportedFormat)
    assert "pixels" in str(error)


def test_12_bit_jpegs_are_refused() -> None:
    """Medical JPEGs are refused by name."""
    data = bytearray(photo())
    data[data.index(b"\xff\xc0") + 4] = 12
    assert refused(bytes(data)).format == "12-bit JPEG"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "data",
    [
        b"BMW builds cars and not pictures, whatever the first two letters say.",
        b"PK\x03\x04 a zip archive",
        b"\xff\xd8\xff",
        b"GIF89a",
        b"RIFF\x04\0\0\0WEBP",
        b"\x89PNG\r\n\x1a\n",
        b"II*\0\x08\0\0\0",
        b"\0\0\0\x20ftypavif" + bytes(20),
    ],
)
def test_bare_signatures_are_refused(data: bytes) -> None:
    """A signature alone is not enough."""
    refused(data)


SEEDS = {kind: encode(drawn(40, 30), kind) for kind in FORMATS} | {
    "progressive": encode(drawn(40, 30), "jpeg", progressive=True),
    "turned": encode(drawn(40, 30), "jpeg", exif=exif_with(6)),
    "turned tiff": encode(drawn(40, 30), "tiff", exif=exif_with(6), compression="tiff_lzw"),
    "cmyk": encode(Image.fromarray(drawn(40, 30)).convert("CMYK"), "jpeg"),
    "palette": encode(Image.fromarray(drawn(40, 30)).convert("P"), "png", transparency=3),
    "lossy webp": encode(drawn(40, 30), "webp", lossless=False, exif=exif_with(3)),
}


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    kind=st.sampled_from(sorted(SEEDS)),
    edits=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), min_size=1, max_size=4),
    cut=st.none() | st.floats(0, 1),
)
def test_damaged_bytes_give_a_picture_or_an_image_error(
    kind: str, edits: list[tuple[float, bytes]], cut: float | None
) -> None:
    """Whatever is broken in a file, nothing but an ImageError comes out, and no warning."""
    data = bytearray(SEEDS[kind])
    for place, change in edits:
        # Squared, so that headers are hit more often than pixels.
        position = int(place * place * (len(data) - 1))
        data[position : position + len(change)] = change
    if cut is not None:
        del data[int(cut * len(data)) :]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with contextlib.suppress(image.ImageError):
            picture = image.read(bytes(data), PREPROCESSING, limits=Limits(max_pixels=1_000_000))
            assert picture.pixels.shape == (64, 64, 3)
