import hashlib
import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from sortline.engine import image
from sortline.engine.canonical import canonical
from tests.pictures import FORMATS, drawn, encode, exif_with, photo, png_chunk, stored_turned

MEDIA_TYPES = {"jpeg": "image/jpeg", "webp": "image/webp"}


def with_metadata(kind: str, orientation: int = 6) -> bytes:
    """A file as a phone writes it: EXIF, a comment, a colour profile."""
    options = {"exif": exif_with(orientation), "icc_profile": srgb()}
    if kind in ("jpeg", "gif"):
        options["comment"] = b"Jane Doe"
    if kind in ("bmp", "gif"):
        del options["exif"], options["icc_profile"]
    return encode(stored_turned(Image.fromarray(drawn()), orientation), kind, **options)


def srgb() -> bytes:
    """A colour profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def pillow_pixels(data: bytes) -> np.ndarray:
    """What Pillow shows, as stored."""
    with Image.open(io.BytesIO(data)) as opened:
        return np.asarray(opened.convert("RGB"))


@pytest.mark.parametrize("kind", FORMATS)
def test_pixels_stay(kind: str) -> None:
    """The picture looks the same, to the bit, upright."""
    data = with_metadata(kind)
    form = canonical(data)
    assert np.array_equal(image.decode(form.data), image.decode(data))
    if kind in ("jpeg", "png", "webp"):
        assert np.array_equal(pillow_pixels(form.data), pillow_pixels(data))


@pytest.mark.parametrize("kind", FORMATS)
def test_metadata_goes(kind: str) -> None:
    """No owner, no camera, no comment; the right media type and hash."""
    form = canonical(with_metadata(kind))
    assert b"Jane" not in form.data
    assert b"Phone" not in form.data
    assert form.media_type == MEDIA_TYPES.get(kind, "image/png")
    assert form.sha256 == hashlib.sha256(form.data).digest()


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_twice_is_once(kind: str, orientation: int) -> None:
    """The canonical form of a canonical form is itself."""
    form = canonical(with_metadata(kind, orientation))
    assert canonical(form.data) == form


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_orientation_and_profile_are_what_pillow_finds(kind: str) -> None:
    """Other readers still find the orientation and the colour profile, and nothing else in EXIF."""
    with Image.open(io.BytesIO(canonical(with_metadata(kind)).data)) as opened:
        assert dict(opened.getexif()) == {0x0112: 6}
        assert opened.info["icc_profile"] == srgb()


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_upright_pictures_carry_no_exif(kind: str) -> None:
    """Where the orientation says nothing, no EXIF is left at all."""
    with Image.open(io.BytesIO(canonical(with_metadata(kind, 1)).data)) as opened:
        assert "exif" not in opened.info


def test_metadata_does_not_change_the_hash() -> None:
    """The same pixels with another comment, thumbnail or tail are the same image."""
    plain = photo()
    extra = plain[:2] + b"\xff\xfe\x00\x06four" + b"\xff\xed\x00\x06IPTC" + plain[2:] + b"tail"
    assert canonical(extra) == canonical(plain)


def test_second_picture_of_an_mpo_goes() -> None:
    """Of a two-picture file only the first is stored."""
    second = Image.fromarray(drawn(seed=1))
    mpo = encode(drawn(), "MPO", save_all=True, append_images=[second])
    form = canonical(mpo)
    assert len(form.data) < 0.6 * len(mpo)
    with Image.open(io.BytesIO(form.data)) as opened:
        assert opened.format == "JPEG"
        assert np.array_equal(np.asarray(opened), pillow_pixels(mpo))


def test_jfif_thumbnail_goes() -> None:
    """A thumbnail can show what was cropped away."""
    data = photo()
    start = data.index(b"JFIF") - 4
    body = data[start + 4 : start + 16] + bytes([2, 1]) + b"secret"
    thumbnailed = data[:start] + b"\xff\xe0" + (len(body) + 2).to_bytes(2, "big") + body + data[start + 18 :]
    assert image.decode(thumbnailed).shape == (90, 120, 3)
    assert canonical(thumbnailed) == canonical(data)


@pytest.mark.parametrize("options", [{"progressive": True}, {"restart_marker_rows": 1}, {"quality": 100}])
def test_kinds_of_jpeg(options: dict[str, object]) -> None:
    """Several scans and restart markers pass unharmed."""
    data = encode(drawn(300, 200), "jpeg", comment=b"Jane Doe", **options)
    form = canonical(data)
    assert b"Jane" not in form.data
    assert np.array_equal(pillow_pixels(form.data), pillow_pixels(data))


def test_cmyk_jpeg_keeps_its_adobe_marker() -> None:
    """Without Adobe's marker the colours would be inverted."""
    data = encode(Image.fromarray(drawn()).convert("CMYK"), "jpeg")
    assert np.array_equal(pillow_pixels(canonical(data).data), pillow_pixels(data))


def test_missing_end_marker_is_added() -> None:
    """A JPEG whose end marker got lost is stored whole."""
    assert canonical(photo()[:-2]) == canonical(photo())


def test_animated_webp_stays_animated() -> None:
    """Frames are pixels; they are kept as they are."""
    frames = [Image.fromarray(drawn(seed=seed)) for seed in range(3)]
    data = encode(frames[0], "webp", save_all=True, append_images=frames[1:], exif=exif_with(1))
    with Image.open(io.BytesIO(canonical(data).data)) as opened:
        assert opened.n_frames == 3


def test_png_colour_chunks_stay_and_texts_go() -> None:
    """Gamma and transparency decide how a PNG looks; texts and times do not."""
    data = encode(Image.fromarray(drawn()).convert("P"), "png", transparency=3)
    gamma, text = png_chunk(b"gAMA", (45455).to_bytes(4, "big")), png_chunk(b"tEXt", b"Author\0Jane Doe")
    form = canonical(data[:33] + gamma + text + data[33:])
    assert form.data == data[:33] + gamma + data[33:]


SEEDS = {kind: with_metadata(kind) for kind in FORMATS}


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    kind=st.sampled_from(sorted(SEEDS)),
    place=st.floats(0, 1),
    change=st.binary(min_size=1, max_size=8),
    cut=st.none() | st.floats(0, 1),
)
def test_damaged_bytes_keep_their_pixels_or_are_refused(
    kind: str, place: float, change: bytes, cut: float | None
) -> None:
    """What can still be read shows the same pixels in canonical form, which is its own canonical form."""
    data = bytearray(SEEDS[kind])
    position = int(place * place * (len(data) - 1))
    data[position : position + len(change)] = change
    if cut is not None:
        del data[int(cut * len(data)) :]
    try:
        before = image.decode(bytes(data))
        form = canonical(bytes(data))
    except image.ImageError:
        return
    assert canonical(form.data) == form
    assert np.array_equal(image.decode(form.data), before)
