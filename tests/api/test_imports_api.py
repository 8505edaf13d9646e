"""Imports over HTTP: an archive is safe before the answer, the worker takes it in, and everything is told."""

import threading
from pathlib import Path

import httpx
import pytest

from sortline.flows.uploads import sweep_uploads, uploads_folder
from tests.api.catalogue import CatalogueLine, zipped
from tests.pictures import photo
from tests.running import RunningServer
from tests.waiting import soon


@pytest.fixture
def line(server: RunningServer) -> CatalogueLine:
    """An empty line without classes."""
    return CatalogueLine(server)


def photos(count: int = 4) -> dict[str, bytes]:
    """Files of an archive: drawn pictures of two classes."""
    return {f"data/{'ab'[n % 2]}/{n}.jpg": photo(seed=n) for n in range(count)}


def folder(server: RunningServer) -> Path:
    """Where the server keeps archives that were sent."""
    return uploads_folder(server.services.settings.data_dir)


def test_an_archive_is_imported(line: CatalogueLine, server: RunningServer) -> None:
    """202 with what was queued; then pictures, classes, and a report of every file that was not taken."""
    files = photos() | {"data/a/bad.jpg": b"no picture", "data/a/notes.txt": b"x", "__MACOSX/a/._1.jpg": b"x"}
    queued = line.import_zip(files)
    assert (queued["state"], queued["source"], queued["kind"]) == ("queued", "photos.zip", "zip")
    line.work()
    done = line.get(f"/imports/{queued['id']}")
    assert (done["state"], done["done"], done["total"]) == ("done", 7, 7)
    assert done["outcomes"] == {"added": 4, "refused": 1, "ignored": 2}
    assert done["rate"] > 0
    assert {one["name"]: one["pictures"]["total"] for one in line.get("/classes")["classes"]} == {
        "a": 2,
        "b": 2,
    }
    problems = line.get(f"/imports/{queued['id']}/problems", code="not-an-image")["problems"]
    assert [problem["file"] for problem in problems] == ["data/a/bad.jpg"]
    assert line.get("/imports")["imports"][0]["id"] == queued["id"]


