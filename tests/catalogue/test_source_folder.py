"""Folders of class sub-folders."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sortline.catalogue.entry import Split
from sortline.catalogue.sources.source import (
    FileRefused,
    Item,
    Refused,
    SourceError,
    SourceLimits,
    open_source,
)

_DATA = Path(os.environ.get("SORTLINE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))


def _write(folder: Path, *names: str, data: bytes = b"bytes") -> None:
    for name in names:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)


def _codes(folder: Path) -> dict[str, str]:
    """What becomes of each file: its class, or !code."""
    with open_source(str(folder)) as source:
        rows = list(source.items())
        assert [row.position for row in rows] == list(range(source.total))
    return {row.name: str(row.label) if isinstance(row, Item) else f"!{row.code}" for row in rows}


def test_every_file_is_taken_or_refused_with_a_reason(tmp_path: Path) -> None:
    """Classes become labels; litter is ignored; a picture in no class is refused; nothing is left out."""
    _write(
        tmp_path, "data/Glass/a.jpg", "data/Metal/b.jpg", "data/c.jpg", "data/README", "data/Glass/Thumbs.db"
    )
    _write(tmp_path, "__MACOSX/data/._a.jpg")
    _write(tmp_path, "data/Metal/empty.jpg", data=b"")
    assert _codes(tmp_path) == {
        "__MACOSX/data/._a.jpg": "!ignored",
        "data/README": "!ignored",
        "data/c.jpg": "!no-label",
        "data/Glass/Thumbs.db": "!ignored",
        "data/Glass/a.jpg": "Glass",
        "data/Metal/b.jpg": "Metal",
        "data/Metal/empty.jpg": "!empty",
    }


def test_splits_and_one_label_for_all(tmp_path: Path) -> None:
    """The split level is kept; a given label serves pictures in no class folder."""
    _write(tmp_path, "train/Glass/a.jpg", "Test/Glass/b.jpg", "c.jpg")
    with open_source(str(tmp_path), label="Other") as source:
        rows = {row.name: row for row in source.items() if isinstance(row, Item)}
    assert {name: (row.label, row.split) for name, row in rows.items()} == {
        "train/Glass/a.jpg": ("Glass", Split.TRAIN),
        "Test/Glass/b.jpg": ("Glass", Split.TEST),
        "c.jpg": ("Other", None),
    }


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    """A link to a file outside, to a folder, to itself, or a pipe is refused; one within the folder is read."""
    _write(tmp_path, "secret.jpg", data=b"secret")
    inside = tmp_path / "set"
    _write(inside, "Glass/a.jpg", data=b"mine")
    (inside / "Glass/out.jpg").symlink_to(tmp_path / "secret.jpg")
    (inside / "Glass/in.jpg").symlink_to("a.jpg")
    (inside / "Glass/loop.jpg").symlink_to("loop.jpg")
    (inside / "Parent").symlink_to(tmp_path)
    os.mkfifo(inside / "Glass/pipe.jpg")
    assert _codes(inside) == {
        "Parent": "!symlink",
        "Glass/a.jpg": "Glass",
        "Glass/in.jpg": "Glass",
        "Glass/loop.jpg": "!unreadable",
        "Glass/out.jpg": "!symlink",
        "Glass/pipe.jpg": "!not-a-file",
    }


def test_a_file_that_became_a_link_or_a_pipe_is_not_read(tmp_path: Path) -> None:
    """What was listed as a file and was exchanged since is refused, and a pipe does not hang."""
    _write(tmp_path, "outside.jpg", "set/Glass/a.jpg", "set/Glass/b.jpg")
    with open_source(str(tmp_path / "set")) as source:
        first, second = (row for row in source.items() if isinstance(row, Item))
        for name in ("a.jpg", "b.jpg"):
            (tmp_path / "set/Glass" / name).unlink()
        (tmp_path / "set/Glass/a.jpg").symlink_to(tmp_path / "outside.jpg")
        os.mkfifo(tmp_path / "set/Glass/b.jpg")
        for item, code in ((first, "symlink"), (second, "not-a-file")):
            with pytest.raises(FileRefused) as caught:
                item.read()
            assert caught.value.code == code


def test_the_fingerprint_is_of_names_sizes_and_times(tmp_path: Path) -> None:
    """The same folder again has the same fingerprint; a touched, grown or new file changes it."""
    _write(tmp_path, "Glass/a.jpg")

    def fingerprint() -> str:
        with open_source(str(tmp_path)) as source:
            return source.fingerprint

    first = fingerprint()
    assert first == fingerprint()
    assert len(first) == 64
    os.utime(tmp_path / "Glass/a.jpg", (1, 1))
    second = fingerprint()
    _write(tmp_path, "Glass/b.jpg")
    assert len({first, second, fingerprint()}) == 3


def test_an_import_goes_on_from_any_position(tmp_path: Path) -> None:
    """`items(start)` gives what `items()` gives from there."""
    _write(tmp_path, *(f"c{number % 3}/{number}.jpg" for number in range(20)), "c0/notes.txt")
    with open_source(str(tmp_path)) as source:
        names = [row.name for row in source.items()]
        for start in range(source.total + 1):
            assert [row.name for row in source.items(start)] == names[start:]


def test_names_that_are_not_text_are_shown_and_read(tmp_path: Path) -> None:
    """A file whose name is not UTF-8, or holds a line break, is taken; its name is printable."""
    folder = os.fsencode(tmp_path) + b"/Glass"
    os.mkdir(folder)  # noqa: PTH102 - a name in bytes
    for name in (b"\xff.jpg", b"a\nb.jpg"):
        Path(os.fsdecode(folder + b"/" + name)).write_bytes(name)
    with open_source(str(tmp_path)) as source:
        items = [row for row in source.items() if isinstance(row, Item)]
        assert {item.read() for item in items} == {b"\xff.jpg", b"a\nb.jpg"}
        assert all(item.name.isprintable() for item in items)


def test_limits(tmp_path: Path) -> None:
    """A file that is too large is refused, also when it grew since; too many files refuse the whole."""
    _write(tmp_path, "Glass/a.jpg", data=b"12345")
    _write(tmp_path, "Glass/b.jpg", data=b"1")
    with open_source(str(tmp_path), limits=SourceLimits(entry_bytes=4)) as source:
        large, small = source.items()
        assert isinstance(large, Refused)
        assert large.code == "too-large"
        assert isinstance(small, Item)
        _write(tmp_path, "Glass/b.jpg", data=b"12345")
        with pytest.raises(FileRefused):
            small.read()
    with pytest.raises(SourceError, match="more than 1 files"):
        open_source(str(tmp_path), limits=SourceLimits(entries=1))


@pytest.mark.parametrize("location", ["nowhere", "ftp://host/x/", "http://host/file.zip"])
def test_what_is_no_source_says_what_to_do(location: str) -> None:
    """A missing path, another scheme and the address of one file are refused in a line."""
    with pytest.raises(SourceError, match="give one of folder"):
        open_source(location)


def test_realwaste_is_listed_as_it_lies() -> None:
    """Counts per class equal the files in each folder, and four threads read what one does."""
    folder = _DATA / "realwaste"
    if not folder.is_dir():
        pytest.skip(f"no RealWaste photos at {folder}; set SORTLINE_TEST_DATA")
    expected = {path.name: len(list(path.glob("*.jpg"))) for path in folder.iterdir()}
    with open_source(str(folder)) as source:
        items = [row for row in source.items() if isinstance(row, Item)]
        assert Counter(item.label for item in items) == expected
        with ThreadPoolExecutor(4) as pool:
            read = list(pool.map(lambda item: item.read(), items[::50]))
    assert read == [(folder / item.name).read_bytes() for item in items[::50]]
