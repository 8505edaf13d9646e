"""The disk full, the picture folder read-only, the database gone, under load: refused clearly, never wrongly answered,
and served again as soon as the fault is over.
"""

import resource
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from sqlalchemy import make_url

import crash
from running_server import RunningServer, running_server
from tests.pictures import photo

Fault = Callable[[], None]


def hold(
    data_dir: Path, url: str | None, begin: Callable[[RunningServer], Fault], expected: set[str]
) -> None:
    """Loads a server, begins a fault, ends it, and holds what clients were told against what was kept."""
    crowd = crash.Clients(6, [photo(80, 60, seed) for seed in range(4)])
    with running_server(data_dir, log=data_dir / "server.log", database_url=url) as server:
        server.ask("PATCH", "/api/v1/lines/waste", {"policy": crash.HALF_TO_REVIEW})
        crowd.start(server.port)
        crowd.wait_for(10)
        end = begin(server)
        try:
            crowd.wait_for(10, refused=True)
        finally:
            end()
        crowd.wait_for(10)
        server.process.kill()
        server.process.wait()
        crowd.join()
    found = crash.check(url or f"sqlite:///{data_dir / 'sortline.db'}", data_dir / "blobs", crowd.told)
    assert found.lost == found.duplicated == found.orphans == 0, found
    assert set(crowd.told.refused) <= expected, crowd.told.refused


def test_full_disk(tmp_path: Path) -> None:
    """No file can grow: nothing is acknowledged, the answer says what is full, and it ends with the fault."""

    def begin(server: RunningServer) -> Fault:
        process = psutil.Process(server.process.pid)
        _, hard = process.rlimit(resource.RLIMIT_FSIZE)
        process.rlimit(resource.RLIMIT_FSIZE, (0, hard))
        return lambda: process.rlimit(resource.RLIMIT_FSIZE, (hard, hard))

    hold(
        tmp_path,
        None,
        begin,
        {"503 urn:sortline:storage-unavailable", "503 urn:sortline:database-unavailable"},
    )


@pytest.fixture
def own_disk(tmp_path: Path) -> Iterator[Path]:
    """A data folder whose pictures lie on a file system of their own."""
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", blobs], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("this user may not mount a file system")
    yield tmp_path
    subprocess.run(["umount", blobs], check=True)


def test_read_only_pictures(own_disk: Path) -> None:
    """The picture folder turns read-only: what needs no picture is served, what goes to review is refused."""
    blobs = own_disk / "blobs"

    def remount(how: str) -> None:
        for _ in range(200):  # busy while a picture is being written
            if not subprocess.run(
                ["mount", "-o", f"remount,{how}", blobs], capture_output=True, check=False
            ).returncode:
                return
        raise RuntimeError(f"cannot remount {how}")

    def begin(_server: RunningServer) -> Fault:
        remount("ro")
        return lambda: remount("rw")

    hold(own_disk, None, begin, {"503 urn:sortline:storage-unavailable"})


class Cable:
    """A connection to a server that can be pulled out and put in again."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._plugged, self._ends = True, set[socket.socket]()
        threading.Thread(target=self._accept, daemon=True).start()

    def pull(self) -> None:
        """Open connections break, new ones are closed at once."""
        self._plugged = False
        for end in list(self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def plug(self) -> None:
        """New connections go through."""
        self._plugged = True

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if not self._plugged:
                    near.close()
                    continue
                far = socket.create_connection(self._target)
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        self._ends.add(source)
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
        self._ends.discard(source)
        source.close()


def test_database_gone(database_url: str, tmp_path: Path) -> None:
    """Connections break under load: 503 until the database is back, then served without a restart."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        pytest.skip("SQLite has no connection to lose")
    cable = Cable(url.host or "127.0.0.1", url.port or 5432)

    def begin(_server: RunningServer) -> Fault:
        cable.pull()
        return cable.plug

    through = url.set(host="127.0.0.1", port=cable.port).render_as_string(hide_password=False)
    hold(tmp_path, through, begin, {"503 urn:sortline:database-unavailable"})
