"""What tests of the catalogue's routes share: a line of their own, and pictures in it."""

import io
import zipfile
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from sortline.flows.work import run_next_import
from sortline.wiring import import_tools
from tests.pictures import photo
from tests.running import RunningServer

JSON = dict[str, Any]


class CatalogueLine:
    """A line made for one test; paths are below its own."""

    def __init__(self, server: RunningServer, *classes: str) -> None:
        self.server, self.name = server, f"t-{uuid4().hex[:12]}"
        answer = server.client.post("/api/v1/lines", json={"name": self.name})
        assert answer.status_code == 201, answer.text
        for name in classes:
            self.post("/classes", json={"name": name}, status=201)

    def get(self, path: str, status: int = 200, **parameters: object) -> JSON:
        """The JSON at a path."""
        return self.call("GET", path, status, params=parameters)

    def post(self, path: str, status: int = 200, **arguments: Any) -> JSON:
        """The JSON that a POST answers."""
        return self.call("POST", path, status, **arguments)

    def call(self, method: str, path: str, status: int, **arguments: Any) -> JSON:
        """The JSON that a call answers; its status must be the one given."""
        answer = self.server.client.request(method, f"/api/v1/lines/{self.name}{path}", **arguments)
        assert answer.status_code == status, answer.text
        found: JSON = answer.json()
        return found

    def add(self, class_name: str, seed: int, status: int = 201, **fields: object) -> JSON:
        """A drawn picture, labelled; another one for each seed."""
        return self.post(
            "/images",
            status,
            files={"image": (f"{seed}.jpg", photo(seed=seed))},
            data={"class": class_name, **fields},
        )

    def import_zip(self, files: Mapping[str, bytes], status: int = 202, **fields: object) -> JSON:
        """An archive of these files, sent to be imported."""
        return self.post("/imports", status, files={"file": ("photos.zip", zipped(files))}, data=fields)

    def work(self) -> None:
        """Everything that waits for the worker is done."""
        from threading import Event

        installation = self.server.services.installation
        while run_next_import(installation.engine, lambda: import_tools(installation), Event()):
            pass


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A ZIP of these files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()
