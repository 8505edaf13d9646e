"""Classifying over HTTP: what is answered, what is kept, what is forgotten."""

import asyncio
import gc
import hashlib
import io
import logging
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from sortline.catalogue.store.images import get_image
from sortline.db.session import reading
from sortline.engine.canonical import canonical
from sortline.engine.image_errors import ImageError
from sortline.flows.classify import Origin
from sortline.review.store.items import list_items
from tests.pictures import drawn, encode, exif_with, photo
from tests.running import RunningServer
from tests.waiting import soon

ACCEPT_ALL = {
    "ood_threshold": 1e9,
    "min_confidence": 0,
    "sample_share": 0,
    "min_sharpness": 0,
    "min_brightness": 0,
    "max_brightness": 255,
    "min_side": 1,
}


@contextmanager
def policy(server: RunningServer, **changes: object) -> Iterator[None]:
    """The waste line under a policy that accepts everything but what is changed."""
    answer = server.client.patch("/api/v1/lines/waste", json={"policy": {**ACCEPT_ALL, **changes}})
    assert answer.status_code == 200, answer.text
    yield
    server.client.patch("/api/v1/lines/waste", json={"policy": {}})


def classify(server: RunningServer, picture: bytes, **query: Any) -> dict[str, Any]:
    """The native answer for one picture."""
    answer = server.client.post(
        "/api/v1/lines/waste/classify", params=query, files={"image": ("p.jpg", picture)}
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def total(server: RunningServer) -> int:
    """Predictions the waste line has counted."""
    return int(server.client.get("/api/v1/lines/waste/counts").json()["total"])


def test_answer_names_class_verdict_and_model(server: RunningServer) -> None:
    """An answer carries every field of the contract, with probabilities that descend and sum to one."""
    answer = classify(server, photo())
    assert {"id", "line", "class", "confidence", "verdict", "reason", "ood_score", "energy"} <= set(answer)
    assert answer["line"] == "waste"
    assert answer["model"]["name"] == "waste"
    assert len(answer["model"]["hash"]) == 64
    shares = list(answer["probabilities"].values())
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1, abs=1e-4)
    assert answer["class"] == next(iter(answer["probabilities"]))
    assert answer["timestamp"].endswith("Z")


