"""Manifests: CSV, TSV, Parquet."""

from __future__ import annotations

import builtins
import threading
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sortline.catalogue.entry import Split
from sortline.catalogue.sources.source import FileRefused, Item, SourceError, SourceLimits, open_source


def _pictures(folder: Path, *names: str) -> None:
    for name in names:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(name.encode())


def _manifest(folder: Path, text: str, name: str = "manifest.csv") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "path,label,split\nimg/a.jpg,Glass,train\nimg/b.jpg,Metal,\n"),
        ("a.csv", "\ufeffsplit;Class;FILENAME\r\nTrain;Glass;img/a.jpg\r\n\r\n;Metal;img/b.jpg"),
        ("a.tsv", 'image\tlabel\tsplit\n"img/a.jpg"\tGlass\ttrain\nimg\\b.jpg\tMetal\tnone\n'),
        ("a.txt", "file|note|class|set\nimg/a.jpg|x,y|Glass|training\nimg/b.jpg||Metal|\n"),
    ],
)
def test_tables_as_people_write_them(tmp_path: Path, name: str, text: str) -> None:
    """Any common delimiter and column name, a byte order mark, quotes, Windows paths, empty lines."""
    _pictures(tmp_path, "img/a.jpg", "img/b.jpg")
    with open_source(_manifest(tmp_path, text, name)) as source:
        assert (source.kind, source.total) == ("manifest", 2)
        items = [row for row in source.items() if isinstance(row, Item)]
    assert [(item.name, item.label, item.split, item.read()) for item in items] == [
        ("img/a.jpg", "Glass", Split.TRAIN, b"img/a.jpg"),
        ("img/b.jpg", "Metal", None, b"img/b.jpg"),
    ]


def test_one_percent_of_bad_rows_costs_one_percent(tmp_path: Path) -> None:
    """Bad rows of every kind are refused one by one, an unclosed quote spoils its own row only."""
    bad = [
        "a.jpg",
        '"a.jpg,Glass',
        "a.jpg,Glass,x,y",
        ",Glass",
        "a.jpg,",
        "a\0.jpg,Glass",
        "\udcff.jpg,Glass",
    ]
    rows = [f"img/{number % 50}.jpg,c{number % 3}" for number in range(700)]
    for number, row in enumerate(bad):
        rows[number * 100 + 7] = row
    _pictures(tmp_path, *(f"img/{number}.jpg" for number in range(50)))
    place = tmp_path / "m.csv"
    place.write_bytes("\n".join(["path,label", *rows]).encode("utf-8", "surrogateescape"))
    with open_source(str(place)) as source:
        found = list(source.items())
        assert source.total == len(found) == 700
        assert [row.position for row in source.items(650)] == list(range(650, 700))
    codes = Counter("item" if isinstance(row, Item) else row.code for row in found)
    assert codes == {"item": 693, "bad-row": 6, "no-label": 1}
    assert all("row 9:" in row.detail for row in found[7:8] if not isinstance(row, Item))


def test_paths_do_not_leave_the_folder(tmp_path: Path) -> None:
    """Parent folders, absolute paths, links and other schemes are refused, unless the local person allows it."""
    _pictures(tmp_path, "secret.jpg", "set/a.jpg")
    (tmp_path / "set/link.jpg").symlink_to(tmp_path / "secret.jpg")
    absolute = tmp_path / "secret.jpg"
    paths = ["a.jpg", "../secret.jpg", absolute, "link.jpg", f"file://{absolute}", "s3://b/a.jpg", "gone.jpg"]
    text = "path,label\n" + "".join(f"{path},Glass\n" for path in paths)
    location = _manifest(tmp_path / "set", text)
    with open_source(location) as source:
        codes = ["item" if isinstance(row, Item) else row.code for row in source.items()]
    assert codes == ["item", *["unsafe-path"] * 5, "missing-file"]
    with open_source(location, allow_outside=True) as source:
        read = [row.read() if isinstance(row, Item) else row.code.encode() for row in source.items()]
    assert read == [b"set/a.jpg", *[b"secret.jpg"] * 3, b"unsafe-path", b"unsafe-path", b"missing-file"]


