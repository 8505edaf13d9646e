"""Prefixes: S3 against a local server, directory pages over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sortline.catalogue.entry import Split
from sortline.catalogue.sources.source import FileRefused, Item, SourceError, SourceLimits, open_source

_FILES = {
    "train/Glass/a b.jpg": b"1",
    "train/Metal/c#1.jpg": b"2",
    "test/Glass/\u00e9.jpg": b"3",
    "README.md": b"text",
    "train/Glass/large.jpg": b"0123456789",
}
_EXPECTED = {
    "train/Glass/a b.jpg": ("Glass", Split.TRAIN, b"1"),
    "train/Metal/c#1.jpg": ("Metal", Split.TRAIN, b"2"),
    "test/Glass/\u00e9.jpg": ("Glass", Split.TEST, b"3"),
    "README.md": "ignored",
    "train/Glass/large.jpg": "too-large",
}
_LIMITS = SourceLimits(entry_bytes=9)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def _write(folder: Path) -> None:
    for name, data in _FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def _found(location: str, **options: object) -> tuple[dict[str, object], str]:
    found: dict[str, object] = {}
    with open_source(location, limits=_LIMITS, **options) as source:  # type: ignore[arg-type]  # store options
        assert source.kind == "prefix"
        rows = list(source.items())
        assert [row.position for row in rows] == list(range(source.total))
        assert [row.name for row in source.items(2)] == [row.name for row in rows[2:]]
        for row in rows:
            if isinstance(row, Item):
                try:
                    found[row.name] = (row.label, row.split, row.read())
                except FileRefused as error:
                    found[row.name] = error.code
            else:
                found[row.name] = row.code
        return found, source.fingerprint


def test_directory_pages_are_followed_below_the_address(tmp_path: Path) -> None:
    """Every file below is found by its links, with odd names; what lies above or elsewhere is not."""
    _write(tmp_path / "set")
    (tmp_path / "other.jpg").write_bytes(b"other")
    with _serving(tmp_path) as url:
        first, second = _found(f"{url}/set/"), _found(f"{url}/set/")
    assert first == second
    assert first[0] == _EXPECTED


def test_links_that_lead_elsewhere_are_counted(tmp_path: Path) -> None:
    """Another host, a folder beside this one, scripts and loops are not followed."""
    (tmp_path / "set/Glass").mkdir(parents=True)
    links = [
        "Glass/",
        "./Glass/",
        "../",
        "/beside/",
        "http://127.0.0.2:1/x.jpg",
        "javascript:alert(1)",
        "?C=N",
        "//[",
    ]
    page = "<html>" + "".join(f'<a href="{link}">x</a>' for link in links)
    (tmp_path / "set/index.html").write_text(page)
    (tmp_path / "set/Glass/a.jpg").write_bytes(b"1")
    with _serving(tmp_path) as url, open_source(f"{url}/set/") as source:
        assert [row.name for row in source.items()] == ["Glass/a.jpg"]
        assert source.problems == ("4 links lead elsewhere and were not followed",)


def test_an_address_without_a_listing_says_what_to_give(tmp_path: Path) -> None:
    """No such page, a page that is none, no such server."""
    (tmp_path / "index.html").write_text("plain text")
    with _serving(tmp_path) as url:
        for location in (f"{url}/nowhere/", f"{url}/"):
            with pytest.raises(SourceError, match="give the address of a folder"):
                open_source(location)
    with pytest.raises(SourceError, match="give the address of a folder"):
        open_source(f"{url}/")


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    """A local S3 server's options for obstore, its bucket filled."""
    server_module = pytest.importorskip("moto.server")
    import obstore

    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    options = {
        "endpoint": f"http://{host}:{port}",
        "access_key_id": "test",
        "secret_access_key": "test",
        "region": "us-east-1",
    }
    import httpx

    assert httpx.put(f"http://{host}:{port}/bucket").status_code == 200
    store = obstore.store.from_url("s3://bucket", config=options, client_options={"allow_http": True})
    for name, data in _FILES.items():
        store.put(f"sets/one/{name}", data)
    store.put("sets/one-more/Glass/z.jpg", b"z")
    yield options
    server.stop()


def test_objects_below_a_prefix(s3: dict[str, str]) -> None:
    """Keys below the prefix, and only those, by the same rules as folders; the listing has a fingerprint."""
    first, second = (
        _found("s3://bucket/sets/one/", store_options=s3),
        _found("s3://bucket/sets/one", store_options=s3),
    )
    assert first[0] == second[0] == _EXPECTED
    assert first == _found("s3://bucket/sets/one/", store_options=s3)


def test_a_prefix_that_holds_nothing_or_cannot_be_reached(s3: dict[str, str]) -> None:
    """An empty prefix and a bucket that is not there are refused in one line."""
    for location in ("s3://bucket/none/", "s3://nowhere/sets/"):
        with pytest.raises(SourceError, match="check the address, the credentials") as caught:
            open_source(location, store_options=s3)
        assert "\n" not in str(caught.value)
