"""ZIP archives, well-meant and hostile."""

from __future__ import annotations

import io
import stat
import struct
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from sortline.catalogue.entry import Split
from sortline.catalogue.sources.source import FileRefused, Item, SourceError, SourceLimits, open_source
from tests.pictures import photo


def _archive(place: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(place, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return place


def _codes(archive: Path, **options: object) -> list[tuple[str, str]]:
    """(name, class or !code) of every file; a wrong file is found when it is read."""
    found = []
    with open_source(str(archive), **options) as source:  # type: ignore[arg-type]  # tests pass limits through
        rows = list(source.items())
        assert [row.position for row in rows] == list(range(source.total))
        for row in rows:
            if isinstance(row, Item):
                try:
                    row.read()
                    found.append((row.name, str(row.label)))
                except FileRefused as error:
                    found.append((row.name, f"!{error.code}"))
            else:
                found.append((row.name, f"!{row.code}"))
    return found


def test_an_archive_is_read_as_a_folder_is(tmp_path: Path) -> None:
    """Nested root, splits, litter; stored or deflated, the bytes are those that went in."""
    files = {
        "data/train/Glass/a.jpg": photo(seed=1),
        "data/test/Metal/b.jpg": photo(seed=2),
        "__MACOSX/data/._a.jpg": b"x",
        "data/README.txt": b"text",
    }
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with open_source(str(_archive(tmp_path / "a.zip", files, compression))) as source:
            rows = list(source.items())
            items = [row for row in rows if isinstance(row, Item)]
            assert [(item.label, item.split) for item in items] == [
                ("Glass", Split.TRAIN),
                ("Metal", Split.TEST),
            ]
            assert [item.read() for item in items] == [photo(seed=1), photo(seed=2)]
            assert source.total == len(rows) == 4


def test_the_same_archive_has_the_same_fingerprint(tmp_path: Path) -> None:
    """Another file in it changes the fingerprint; opening it again does not."""
    first = _archive(tmp_path / "a.zip", {"Glass/a.jpg": b"1"})
    second = _archive(tmp_path / "b.zip", {"Glass/a.jpg": b"1", "Glass/b.jpg": b"2"})
    prints = []
    for place in (first, first, second):
        with open_source(str(place)) as source:
            prints.append(source.fingerprint)
    assert prints[0] == prints[1] != prints[2]


def test_threads_share_an_archive(tmp_path: Path) -> None:
    """Eight threads that read at once get what one gets."""
    files = {
        f"c{number % 5}/{number}.bin": np.random.default_rng(number).bytes(20_000) for number in range(200)
    }
    with open_source(str(_archive(tmp_path / "a.zip", files))) as source, ThreadPoolExecutor(8) as pool:
        items = [row for row in source.items() if isinstance(row, Item)] * 5
        for item, data in zip(items, pool.map(lambda item: item.read(), items), strict=True):
            assert data == files[item.name]


def test_hostile_names_are_refused_and_the_rest_is_read(tmp_path: Path) -> None:
    """Names that lead out, links and repeated names are refused one by one; nothing is written anywhere."""
    place = tmp_path / "a.zip"
    link = zipfile.ZipInfo("Glass/link.jpg")
    link.external_attr, link.create_system = (stat.S_IFLNK | 0o777) << 16, 3
    with warnings.catch_warnings(), zipfile.ZipFile(place, "w") as archive:
        warnings.simplefilter("ignore")  # zipfile warns of the repeated name
        for name in (
            "Glass/a.jpg",
            "../up.jpg",
            "Glass/../../up.jpg",
            "/etc/up.jpg",
            "C:/up.jpg",
            "Glass/a.jpg",
        ):
            archive.writestr(name, b"bytes")
        archive.writestr(link, "/etc/passwd")
        archive.writestr("Glass/", b"")
    data = place.read_bytes().replace(b"C:/up.jpg", b"C:\\up.jpg")
    place.write_bytes(data)
    before = sorted(tmp_path.rglob("*"))
    assert _codes(place) == [
        ("Glass/a.jpg", "Glass"),
        ("../up.jpg", "!unsafe-path"),
        ("Glass/../../up.jpg", "!unsafe-path"),
        ("/etc/up.jpg", "!unsafe-path"),
        ("C:\\up.jpg", "!unsafe-path"),
        ("Glass/a.jpg", "!duplicate-name"),
        ("Glass/link.jpg", "!symlink"),
    ]
    assert sorted(tmp_path.rglob("*")) == before


def test_bombs_are_refused_before_they_are_unpacked(tmp_path: Path) -> None:
    """A ratio no photo has, a size no picture has, and a total beyond the limit."""
    place = _archive(tmp_path / "a.zip", {"Glass/bomb.jpg": bytes(20_000_000), "Glass/a.jpg": photo()})
    assert _codes(place) == [("Glass/bomb.jpg", "!too-compressed"), ("Glass/a.jpg", "Glass")]
    assert _codes(place, limits=SourceLimits(entry_bytes=10_000_000))[0][1] == "!too-large"
    with pytest.raises(SourceError, match="would unpack to"):
        open_source(str(place), limits=SourceLimits(total_bytes=1_000_000))


def test_a_bomb_that_lies_about_its_size_is_cut_off(tmp_path: Path) -> None:
    """No more is unpacked than the archive claims for a file, whatever the stream would give."""
    place = _archive(tmp_path / "a.zip", {"Glass/a.jpg": bytes(20_000_000)})
    place.write_bytes(place.read_bytes().replace(struct.pack("<L", 20_000_000), struct.pack("<L", 1000)))
    assert _codes(place) == [("Glass/a.jpg", "!damaged")]


def test_overlapping_files_are_a_bomb(tmp_path: Path) -> None:
    """Many names for the same packed bytes, as in Fifield's bomb, refuse the archive."""
    place = _archive(
        tmp_path / "a.zip", {f"Glass/{n}.jpg": np.random.default_rng(0).bytes(5000) for n in range(9)}
    )
    data = bytearray(place.read_bytes())
    at = data.find(b"PK\1\2")
    for entry in range(9):
        struct.pack_into("<L", data, at + 42, 0)
        struct.pack_into("<L", data, at + 20, 8000 + entry)
        at = data.find(b"PK\1\2", at + 4)
    place.write_bytes(data)
    with pytest.raises(SourceError, match="overlap"):
        open_source(str(place))


def test_encrypted_and_unknown_compression_are_refused(tmp_path: Path) -> None:
    """Files that need a password, or are packed with LZMA, are refused by name."""
    place = _archive(tmp_path / "a.zip", {"Glass/a.jpg": photo(), "Glass/b.jpg": photo(seed=1)})
    data = bytearray(place.read_bytes())
    data[data.find(b"PK\1\2") + 8] |= 1
    place.write_bytes(data)
    assert _codes(place) == [("Glass/a.jpg", "!encrypted"), ("Glass/b.jpg", "Glass")]
    lzma = _archive(tmp_path / "b.zip", {"Glass/a.jpg": photo()}, zipfile.ZIP_LZMA)
    assert _codes(lzma) == [("Glass/a.jpg", "!unsupported-compression")]


def test_damage_costs_only_the_damaged_file(tmp_path: Path) -> None:
    """A wrong checksum, an empty file and a lost local header are told; their neighbours are read."""
    place = tmp_path / "a.zip"
    files = {
        "Glass/a.jpg": photo(seed=1),
        "Glass/b.jpg": photo(seed=2),
        "Glass/empty.jpg": b"",
        "Glass/c.jpg": b"c",
    }
    data = bytearray(_archive(place, files, zipfile.ZIP_STORED).read_bytes())
    data[data.find(photo(seed=1)) + 500] ^= 0xFF
    data[data.rfind(b"PK\3\4") + 3] = 0
    place.write_bytes(data)
    assert _codes(place) == [
        ("Glass/a.jpg", "!bad-crc"),
        ("Glass/b.jpg", "Glass"),
        ("Glass/empty.jpg", "!empty"),
        ("Glass/c.jpg", "!damaged"),
    ]


def test_a_truncated_archive_says_what_to_do(tmp_path: Path) -> None:
    """Wherever it was cut, the archive is refused as a whole, in one line."""
    whole = _archive(tmp_path / "a.zip", {f"Glass/{n}.jpg": photo(seed=n) for n in range(5)}).read_bytes()
    cut = tmp_path / "cut.zip"
    for length in (0, 3, 22, len(whole) // 2, len(whole) - 30, len(whole) - 1):
        cut.write_bytes(whole[:length])
        with pytest.raises(SourceError, match="copy or download it again"):
            open_source(str(cut))


def test_any_flipped_byte_is_told_and_never_crashes(tmp_path: Path) -> None:
    """Damage anywhere ends in a refused file, a refused archive, or nothing but another name."""
    whole = _archive(tmp_path / "a.zip", {f"Glass/{n}.jpg": b"%d" % n * 40 for n in range(3)}).read_bytes()
    damaged = tmp_path / "damaged.zip"
    for at in range(len(whole)):
        damaged.write_bytes(whole[:at] + bytes([whole[at] ^ 0xA5]) + whole[at + 1 :])
        with suppress(SourceError):  # nothing else, not a struct.error nor a UnicodeError
            assert len(_codes(damaged)) <= 3


def test_the_end_record_alone_refuses_too_many_files(tmp_path: Path) -> None:
    """The count is read before the table of contents."""
    place = _archive(tmp_path / "a.zip", {f"Glass/{n}.jpg": b"x" for n in range(11)})
    with pytest.raises(SourceError, match="holds 11 files, at most 10"):
        open_source(str(place), limits=SourceLimits(entries=10))


def test_zip64_and_a_prefix_before_the_archive(tmp_path: Path) -> None:
    """More than 65,535 files need the wide end record; what stands before an archive moves its offsets."""
    place = _archive(tmp_path / "a.zip", {f"c/{n}": b"%d" % n for n in range(66_000)}, zipfile.ZIP_STORED)
    place.write_bytes(b"#!/bin/sh\n" + place.read_bytes())
    with open_source(str(place)) as source:
        assert source.total == 66_000
        (last,) = source.items(65_999)
        assert isinstance(last, Item)
        assert last.read() == b"65999"


def test_wide_sizes_and_a_streamed_archive(tmp_path: Path) -> None:
    """Sizes in the ZIP64 extra field, and sizes after the data, as a streaming writer leaves them."""
    place = tmp_path / "a.zip"

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.file = place.open("wb")

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            return self.file.write(data)  # type: ignore[arg-type]  # bytes or a view

        def close(self) -> None:
            self.file.close()
            super().close()

    with (
        Pipe() as pipe,
        zipfile.ZipFile(pipe, "w") as archive,
        archive.open("Glass/a.jpg", "w", force_zip64=True) as f,
    ):
        f.write(photo())
    assert _codes(place) == [("Glass/a.jpg", "Glass")]


def test_names_in_other_encodings(tmp_path: Path) -> None:
    """UTF-8 without the flag, as macOS writes it, and code page 437 are told apart."""
    place = _archive(tmp_path / "a.zip", {"XX/a.jpg": b"1", "YY/b.jpg": b"2"})
    data = place.read_bytes().replace(b"XX/", "é/".encode()).replace(b"YY/", b"\x82y/"[:2] + b"/")
    place.write_bytes(data)
    assert [name for name, _ in _codes(place)] == ["é/a.jpg", "éy/b.jpg"]
