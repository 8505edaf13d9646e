"""What looks alike."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sortline.review.clusters import join, packed, projected, unit, unpacked


def blobs(kinds: int, each: int, width: int = 512, spread: float = 0.3) -> np.ndarray:
    """Embeddings of so many kinds, mixed: each its kind's direction and some noise."""
    draw = np.random.default_rng(7)
    centres = unit(draw.standard_normal((kinds, width)))
    rows = np.tile(centres, (each, 1)) + spread * unit(draw.standard_normal((kinds * each, width)))
    return rows.astype(np.float16)


def test_kinds_are_found_in_one_pass() -> None:
    """Each kind is one cluster, and every member knows how many came before it."""
    vectors = projected(blobs(5, 20))
    found = join(vectors, np.zeros((0, 0), np.float32), np.zeros(0, np.int64))
    assert found.sizes.tolist() == [20] * 5
    assert found.places.tolist() == list(range(5)) * 20
    assert found.crowds.tolist() == [n // 5 for n in range(100)]


def test_later_ones_join_what_is_there() -> None:
    """In one call or in two: the clusters are the same."""
    vectors = projected(blobs(4, 10))
    whole = join(vectors, np.zeros((0, 0), np.float32), np.zeros(0, np.int64))
    half = join(vectors[:20], np.zeros((0, 0), np.float32), np.zeros(0, np.int64))
    rest = join(vectors[20:], half.centres, half.sizes)
    assert rest.sizes.tolist() == whole.sizes.tolist()
    np.testing.assert_allclose(rest.centres, whole.centres, atol=1e-6)


def test_clusters_do_not_grow_without_end() -> None:
    """Beyond the most there may be, what is new joins the nearest."""
    vectors = projected(blobs(12, 2))
    found = join(vectors, np.zeros((0, 0), np.float32), np.zeros(0, np.int64), most=6)
    assert len(found.centres) == 6
    assert found.sizes.sum() == 24


@given(width=st.sampled_from([3, 64, 256, 1280]))
def test_projected_and_packed_vectors_keep_their_cosines(width: int) -> None:
    """To a few hundredths."""
    rows = blobs(4, 5, width=width)
    exact, ours = unit(rows.astype(np.float32)), unpacked(packed(projected(rows)))
    assert ours.shape[1] == min(width, 256)
    assert np.abs(exact @ exact.T - ours @ ours.T).max() < 0.25
    assert np.abs(exact @ exact.T - ours @ ours.T).mean() < 0.06
