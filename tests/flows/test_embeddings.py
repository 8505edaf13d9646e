"""Embeddings: computed once for a backbone, found again, gone with a picture that is erased."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import Engine, func, select

from sortline.catalogue.tables import entries
from sortline.db.session import reading
from sortline.engine.image import Preprocessing
from sortline.engine.runtime import Outputs
from sortline.flows.embeddings import Backbone, Embedder
from sortline.flows.erase import erase
from sortline.storage.local import LocalBlobs
from sortline.training.tables import embedding_segments
from tests.importing import Line, folder_of

HOW = Preprocessing(size=32)


class Counting:
    """A network whose embedding is a picture's mean colour; it counts the pictures it sees."""

    name = "counting"

    def __init__(self) -> None:
        self.seen = 0

    def infer(self, images: NDArray[np.uint8], *, features: bool = False) -> Outputs:
        """Mean colours, (N, 3)."""
        self.seen += len(images)
        means = images.mean(axis=(1, 2)).astype(np.float32)
        return Outputs(logits=means, embedding=means)


@pytest.fixture
def line(engine: Engine, tmp_path: Path) -> Iterator[Line]:
    """A line with 30 pictures."""
    blobs = LocalBlobs(tmp_path / "blobs")
    found = Line(engine=engine, blobs=blobs)
    found.load(folder_of(tmp_path / "in", {"Glass": 20, "Metal": 10}))
    yield found
    blobs.close()


def hashes(line: Line) -> list[str]:
    """The pictures, in the order they came."""
    with reading(line.engine) as session:
        return list(session.scalars(select(entries.c.image_sha256).order_by(entries.c.id)))


def embedder(line: Line, runtime: Counting, backbone: str = "ab" * 32) -> Embedder:
    """An embedder by that network."""
    how = Backbone(hash=backbone, runtime=runtime, preprocessing=HOW)
    return Embedder(engine=line.engine, blobs=line.blobs, backbone=how)


def test_a_picture_is_embedded_once_for_a_backbone(line: Line) -> None:
    """A second look computes nothing and gives the same rows in the order asked for; another backbone computes anew."""
    runtime, all_of_them = Counting(), hashes(line)
    first = embedder(line, runtime)(all_of_them)
    assert (first.fresh, runtime.seen, first.embeddings.shape) == (30, 30, (30, 3))
    again = embedder(line, runtime)(all_of_them[::-1])
    assert (again.fresh, runtime.seen) == (0, 30)
    assert np.array_equal(again.embeddings, first.embeddings[::-1])
    assert embedder(line, runtime, "cd" * 32)(all_of_them).fresh == 30


def test_only_what_is_new_is_computed(line: Line) -> None:
    """Ten pictures first, then all: twenty are computed, in a segment of their own."""
    runtime, all_of_them = Counting(), hashes(line)
    embedder(line, runtime)(all_of_them[:10])
    assert embedder(line, runtime)(all_of_them).fresh == 20
    with reading(line.engine) as session:
        assert session.scalar(select(func.sum(embedding_segments.c.length))) == 30


def test_a_picture_that_is_gone_is_told_and_the_others_are_embedded(line: Line) -> None:
    """Erased after it was embedded: its embedding is found no more, and why stands beside the rest."""
    runtime, all_of_them = Counting(), hashes(line)
    embedder(line, runtime)(all_of_them)
    erase(line.engine, line.blobs, {}, [all_of_them[3]])
    found = embedder(line, runtime)(all_of_them)
    assert all_of_them[3] not in found.hashes
    assert len(found.hashes) == 29
    assert "erased" in found.missing[all_of_them[3]]


def test_a_segment_whose_blob_is_lost_is_computed_anew(line: Line) -> None:
    """A disk that lost a file costs time, not a run."""
    runtime, all_of_them = Counting(), hashes(line)
    embedder(line, runtime)(all_of_them)
    with reading(line.engine) as session:
        for sha256 in session.scalars(select(embedding_segments.c.sha256)):
            line.blobs.delete(sha256)
    assert embedder(line, runtime)(all_of_them).fresh == 30


def test_it_ends_when_told_and_keeps_what_it_has(line: Line) -> None:
    """What `check` raises comes out; nothing is half kept."""

    def end() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embedder(line, Counting())(hashes(line), check=end)
    assert embedder(line, Counting())(hashes(line)).fresh == 30
