"""The split keeps what shows one object in one part, whatever the photos are."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sortline.training.split import (
    Entry,
    Linking,
    Shares,
    class_of,
    difference_hash,
    link,
    number_of,
    read_split,
    split,
    write_split,
)

STARTER = Path(__file__).parents[2] / "src" / "sortline" / "training" / "starter_split.csv"


def photos(count: int, seed: int) -> tuple[list[str], NDArray[np.float32], NDArray[np.uint64]]:
    """Names of two classes, embeddings in few dimensions (so that some are alike) and random hashes."""
    random = np.random.default_rng(seed)
    names = [f"{'Glass' if i % 3 else 'Food Organics'}_{i + 1}.jpg" for i in range(count)]
    embeddings = random.normal(size=(count, 4)).astype(np.float32)
    return names, embeddings, random.integers(0, 2**63, count, dtype=np.uint64)


@settings(deadline=None)
@given(st.integers(1, 120), st.integers(0, 10**6))
def test_a_group_is_never_torn_apart(count: int, seed: int) -> None:
    """Every photo gets one part, and photos of one group get the same."""
    names, embeddings, hashes = photos(count, seed)

    entries = split(names, embeddings, hashes)

    assert [e.name for e in entries] == names
    assert all(
        len({e.part for e in entries if e.group == group}) == 1 for group in {e.group for e in entries}
    )


@settings(deadline=None)
@given(st.integers(1, 120), st.integers(0, 10**6))
def test_no_class_overfills_validation_or_test(count: int, seed: int) -> None:
    """Test and validation take at most their share of each class when nothing is forced."""
    names, embeddings, hashes = photos(count, seed)

    entries = split(names, embeddings, hashes, shares=Shares(validation=0.1, test=0.2))

    per_class = Counter(class_of(e.name) for e in entries)
    taken = Counter((class_of(e.name), e.part) for e in entries)
    assert all(
        taken[c, "test"] <= 0.2 * n and taken[c, "validation"] <= 0.1 * n for c, n in per_class.items()
    )


@settings(deadline=None)
@given(st.integers(10, 80), st.integers(0, 10**6))
def test_forced_photos_and_their_neighbours_are_test(count: int, seed: int) -> None:
    """A forced photo, the photos numbered beside it, and all their groups go to test."""
    names, embeddings, hashes = photos(count, seed)

    entries = split(names, embeddings, hashes, always_test={"Glass_5.jpg"})

    forced = {e.group for e in entries if e.name in {"Glass_5.jpg", "Glass_6.jpg"}}
    assert {e.part for e in entries if e.group in forced} == {"test"}


def test_the_same_photos_split_the_same_in_any_order() -> None:
    """Parts follow from a hash of the group, so they do not depend on where a photo stands in the list."""
    names = [f"Glass_{10 * i}.jpg" for i in range(60)]
    embeddings, hashes = np.eye(60, dtype=np.float32), np.uint64(3) << np.arange(60, dtype=np.uint64)
    order = np.random.default_rng(1).permutation(60)

    forward = {e.name: e.part for e in split(names, embeddings, hashes)}
    shuffled = {e.name: e.part for e in split([names[i] for i in order], embeddings[order], hashes[order])}

    assert forward == shuffled


def test_linking_rules() -> None:
    """Alike and numbered near, very alike anywhere, or the same hash: linked. Another class: never."""
    names = ["Glass_1.jpg", "Glass_3.jpg", "Glass_50.jpg", "Glass_90.jpg", "Metal_2.jpg"]
    angle = np.deg2rad([0, 35, 35, 20, 0])  # cosine to the first: 0.82, 0.82, 0.94, 1
    embeddings = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    hashes = np.array([0, 0xFF00, 0xFF0000, 0xFF000000, 0], dtype=np.uint64)

    apart = Linking(far_cosine=0.99)
    assert link(names[:3], embeddings[:3], hashes[:3], apart) == ["Glass_1.jpg", "Glass_1.jpg", "Glass_1.jpg"]
    assert link(names[::2], embeddings[::2], hashes[::2], apart) == [
        "Glass_1.jpg",
        "Glass_50.jpg",
        "Metal_2.jpg",
    ]
    near_far = [names[i] for i in (0, 3)]
    assert link(near_far, embeddings[[0, 3]], hashes[[0, 3]], Linking()) == ["Glass_1.jpg"] * 2
    assert link(near_far, embeddings[[0, 3]], hashes[[0, 0]], apart) == ["Glass_1.jpg"] * 2


def test_difference_hash_says_where_it_gets_brighter() -> None:
    """A picture brighter to the right everywhere sets all 64 bits, a flat one none."""
    ramp = np.tile(np.arange(9, dtype=np.uint8), (8, 1))

    assert difference_hash(ramp) == np.uint64(2**64 - 1)
    assert difference_hash(np.zeros((8, 9), np.uint8)) == np.uint64(0)


def test_names_say_class_and_number() -> None:
    """Class names may hold spaces and underscores; a name without a number is refused."""
    assert (class_of("Food Organics_12.jpg"), number_of("Food Organics_12.jpg")) == ("Food Organics", 12)
    with pytest.raises(ValueError, match="does not end in"):
        number_of("photo.jpg")


def test_a_split_survives_its_file(tmp_path: Path) -> None:
    """What is written is what is read; an unknown part is refused."""
    entries = [Entry(name="Glass_1.jpg", part="test", group="Glass_1.jpg")]
    write_split(tmp_path / "split.csv", entries)

    assert read_split(tmp_path / "split.csv") == entries
    (tmp_path / "split.csv").write_text("name,split,group\na_1.jpg,exam,a_1.jpg\n")
    with pytest.raises(ValueError, match="unknown part 'exam'"):
        read_split(tmp_path / "split.csv")


def test_the_starter_split_tears_no_group() -> None:
    """The committed split of the starter bundle holds every photo once and every group in one part."""
    entries = read_split(STARTER)

    parts = Counter(e.part for e in entries)
    assert len({e.name for e in entries}) == len(entries) == 3770
    assert len({(e.group, e.part) for e in entries}) == len({e.group for e in entries})
    assert parts["test"] / 3770 == pytest.approx(0.2, abs=0.01)
    assert parts["validation"] / 3770 == pytest.approx(0.1, abs=0.01)
