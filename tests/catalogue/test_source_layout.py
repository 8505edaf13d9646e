"""What a path says of a picture: class, split, or that nobody meant it as one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sortline.catalogue.entry import Split
from sortline.catalogue.sources.files import PathList
from sortline.catalogue.sources.layout import common_root, ignored, placed, printable, unsafe

_NAMES = st.text("abcXYZé _-.", min_size=1, max_size=8).filter(lambda name: name.strip(". ") != "")


@pytest.mark.parametrize(
    ("path", "label", "split"),
    [
        ("Glass/x.jpg", "Glass", None),
        ("train/Glass/x.jpg", "Glass", Split.TRAIN),
        ("VALID/Glass/x.jpg", "Glass", Split.VALIDATION),
        ("Glass/testing/x.jpg", "Glass", Split.TEST),
        ("a/b/val/Glass/x.jpg", "Glass", Split.VALIDATION),
        ("train/Test/x.jpg", "Test", Split.TRAIN),
        ("train/x.jpg", None, Split.TRAIN),
        ("x.jpg", None, None),
        (" Glass /x.jpg", "Glass", None),
        ("Cafe\u0301/x.jpg", "Caf\u00e9", None),
        ("  /x.jpg", None, None),
    ],
)
def test_the_path_names_class_and_split(path: str, label: str | None, split: Split | None) -> None:
    """The class is the last folder, trimmed and NFC; a split folder stands above or below it, in any case."""
    found = placed(path)
    assert (found.label, found.split) == (label, split)


@pytest.mark.parametrize(
    ("paths", "root"),
    [
        (["data/Glass/a.jpg", "data/Metal/b.jpg"], ("data",)),
        (["a/b/train/Glass/a.jpg", "a/b/test/Glass/b.jpg"], ("a", "b")),
        (["data/a.jpg", "data/Glass/b.jpg"], ("data",)),
        (["Glass/a.jpg", "Glass/b.jpg"], ()),
        (["data/Glass/a.jpg"], ("data",)),
        (["a.jpg"], ()),
        ([], ()),
    ],
)
def test_folders_that_hold_everything_are_descended(paths: list[str], root: tuple[str, ...]) -> None:
    """A chain of single folders is the root; the one folder that holds all pictures directly is a class."""
    assert common_root(paths) == root


def test_a_picture_at_the_root_has_no_class_of_the_roots_name() -> None:
    """`data/` is no class where classes stand in it."""
    root = common_root(["data/a.jpg", "data/Glass/b.jpg"])
    assert placed("data/a.jpg", root).label is None
    assert placed("data/Glass/b.jpg", root).label == "Glass"


@given(st.lists(_NAMES, min_size=1, max_size=4), st.lists(_NAMES, min_size=1, max_size=5, unique=True))
def test_a_root_around_everything_changes_no_label(roots: list[str], classes: list[str]) -> None:
    """Whatever folders are put around a set, its labels stay."""
    plain = [f"{name}/{number}.jpg" for name in classes for number in range(2)]
    wrapped = ["/".join((*roots, path)) for path in plain]
    root, outer = common_root(plain), common_root(wrapped)
    assert [placed(path, root).label for path in plain] == [placed(path, outer).label for path in wrapped]


@pytest.mark.parametrize(
    "path",
    [
        "__MACOSX/Glass/._a.jpg",
        ".DS_Store",
        "Glass/Thumbs.db",
        "Glass/desktop.ini",
        "Glass/.hidden.jpg",
        ".git/a.jpg",
        "README",
        "README.md",
        "Glass/a.txt",
        "a.JSON",
    ],
)
def test_litter_and_companions_are_told_from_pictures(path: str) -> None:
    """What an operating system leaves, and documents beside pictures, were never meant as pictures."""
    assert ignored(path)


@pytest.mark.parametrize(
    "path", ["Glass/a.jpg", "Glass/a", "Glass/a.jpg.rf.0ff70a", "Glass/a.xyz", "Glass/a.HEIC"]
)
def test_whatever_may_be_a_picture_is_read(path: str) -> None:
    """A name that says nothing is left to the decoder, so that no picture is lost."""
    assert ignored(path) is None


@pytest.mark.parametrize(
    "path", ["../a", "a/../b", "/etc/passwd", "C:/a", "c:a", "a\\b", "a//b", "./a", "a\0b"]
)
def test_paths_that_may_lead_out_are_unsafe(path: str) -> None:
    """Parent folders, absolute paths, drives, backslashes and NUL are told."""
    assert unsafe(path)


@given(st.text(max_size=20))
def test_a_printable_name_is_printable(name: str) -> None:
    """Control characters and lone surrogates become escapes."""
    assert printable(name).isprintable()


@given(st.lists(st.text("aé/\udc80", min_size=1, max_size=6), max_size=30), st.integers(0, 40))
def test_packed_paths_come_back_from_any_position(paths: list[str], start: int) -> None:
    """What was appended comes back in order with its number and code."""
    packed = PathList()
    for number, path in enumerate(paths):
        packed.append(path, number % 7)
    expected = [(number, path, number % 7) for number, path in enumerate(paths)]
    assert list(packed.since(start)) == expected[start:]


def test_packed_paths_cross_the_borders_of_their_chunks() -> None:
    """Ten thousand paths take more than one chunk."""
    packed = PathList()
    for number in range(10_000):
        packed.append(f"class/{number}")
    for start in (0, 4095, 4096, 8192, 9999, 10_000):
        assert [position for position, _, _ in packed.since(start)] == list(range(start, 10_000))
