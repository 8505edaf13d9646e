"""A real server on a free port of this machine, for tests that speak HTTP."""

import atexit
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx
import uvicorn
from sqlalchemy import Engine

from sortline.accounts.scopes import Scope
from sortline.accounts.store.keys import create_key, list_keys, revoke_key
from sortline.api.app import create_app
from sortline.db.session import writing
from sortline.settings import Settings
from sortline.wiring import Services


@dataclass(frozen=True)
class RunningServer:
    """Its address, a client that may do everything there, the services behind it, and the client's API key."""

    url: str
    client: httpx.Client
    services: Services
    key: str

    @property
    def headers(self) -> dict[str, str]:
        """What a request of an admin's says; the client says it by itself."""
        return {"Authorization": f"Bearer {self.key}"}


@contextmanager
def run_server(folder: Path, *, key: str | None = None, **settings: object) -> Iterator[RunningServer]:
    """A server over a data folder of its own, in a thread; it has stopped when the block ends.

    Its client shows `key`, that of another server on the same database, or a new one.
    """
    shutil.copytree(_found_out(), folder / "cache", dirs_exist_ok=True)
    app = create_app(Settings.model_validate({"data_dir": folder, "threads": 1, **settings}))
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the server did not start; its log says why")
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    services: Services = app.state.services
    _hand_on(folder / "cache")
    key = key or admin_key(services.engine)
    with httpx.Client(base_url=url, timeout=120, headers={"Authorization": f"Bearer {key}"}) as client:
        yield RunningServer(url, client, services, key)
    server.should_exit = True
    thread.join(timeout=120)


@cache
def _found_out() -> Path:
    """What servers before have found out, as the next start finds it: the fastest runtime and compiled networks."""
    folder = Path(tempfile.mkdtemp(prefix="sortline-test-cache-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _hand_on(cache: Path) -> None:
    known = {path.name for path in _found_out().rglob("*")}
    for found in (path for part in ("runtimes", "openvino") for path in (cache / part).glob("*")):
        if found.name not in known:
            (_found_out() / found.parent.name).mkdir(exist_ok=True)
            shutil.copy(found, _found_out() / found.parent.name)


def admin_key(engine: Engine) -> str:
    """A new API key that opens everything; label events and the like carry its name, `tester`."""
    with writing(engine) as session:
        for key in list_keys(session, revoked=False):
            if key.name == "tester":
                revoke_key(session, key.id)
        return create_key(session, name="tester", scopes=[Scope.ADMIN], who="tests")[1]