@pytest.mark.parametrize("text", ["", "a.jpg,Glass\n", "path\na.jpg\n", "label\nGlass\n", "\0\0\0"])
def test_a_table_without_its_columns_says_which(tmp_path: Path, text: str) -> None:
    """Without a header that names picture and label nothing is read."""
    with pytest.raises(SourceError, match="path,label"):
        open_source(_manifest(tmp_path, text))


def test_one_label_for_a_table_without_labels(tmp_path: Path) -> None:
    """A list of paths is enough where the label is given; a split that is none makes a bad row."""
    _pictures(tmp_path, "a.jpg")
    with open_source(_manifest(tmp_path, "path,split\na.jpg,test\na.jpg,holdout\n"), label="Glass") as source:
        first, second = source.items()
    assert isinstance(first, Item)
    assert (first.label, first.split) == ("Glass", Split.TEST)
    assert not isinstance(second, Item)
    assert second.code == "bad-row"


def test_parquet_reads_as_csv_does(tmp_path: Path) -> None:
    """Text, numbers as labels, nulls; in batches, from any position."""
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    _pictures(tmp_path, "a.jpg")
    count = 5000
    paths = ["a.jpg"] * count
    labels = [number % 3 if number != 2500 else None for number in range(count)]
    place = tmp_path / "m.parquet"
    parquet.write_table(arrow.table({"path": paths, "label": labels, "split": ["val"] * count}), place)
    with open_source(str(place)) as source:
        rows = list(source.items())
        assert source.total == len(rows) == count
        assert [row.position for row in source.items(4321)] == list(range(4321, count))
    items = [row for row in rows if isinstance(row, Item)]
    assert len(items) == count - 1
    assert Counter(item.label for item in items)["0"] == 1667
    assert {item.split for item in items} == {Split.VALIDATION}
    place.write_bytes(place.read_bytes()[:-20])
    with pytest.raises(SourceError, match="Parquet"):
        open_source(str(place))


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to install."""
    (tmp_path / "m.parquet").write_bytes(b"PAR1")
    real = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SourceError, match=r"pip install 'sortline\[parquet\]'"):
        open_source(str(tmp_path / "m.parquet"))


def test_memory_is_flat_over_many_rows(tmp_path: Path) -> None:
    """Fifty thousand rows take no more memory than a hundred."""
    _pictures(tmp_path, "a.jpg")
    place = tmp_path / "m.csv"
    with place.open("w") as file:
        file.write("path,label\n")
        file.writelines(f"https://host/{number}.jpg,c{number % 9}\n" for number in range(50_000))
    tracemalloc.start()
    with open_source(str(place)) as source:
        assert sum(1 for _ in source.items()) == 50_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000_000


class _Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        code = {"/ok.jpg": 200, "/large.jpg": 200, "/away": 302, "/file": 302, "/loop": 302}.get(
            self.path, 404
        )
        body = b"x" * (50 if self.path == "/large.jpg" else 5) if code == 200 else b""
        self.send_response(code)
        if code == 302:
            self.send_header(
                "Location", {"/away": "/ok.jpg", "/file": "file:///etc/passwd"}.get(self.path, "/loop")
            )
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@contextmanager
def _serving() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Server) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_addresses_are_fetched_within_limits(tmp_path: Path) -> None:
    """A redirect is followed to http only; what is missing, too large or loops is told for that row."""
    with _serving() as url:
        names = ["ok.jpg", "away", "large.jpg", "gone.jpg", "file", "loop"]
        location = _manifest(tmp_path, "url,label\n" + "".join(f"{url}/{name},Glass\n" for name in names))
        found = []
        with open_source(location, limits=SourceLimits(entry_bytes=10)) as source:
            for row in source.items():
                assert isinstance(row, Item)
                try:
                    found.append(row.read())
                except FileRefused as error:
                    found.append(error.code.encode())
    assert found == [b"xxxxx", b"xxxxx", b"too-large", b"missing-file", b"unsafe-path", b"unreachable"]
