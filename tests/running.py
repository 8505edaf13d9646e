"""A real server on a free port of this machine, for tests that speak HTTP."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn

from sortline.api.app import create_app
from sortline.settings import Settings
from sortline.wiring import Services


@dataclass(frozen=True)
class RunningServer:
    """Its address, a client for it, and the services behind it."""

    url: str
    client: httpx.Client
    services: Services


@contextmanager
def run_server(folder: Path, **settings: object) -> Iterator[RunningServer]:
    """A server over a data folder of its own, in a thread; it has stopped when the block ends."""
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
    with httpx.Client(base_url=url, timeout=30) as client:
        yield RunningServer(url, client, app.state.services)
    server.should_exit = True
    thread.join(timeout=30)
