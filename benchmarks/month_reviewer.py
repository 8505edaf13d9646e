"""The month of review_month.py as one line lives it: pictures come, a person looks at some, a model is trained."""

from __future__ import annotations

import io
import random
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from sortline.engine.canonical import canonical

# What is no waste at all.
FOREIGN = ""
# A probe may take so long, the machine being busy.
_PATIENCE_S = 1800.0
# Pictures looked at each time a new class is asked for more of its kind, and how like they have to be.
_LOOKED_AT, _ALIKE = 3, 0.6

Item = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A picture on the belt, and what it shows."""

    path: Path
    truth: str


def saved_anew(path: Path) -> bytes:
    """The photo as another file.

    The packaged bundle remembers RealWaste, and a picture that some bundle knows takes the part it had there, so that
    nothing trained on is ever tested on. It has no place in this story: these are to be photos that nothing knows.
    """
    with Image.open(path) as photo:
        file = io.BytesIO()
        photo.convert("RGB").save(file, "JPEG", quality=95)
    return file.getvalue()


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """What is fixed for all strategies: the stream by day, pictures a day for a person, days between models."""

    days: Sequence[Sequence[Arrival]]
    budget: int
    every: int
    new: tuple[str, ...]
    seed: int


@dataclass(slots=True)
class Stretch:
    """Some days between two models: what was accepted, how much of it wrongly; what was unknown, how much set aside."""

    day: int
    seen: int = 0
    accepted: int = 0
    wrong: int = 0
    unknown: int = 0
    caught: int = 0
    labels: int = 0

    def told(self) -> dict[str, Any]:
        """As figures."""
        return {
            "day": self.day,
            "accepted_error": round(self.wrong / max(self.accepted, 1), 4),
            "unknown_recall": round(self.caught / max(self.unknown, 1), 4),
            "labels": self.labels,
        }


@dataclass(slots=True)
class Reviewer:
    """One strategy at work on one line; `knows` are the classes of the live model.

    `found` is the day on which a new class was first seen by the person and named, `live` the day after which it is
    answered, with the labels it had then and the labels of everything.
    """

    client: httpx.Client
    line: str
    month: Month
    how: str
    knows: set[str]
    labels: int = 0
    stretches: list[Stretch] = field(default_factory=list)
    looked_at: Counter[str] = field(default_factory=Counter)
    found: dict[str, int] = field(default_factory=dict)
    live: dict[str, dict[str, int]] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    estimate: dict[str, Any] | None = None
    _truth: dict[str, str] = field(default_factory=dict)
    _day: int = 0

    def run(self) -> None:
        """The month."""
        chance = random.Random(7 + self.month.seed)
        stretch = Stretch(day=0)
        for day, arrivals in enumerate(self.month.days, start=1):
            self._day = day
            for arrival in arrivals:
                self._classify(arrival, stretch)
            self._review(chance)
            if self._day % self.month.every == 0 or self._day == len(self.month.days):
                stretch.day, stretch.labels = self._day, self.labels
                self.stretches.append(stretch)
                given = {name: self.looked_at[name] for name in self.month.new}
                print(f"  {self.line}: {stretch.told()} {given}", flush=True)
                stretch = Stretch(day=self._day)
                self._train()
        self.estimate = self._get("/review/stats")["accuracy"]

    @property
    def whole(self) -> Stretch:
        """All stretches as one."""
        total = Stretch(day=self._day, labels=self.labels)
        for one in self.stretches:
            for name in ("seen", "accepted", "wrong", "unknown", "caught"):
                setattr(total, name, getattr(total, name) + getattr(one, name))
        return total

    def told(self) -> dict[str, Any]:
        """The month's figures."""
        return self.whole.told() | {
            "found": self.found,
            "live": self.live,
            "foreign_looked_at": self.looked_at[FOREIGN],
            "estimate": self.estimate,
        }

    def _classify(self, arrival: Arrival, stretch: Stretch) -> None:
        data = saved_anew(arrival.path)
        # What is stored is found again by this hash, whatever the item is called.
        self._truth[canonical(data).sha256.hex()] = arrival.truth
        answer = self.client.post(f"/api/v1/lines/{self.line}/classify", files={"image": data})
        told = answer.raise_for_status().json()
        unknown = arrival.truth not in self.knows
        # Drawn for the control share is no merit: it would have been accepted.
        accepted = told["verdict"] == "accept" or told["reason"] == "sampled"
        stretch.seen += 1
        stretch.unknown += unknown
        stretch.caught += unknown and not accepted
        stretch.accepted += accepted
        stretch.wrong += accepted and told["class"] != arrival.truth

    def _review(self, chance: random.Random) -> None:
        """The person's day."""
        budget = self.month.budget
        if self.how != "queue":
            self._decide(self._chosen(chance)[:budget])
            return
        left = budget
        while left and (items := self._post("/review/lease", {"limit": 1})["items"]):
            self._decide(items)
            left -= 1
            left -= self._more_like(items[0], left)

    def _chosen(self, chance: random.Random) -> list[Item]:
        """All that waits, as somebody would go through it who does without the queue."""
        waiting: list[Item] = []
        cursor = None
        while True:
            page = self._get("/review", limit=200, **({"cursor": cursor} if cursor else {}))
            waiting += page["items"]
            if (cursor := page["next"]) is None:
                break
        if self.how == "random":
            return chance.sample(waiting, len(waiting))
        return sorted(waiting, key=lambda item: item["confidence"])

    def _more_like(self, item: Item, most: int) -> int:
        """How many more were looked at because they look like this one of a class that the model does not know.

        They are of the day's budget, whatever they turn out to be; of those that are of the class the search goes on.
        """
        name, asked, seen = self._truth[item["sha256"]], deque([item]), 0
        if name == FOREIGN or name in self.knows:
            return 0
        while asked and seen < most:
            found = self._get(f"/review/{asked.popleft()['id']}/similar", limit=_LOOKED_AT)["items"]
            alike = [one for one in found if one["similarity"] >= _ALIKE][: most - seen]
            self._decide(alike)
            seen += len(alike)
            asked += [one for one in alike if self._truth[one["sha256"]] == name]
        return seen

    def _decide(self, items: Sequence[Item]) -> None:
        """What the person says of them is the truth; a class that the line has not is made."""
        decisions = []
        for item in items:
            name = self._truth[item["sha256"]]
            label = {"action": "label", "class": name, "new_class": True}
            decisions.append(
                {"item": item["id"], "ms": 1500} | ({"action": "unusable"} if name == FOREIGN else label)
            )
            self.looked_at[name] += 1
            if name in self.month.new:
                self.found.setdefault(name, self._day)
        if decisions:
            told = self._post("/review/decide", {"decisions": decisions})
            assert not told["refused"], told["refused"][:3]
        self.labels += len(decisions)

    def _train(self) -> None:
        """What was labelled is in a version, and a probe trained on it serves, if it is good enough."""
        version = self.client.post(
            f"/api/v1/lines/{self.line}/versions", json={"from": "staged", "activate": True}
        )
        if version.status_code == 409:  # nothing changed
            return
        version.raise_for_status()
        # A class of thirty pictures beside some of three hundred: each class is to weigh the same.
        run = self._ended(self._post("/runs", {"method": "probe", "recipe": {"class_weights": "balanced"}}))
        assert run["state"] == "succeeded", run["error"]
        if not run["promote"]:
            self.kept.append(f"day {self._day}: {run['verdict']['text']}")
            print(f"  {self.line}: {self.kept[-1]}", flush=True)
            return
        self._serves(run["bundle"]["hash"])
        self.knows = {name for name, parts in run["data"]["classes"].items() if parts["train"]}
        for name in self.month.new:
            if name in self.knows and name not in self.live:
                self.live[name] = {
                    "day": self._day,
                    "of_class": self.looked_at[name],
                    "labels": self.labels,
                }
                print(f"  {self.line}: {name} is live: {self.live[name]}", flush=True)

    def _ended(self, run: dict[str, Any]) -> dict[str, Any]:
        begun = time.monotonic()
        while run["state"] not in ("succeeded", "failed", "cancelled"):
            assert time.monotonic() - begun < _PATIENCE_S, run
            time.sleep(0.2)
            run = self._get(f"/runs/{run['id']}")
        return run

    def _serves(self, bundle: str) -> None:
        """Until the server, which nobody restarts, answers by this bundle."""
        begun = time.monotonic()
        while (model := self._get("")["model"])["hash"] != bundle:
            assert time.monotonic() - begun < _PATIENCE_S, model
            time.sleep(0.1)

    def _post(self, path: str, document: object) -> Any:
        return self.client.post(f"/api/v1/lines/{self.line}{path}", json=document).raise_for_status().json()

    def _get(self, path: str, **parameters: Any) -> Any:
        return (
            self.client.get(f"/api/v1/lines/{self.line}{path}", params=parameters).raise_for_status().json()
        )