@pytest.mark.parametrize("how", ["image", "file", "raw"])
def test_the_same_picture_is_the_same_however_it_is_sent(server: RunningServer, how: str) -> None:
    """A form's field `image` or `file` and a raw body give the same prediction."""
    expected = classify(server, photo(seed=3))
    url = "/api/v1/lines/waste/classify"
    if how == "raw":
        answer = server.client.post(url, content=photo(seed=3), headers={"Content-Type": "image/jpeg"})
    else:
        answer = server.client.post(url, files={how: ("any name.jpg", photo(seed=3), "image/jpeg")})
    assert answer.json()["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-5)


def test_accepted_picture_is_counted_and_forgotten(server: RunningServer) -> None:
    """An accepted prediction is in the list and in the counts, and its picture is not kept."""
    picture = photo(seed=11)
    with policy(server):
        before = total(server)
        answer = classify(server, picture)
    assert (answer["verdict"], answer["reason"]) == ("accept", None)
    assert total(server) == before + 1
    newest = server.client.get("/api/v1/lines/waste/predictions?limit=1").json()["predictions"][0]
    assert (newest["id"], newest["class"]) == (answer["id"], answer["class"])
    with reading(server.services.engine) as session:
        assert get_image(session, hashlib.sha256(picture).hexdigest()) is None


def test_picture_for_review_is_kept_whole_without_its_metadata(server: RunningServer) -> None:
    """What goes to review is on the disk when the answer arrives: same pixels, no owner's name, an open item."""
    pixels = drawn(150, 100, seed=12)
    picture = encode(pixels, exif=exif_with(6))
    with policy(server, sample_share=1):
        answer = classify(server, picture, source="belt-7")
    assert (answer["verdict"], answer["reason"]) == ("review", "sampled")
    with reading(server.services.engine) as session:
        item = next(item for item in list_items(session, 1).items if item.prediction_id == answer["id"])
        image = get_image(session, item.image_sha256)
    kept = server.services.installation.blobs.get(item.image_sha256)
    assert hashlib.sha256(kept).hexdigest() == item.image_sha256
    assert b"Jane Doe" not in kept
    assert (item.width, item.height, item.source) == (100, 150, "belt-7")
    assert image is not None
    assert image.client == "127.0.0.1"
    assert np.frombuffer(image.embedding or b"", "<f2").shape == (1280,)
    shown = np.asarray(Image.open(io.BytesIO(kept)).convert("RGB"))
    assert np.array_equal(shown, np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")))


def test_second_sight_joins_the_open_item(server: RunningServer) -> None:
    """The same picture twice is one item, seen twice, whatever comment the file carries."""
    first, second = (encode(drawn(seed=13), comment=comment) for comment in (b"one", b"two"))
    with policy(server, sample_share=1):
        ids = [classify(server, picture)["id"] for picture in (first, second)]
    with reading(server.services.engine) as session:
        items = [item for item in list_items(session, 1).items if item.prediction_id in ids]
    assert [(item.prediction_id, item.seen) for item in items] == [(ids[0], 2)]


@pytest.mark.parametrize(
    ("changes", "picture", "reason"),
    [
        ({"min_brightness": 8}, encode(np.zeros((90, 90, 3), np.uint8)), "unreadable"),
        ({"min_side": 32}, encode(drawn(20, 20)), "unreadable"),
        ({"ood_threshold": -1e9}, photo(), "unknown"),
        ({"ood_threshold": -1e9, "min_side": 1000}, photo(), "unreadable"),
        ({"min_confidence": 1}, photo(), "ambiguous"),
        ({"min_confidence": 1, "watched": "all"}, photo(), "watched"),
        ({"min_confidence": 1, "sample_share": 1}, photo(), "ambiguous"),
    ],
)
def test_first_reason_that_holds_is_the_reason(
    server: RunningServer, changes: dict[str, object], picture: bytes, reason: str
) -> None:
    """Unreadable before unknown before watched before ambiguous before sampled."""
    if changes.get("watched"):
        changes = {**changes, "watched": server.client.get("/classes").json()["classes"]}
    with policy(server, **changes):
        answer = classify(server, picture)
    assert (answer["verdict"], answer["reason"]) == ("review", reason)


def test_explanation_is_a_map_over_the_picture(server: RunningServer) -> None:
    """`explain=true` adds a greyscale map of the network's input size and the region it covers."""
    answer = classify(server, photo(), explain="true")
    with httpx.Client() as _:
        head, data = answer["explanation"]["map"].split(",")
    assert head == "data:image/png;base64"
    import base64

    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert (image.size, image.mode) == ((224, 224), "L")
    assert answer["explanation"]["region"] == [0, 0, 1, 1]


def test_one_bad_picture_does_not_spoil_a_batch(server: RunningServer) -> None:
    """A batch answers each picture in order, with the error beside the one that has it."""
    files = [("images", (f"{n}.jpg", data)) for n, data in enumerate([photo(seed=1), b"text", photo(seed=2)])]
    answer = server.client.post("/api/v1/lines/waste/classify/batch", files=files).json()
    assert (answer["total"], answer["failed"]) == (3, 1)
    assert [result["filename"] for result in answer["results"]] == ["0.jpg", "1.jpg", "2.jpg"]
    assert answer["results"][1]["error"]["type"] == "urn:sortline:not-an-image"
    assert answer["results"][2]["verdict"] in ("accept", "review")


def test_more_than_64_pictures_are_refused(server: RunningServer) -> None:
    """A batch of 65 is told how many it may be."""
    files = [("images", ("p.jpg", b"x"))] * 65
    answer = server.client.post("/api/v1/lines/waste/classify/batch", files=files)
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:sortline:too-many-images")


def test_predictions_are_paged_without_gaps(server: RunningServer) -> None:
    """Following the cursor shows every prediction once, newest first."""
    made = [classify(server, photo(seed=20 + n))["id"] for n in range(5)]
    seen: list[str] = []
    cursor = None
    while len(seen) < 5:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = server.client.get("/api/v1/lines/waste/predictions", params=query).json()
        seen += [row["id"] for row in page["predictions"]]
        cursor = page["next_cursor"]
    assert seen[:5] == made[::-1]


def test_a_body_is_let_go_of_once_it_was_read(server: RunningServer) -> None:
    """While a group is written, its bodies take no memory; a picture for review is stored all the same."""
    services, view = server.services, memoryview(photo(seed=77))
    stored = canonical(view).sha256.hex()
    with policy(server, sample_share=1):
        asyncio.run(services.path.classify(services.live["waste"], view, Origin(source="test")))
    with pytest.raises(ValueError, match="released"):
        len(view)
    assert services.installation.blobs.exists(stored)


class _Body(bytearray):
    """What a picture's bytes cannot be: referred to weakly."""


@pytest.mark.parametrize("fault", ["cut short", "no network"])
def test_a_body_that_cannot_be_classified_is_let_go_of_at_once(
    server: RunningServer, fault: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No ring of references keeps it until the collector comes by: refused pictures would fill the memory."""
    caplog.set_level(logging.CRITICAL)  # what is logged is kept, with what was raised
    services, data = server.services, photo(seed=78)
    line = services.live["waste"]
    if fault == "cut short":
        data = data[: len(data) // 2]
    else:
        monkeypatch.setattr(line.model.runtime, "infer", lambda images, features: 1 / 0)

    async def refused(body: memoryview) -> bool:
        try:
            await services.path.classify(line, body, Origin(source="test"))
        except (ImageError, ZeroDivisionError):
            return True
        return False

    gc.collect()
    gc.disable()
    try:
        body = _Body(data)
        alive = weakref.ref(body)
        assert asyncio.run(refused(memoryview(body)))
        del body
        soon(lambda: alive() is None, seconds=5)  # the inference thread may still be on its way
    finally:
        gc.enable()
