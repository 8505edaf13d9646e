"""Clients as people already have them, for Locust: they look at health, classes and stats, and send photos to /predict.

    sortline serve --port 8000
    SORTLINE_SHAPE=light locust -f benchmarks/locustfile.py --headless --host http://127.0.0.1:8000

`SORTLINE_SHAPE` is light (10 users), medium (50), heavy (100) or spike (10, then 100, then 10); `SORTLINE_SECONDS` is
how long it lasts (60). Locust ends with status 1 if any request failed. It costs far more of a machine than the server
does: serving.py measures speed, this finds failures.
"""

import itertools
import os
from typing import Any, ClassVar

from locust import HttpUser, LoadTestShape, between, task

from photos import Template, first_number, photos, template

# Users in each equal part of the time.
SHAPES = {"light": (10,), "medium": (50,), "heavy": (100,), "spike": (10, 100, 10)}
FIELDS = ("image", "file")
_numbers = itertools.count(first_number())


class Client(HttpUser):
    """A device or page of one of the systems Sortline replaces."""

    wait_time = between(0.05, 0.5)
    templates: ClassVar[list[Template]] = []

    def on_start(self) -> None:
        """The photos are read once for all users."""
        if not Client.templates:
            Client.templates = [template(jpeg) for jpeg in photos(None)[0]]

    @task(10)
    def predict(self) -> None:
        """A photo no one has sent before, in either of the fields that clients use."""
        number = next(_numbers)
        picture = self.templates[number % len(self.templates)].fill(number)
        form = {FIELDS[number % 2]: ("photo.jpg", picture, "image/jpeg")}
        with self.client.post("/predict", files=form, catch_response=True) as response:
            if response.status_code == 200 and not response.json().get("predicted_class"):
                response.failure("an answer without a class")

    @task(2)
    def health(self) -> None:
        """Is it well?"""
        self._get("/health", "status", "healthy")

    @task(1)
    def classes(self) -> None:
        """What does it know?"""
        self._get("/classes", "classes")

    @task(1)
    def stats(self) -> None:
        """How does it fare?"""
        self._get("/stats", "total_requests")

    def _get(self, path: str, field: str, value: Any = None) -> None:
        with self.client.get(path, catch_response=True) as response:
            if response.status_code != 200:
                return
            found = response.json().get(field)
            if found is None or value not in (None, found):
                response.failure(f"{field} is {found!r}")


class Shape(LoadTestShape):
    """As many users as `SORTLINE_SHAPE` says, for `SORTLINE_SECONDS`."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Locust's
        name = os.environ.get("SORTLINE_SHAPE", "light")
        if name not in SHAPES:
            raise SystemExit(f"SORTLINE_SHAPE is {name!r}; it can be {', '.join(SHAPES)}.")
        self._users = SHAPES[name]
        self._seconds = float(os.environ.get("SORTLINE_SECONDS", "60"))

    def tick(self) -> tuple[int, float] | None:
        """Users wanted now and how many may come or go a second; None ends the run."""
        elapsed: float = self.get_run_time()  # type: ignore[no-untyped-call]  # Locust's
        part = int(elapsed / self._seconds * len(self._users))
        return (self._users[part], 50.0) if part < len(self._users) else None