def test_problems_come_in_pages_and_as_csv(line: CatalogueLine) -> None:
    """Each once, in the archive's order."""
    files = {f"a/{n}.jpg": b"no picture" for n in range(5)} | photos(2)
    queued = line.import_zip(files)
    line.work()
    path, found, cursor = f"/imports/{queued['id']}/problems", [], None
    while True:
        page = line.get(path, limit=2, **({"cursor": cursor} if cursor else {}))
        found += [problem["file"] for problem in page["problems"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert found == [f"a/{n}.jpg" for n in range(5)]
    answer = line.server.client.get(f"/api/v1/lines/{line.name}{path}", params={"format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert [row.split(",")[1] for row in answer.text.splitlines()] == ["file", *found]
    assert line.get(path, 400, cursor="1")["type"] == "urn:sortline:bad-cursor"


def test_options_come_as_fields_of_the_form(line: CatalogueLine) -> None:
    """A label for pictures without one; values that cannot be are refused, and nothing is left."""
    queued = line.import_zip({"1.jpg": photo(seed=1)}, label="x", version="false", name="first")
    assert (queued["options"]["label"], queued["options"]["version"]) == ("x", False)
    line.work()
    assert line.get("/images")["images"][0]["class"] == "x"
    before = sorted(folder(line.server).iterdir())
    for fields in ({"leaks": "maybe"}, {"crops": "perhaps"}, {"colour": "red"}):
        refused = line.import_zip(photos(), 422, **fields)
        assert refused["type"] == "urn:sortline:invalid-request"
    assert sorted(folder(line.server).iterdir()) == before


@pytest.mark.parametrize(
    "data", [b"", b"no archive", zipped(photos())[:-40]], ids=["empty", "text", "cut short"]
)
def test_what_is_no_archive_is_refused_at_once(line: CatalogueLine, data: bytes) -> None:
    """422, no import, and nothing left in the folder."""
    line.import_zip(photos())
    before = sorted(folder(line.server).iterdir())
    refused = line.post("/imports", 422, files={"file": ("photos.zip", data)})
    assert refused["type"] == "urn:sortline:unreadable-source"
    assert "cannot read photos.zip" in refused["detail"]
    assert str(folder(line.server)) not in refused["detail"]
    assert sorted(folder(line.server).iterdir()) == before
    assert len(line.get("/imports")["imports"]) == 1


@pytest.mark.parametrize(
    "name", ["../../evil.zip", "C:\\evil.zip", "/etc/evil", "..", "\0.zip", "a" * 300, ""]
)
def test_a_file_name_leads_nowhere(line: CatalogueLine, name: str) -> None:
    """Whatever the client calls its archive, it lies in the folder for uploads."""
    body = (
        f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
        + zipped(photos(1))
        + b"\r\n--x--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    queued = line.post("/imports", 202, content=body, headers=headers)
    assert "/" not in queued["source"]
    assert queued["source"].endswith(".zip")
    for found in folder(line.server).rglob("*.zip"):
        assert found.parent.parent == folder(line.server)


def test_a_broken_form_is_refused(line: CatalogueLine) -> None:
    """No file, no boundary, no end."""
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    start = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\n\r\nPK'
    assert line.post("/imports", 400, data={"label": "x"}, files={"other": b"x"})["type"].endswith(
        "missing-file"
    )
    assert line.post("/imports", 400, content=start, headers=headers)["type"].endswith("bad-multipart")
    assert line.post("/imports", 400, content=b"x")["type"].endswith("bad-multipart")
    assert line.post("/imports", 400, content=b"", headers=headers)["type"].endswith("bad-multipart")


@pytest.mark.parametrize("size", [10, 1 << 20], ids=["small", "large"])
def test_a_file_in_another_field_is_told_of_by_name(line: CatalogueLine, size: int) -> None:
    """However large it is; and which field is read, with the option that curl needs."""
    refused = line.post("/imports", 400, files={"zip": ("a.zip", bytes(size))})
    assert refused["type"] == "urn:sortline:missing-file"
    assert "found: 'zip'" in refused["detail"]
    assert "-F file=@PATH" in refused["detail"]
    two = [("file", ("a.zip", b"PK")), ("file", ("b.zip", b"PK"))]
    assert "more than 1 file" in line.post("/imports", 400, files=two)["detail"]


def test_an_upload_that_ends_early_leaves_nothing(line: CatalogueLine) -> None:
    """The connection breaks in the middle; a moment later its folder is gone."""
    line.import_zip(photos())
    before = sorted(folder(line.server).iterdir())

    def body() -> object:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\n\r\n'
        yield b"x" * 3_000_000
        raise ConnectionError

    with pytest.raises(ConnectionError):
        line.server.client.post(
            f"/api/v1/lines/{line.name}/imports",
            content=body(),  # type: ignore[arg-type]  # a generator of bytes
            headers={"Content-Type": "multipart/form-data; boundary=x", "Content-Length": "9999999"},
        )
    soon(lambda: sorted(folder(line.server).iterdir()) == before)


def test_a_folder_of_the_server_is_imported(line: CatalogueLine, tmp_path: Path) -> None:
    """By its path; a relative one or one that is not there is refused."""
    for name, data in photos().items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    queued = line.post("/imports/from-location", 202, json={"location": str(tmp_path), "in_place": True})
    line.work()
    assert line.get(f"/imports/{queued['id']}")["outcomes"] == {"added": 4}
    assert line.post("/imports/from-location", 422, json={"location": "data"})["type"].endswith(
        "invalid-request"
    )
    missing = line.post("/imports/from-location", 422, json={"location": str(tmp_path / "none")})
    assert missing["type"] == "urn:sortline:unreadable-source"


def test_an_import_can_be_cancelled(line: CatalogueLine) -> None:
    """Before the worker has it, and again without harm; another line's is not found."""
    queued = line.import_zip(photos())
    assert line.post(f"/imports/{queued['id']}/cancel")["state"] == "cancelled"
    assert line.post(f"/imports/{queued['id']}/cancel")["state"] == "cancelled"
    line.work()
    assert line.get("/images")["images"] == []
    other = CatalogueLine(line.server)
    assert other.get(f"/imports/{queued['id']}", 404)["type"] == "urn:sortline:unknown-import"


def test_archives_go_once_they_were_read(line: CatalogueLine) -> None:
    """Those whose import is done or cancelled; one that waits stays."""
    done = line.import_zip(photos())
    line.work()
    waiting = line.import_zip(photos(1))
    engine = line.server.services.engine
    assert sweep_uploads(engine, folder(line.server)) >= 1
    locations = list(folder(line.server).iterdir())
    assert len(locations) >= 1
    assert sweep_uploads(engine, folder(line.server)) == 0
    assert line.get(f"/imports/{done['id']}")["state"] == "done"
    line.work()
    assert line.get(f"/imports/{waiting['id']}")["state"] == "done"


def test_large_archives_do_not_stop_the_server(line: CatalogueLine, server: RunningServer) -> None:
    """While one is being sent, slowly, other requests are answered."""
    data, sent = zipped(photos(1)), threading.Event()
    go_on = threading.Event()

    def body() -> object:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\n\r\n'
        yield data[:50]
        sent.set()
        go_on.wait(120)
        yield data[50:] + b"\r\n--x--\r\n"

    answers: list[int] = []

    def send() -> None:
        with httpx.Client(base_url=server.url, timeout=120, headers=server.headers) as client:
            answer = client.post(
                f"/api/v1/lines/{line.name}/imports",
                content=body(),  # type: ignore[arg-type]  # a generator of bytes
                headers={"Content-Type": "multipart/form-data; boundary=x"},
            )
            answers.append(answer.status_code)

    thread = threading.Thread(target=send)
    thread.start()
    assert sent.wait(120)
    assert line.get("/imports")["imports"] == []
    go_on.set()
    thread.join()
    assert answers == [202]
