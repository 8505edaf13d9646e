"""A simulated month of review: two classes unknown at first, foreign objects among them, and a person with a budget.

    python benchmarks/review_month.py [--quick] [--cache DIR] [--strategies queue,random,uncertain]

RealWaste comes over the belt, day by day, and with it cats, dogs and clothes. The line begins with a network of frozen
ImageNet features, which saw none of these photos, and a head for seven classes that a few labelled photos gave it; two
classes it has never heard of. A reviewer who answers from the truth looks at so many pictures a day; each few days what
was labelled becomes a version, a probe is trained on it and, if it passes its gates, goes live. Everything happens over
HTTP, on a server and a worker started as a user starts them; nothing is restarted.

Told for each stretch, before what it taught: the share of accepted answers that were wrong, the share of unknown things
(foreign ones, and classes the live model does not know) that were set aside, and labels given so far. `queue` is the
queue's own order; `random` takes from what waits by lot; `uncertain` what the model is least sure of. The last line is
JSON: the last stretch's figures by strategy, when each new class went live (day), `labels`, `seconds`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from ood_pictures import DATA, Photos, embedded, files, imagenet_network, realwaste
from running_server import program, running_server, stop
from sortline.engine.bundle import Licences
from sortline.engine.canonical import canonical
from sortline.engine.heads import compose
from sortline.flows.networks import logits_of
from sortline.training.assemble import TRAIN, VALIDATION, Known, Network, Origin, draft_bundle, finish
from sortline.training.probe import fit_probe
from sortline.training.recipe import ProbeRecipe

NEW = ("Textile Trash", "Vegetation")
STRATEGIES = ("queue", "random", "uncertain")
FOREIGN = ""
# Of the seven known classes so many training photos are there from the beginning.
_FIRST = 100
_PATIENCE_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A picture on the belt, and what it shows; `FOREIGN` is no waste at all."""

    path: Path
    truth: str


@dataclass(slots=True)
class Stretch:
    """Some days between two models: what was accepted, how much of it wrongly; what was unknown, how much set aside."""

    day: int
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """What is fixed for all strategies: the stream by day, pictures a day for a person, days between models."""

    days: list[list[Arrival]]
    budget: int
    every: int


@dataclass(slots=True)
class Reviewer:
    """One strategy at work on one line."""

    client: httpx.Client
    line: str
    month: Month
    how: str
    knows: set[str]
    labels: int = 0
    stretches: list[Stretch] = field(default_factory=list)
    live: dict[str, int] = field(default_factory=dict)
    truth: dict[str, str] = field(default_factory=dict)
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    def run(self) -> None:
        """The month."""
        stretch = Stretch(day=0)
        for day, arrivals in enumerate(self.month.days, start=1):
            for arrival in arrivals:
                self._classify(arrival, stretch)
            self._review()
            if day % self.month.every == 0 or day == len(self.month.days):
                stretch.day, stretch.labels = day, self.labels
                self.stretches.append(stretch)
                print(f"  {self.how}: {stretch.told()}", flush=True)
                stretch = Stretch(day=day)
                self._train(day)

    def _classify(self, arrival: Arrival, stretch: Stretch) -> None:
        data = arrival.path.read_bytes()
        # What is stored is found again by this hash, whatever the item is called.
        self.truth[canonical(data).sha256.hex()] = arrival.truth
        answer = (
            self.client.post(f"/api/v1/lines/{self.line}/classify", files={"image": data})
            .raise_for_status()
            .json()
        )
        unknown = arrival.truth not in self.knows
        stretch.unknown += unknown
        # Drawn for the control share is no merit: it would have been accepted.
        accepted = answer["verdict"] == "accept" or answer["reason"] == "sampled"
        stretch.caught += unknown and not accepted
        stretch.accepted += accepted
        stretch.wrong += accepted and answer["class"] != arrival.truth

    def _review(self) -> None:
        items = self._chosen()
        decisions = [
            {"item": item["id"], "action": "unusable", "ms": 1500}
            if self.truth[item["sha256"]] == FOREIGN
            else {
                "item": item["id"],
                "action": "label",
                "class": self.truth[item["sha256"]],
                "new_class": True,
                "ms": 1500,
            }
            for item in items
        ]
        told = self._post("/review/decide", {"decisions": decisions})
        assert not told["refused"], told["refused"][:3]
        self.labels += len(decisions)

    def _chosen(self) -> list[dict[str, Any]]:
        """What the person looks at today."""
        budget = self.month.budget
        if self.how == "queue":
            found: list[dict[str, Any]] = self._post("/review/lease", {"limit": budget})["items"]
            return found
        waiting: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = self._get("/review", limit=500, **({"cursor": cursor} if cursor else {}))
            waiting += page["items"]
            if (cursor := page["next"]) is None:
                break
        if self.how == "random":
            return self.chance.sample(waiting, min(budget, len(waiting)))
        return sorted(waiting, key=lambda item: item["confidence"])[:budget]

    def _train(self, day: int) -> None:
        """What was labelled is in a version, and a model trained on it serves, if it is good enough."""
        version = self.client.post(
            f"/api/v1/lines/{self.line}/versions", json={"from": "staged", "activate": True}
        )
        if version.status_code == 409:  # nothing changed
            return
        version.raise_for_status()
        run = self._post("/runs", {"method": "probe"})
        begun = time.monotonic()
        while run["state"] not in ("succeeded", "failed", "cancelled"):
            assert time.monotonic() - begun < _PATIENCE_S, run
            time.sleep(0.5)
            run = self._get(f"/runs/{run['id']}")
        if run["state"] != "succeeded":
            print(f"  {self.how}: day {day}: the run {run['state']}", flush=True)
            return
        time.sleep(2)  # by then it serves, where it does
        bundle = self.client.get(f"/api/v1/lines/{self.line}").raise_for_status().json()["model"]["hash"]
        verdict = "" if run["verdict"] is None else run["verdict"]["text"]
        if run["bundle"] is None or bundle != run["bundle"]["hash"]:
            print(f"  {self.how}: day {day}: not promoted: {verdict}", flush=True)
        else:
            self.knows = set(run["bundle"].get("classes") or self._classes())
            for name in NEW:
                if name in self.knows:
                    self.live.setdefault(name, day)

    def _classes(self) -> list[str]:
        """What the live model can answer: an answer has a probability for each."""
        data = self.month.days[0][0].path.read_bytes()
        answer = self.client.post(f"/api/v1/lines/{self.line}/classify", files={"image": data})
        return list(answer.raise_for_status().json()["probabilities"])

    def _post(self, path: str, document: object) -> Any:
        return self.client.post(f"/api/v1/lines/{self.line}{path}", json=document).raise_for_status().json()

    def _get(self, path: str, **parameters: Any) -> Any:
        return (
            self.client.get(f"/api/v1/lines/{self.line}{path}", params=parameters).raise_for_status().json()
        )


def main() -> None:
    """The month for each strategy, a table, and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="six days of fewer pictures")
    parser.add_argument("--cache", type=Path, default=None)
    parser.add_argument("--strategies", default=",".join(STRATEGIES))
    given = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        cache = given.cache or folder
        cache.mkdir(parents=True, exist_ok=True)
        photos = realwaste()
        first = starting(photos)
        bundle = made_bundle(photos, first, cache, folder / "bundle")
        month = belt(photos, first, quick=given.quick)
        subprocess.run(
            [*program(), "bundles", "import", str(bundle), "--data-dir", str(folder / "data")], check=True
        )
        done = [
            reviewed(folder, month, how, [name for name in photos.classes if name not in NEW])
            for how in given.strategies.split(",")
        ]
    print("| strategy | day | labels | accepted error | unknown recall |\n|---|---:|---:|---:|---:|")
    for one in done:
        for told in (stretch.told() for stretch in one.stretches):
            error, recall = told["accepted_error"], told["unknown_recall"]
            print(f"| {one.how} | {told['day']} | {told['labels']} | {error:.1%} | {recall:.1%} |")
    results: dict[str, Any] = {one.how: one.stretches[-1].told() | {"live": one.live} for one in done}
    n = sum(map(len, month.days))
    print(json.dumps(results | {"n": n, "seconds": round(time.monotonic() - begun, 1), "database": "sqlite"}))


def starting(photos: Photos) -> list[int]:
    """Indices of what the first model is made from: some photos of each known class, and all their test photos."""
    found: list[int] = []
    for label, name in enumerate(photos.classes):
        if name in NEW:
            continue
        for part, most in ((TRAIN, _FIRST), (VALIDATION, _FIRST), (2, 10_000)):
            found += np.flatnonzero((photos.labels == label) & (photos.parts == part))[:most].tolist()
    return found


def belt(photos: Photos, first: Sequence[int], *, quick: bool) -> Month:
    """The rest of the photos in a random order, a tenth of what comes being foreign."""
    chance = random.Random(20261127)
    rest = [
        Arrival(path=photos.paths[place], truth=photos.classes[photos.labels[place]])
        for place in sorted(set(range(len(photos.paths))) - set(first))
    ]
    chance.shuffle(rest)
    days, each = (6, 40) if quick else (30, 70)
    rest = rest[: days * each]
    animals = sorted((DATA / "cats-vs-dogs").glob("*/*/*.jpg"))
    rest += [Arrival(path=path, truth=FOREIGN) for path in chance.sample(animals, len(rest) // 10)]
    chance.shuffle(rest)
    return Month(days=[rest[day::days] for day in range(days)], budget=20, every=2 if quick else 5)


def made_bundle(photos: Photos, first: Sequence[int], cache: Path, folder: Path) -> Path:
    """A bundle of frozen ImageNet features under a head for the known classes."""
    network, how = imagenet_network(cache)
    paths = [photos.paths[place] for place in first]
    embeddings = embedded(network, files(paths, how), cache, "month-first")
    classes = tuple(name for name in photos.classes if name not in NEW)
    labels = np.array([classes.index(photos.classes[photos.labels[place]]) for place in first])
    prefixes = [hashlib.sha256(canonical(path.read_bytes()).data).digest()[:8] for path in paths]
    known = Known(
        classes=classes,
        labels=labels,
        splits=photos.parts[list(first)],
        prefixes=np.array([int.from_bytes(one, "big") for one in prefixes], np.uint64),
        logits=np.zeros((len(first), len(classes)), np.float32),
        embeddings=embeddings,
    )
    probe = fit_probe(
        known.of(TRAIN), known.of(VALIDATION), classes=len(classes), strengths=ProbeRecipe().strengths
    )
    known = Known(
        **{name: getattr(known, name) for name in ("classes", "labels", "splits", "prefixes", "embeddings")},
        logits=logits_of(probe.head, embeddings),
    )
    licences = Licences(data="RealWaste, CC BY-NC-SA 4.0", weights="ImageNet MobileNetV2, Apache-2.0")
    draft = draft_bundle(
        Network(
            model=compose((cache / "imagenet.onnx").read_bytes(), probe.head),
            head=probe.head,
            preprocessing=how,
        ),
        known,
        Origin(name="seven-classes", version="the first day", recipe={}, licences=licences),
    )
    finish(draft, {}, "# Seven classes\nFrozen ImageNet features.\n", folder)
    return folder


def reviewed(folder: Path, month: Month, how: str, known: Sequence[str]) -> Reviewer:
    """One strategy's month, on a line of its own."""
    print(f"{how}: {sum(map(len, month.days))} pictures in {len(month.days)} days", flush=True)
    data_dir, log = folder / "data", folder / "server.log"
    with (
        running_server(data_dir, log=log) as server,
        _worker(data_dir, folder / "worker.log"),
        httpx.Client(base_url=server.url, timeout=120) as client,
    ):
        line = {"name": f"month-{how}", "bundle": "seven-classes"}
        client.post("/api/v1/lines", json=line).raise_for_status()
        client.patch(f"/api/v1/lines/{line['name']}", json={"auto_promote": True}).raise_for_status()
        reviewer = Reviewer(client=client, line=line["name"], month=month, how=how, knows=set(known))
        reviewer.run()
    return reviewer


@contextmanager
def _worker(data_dir: Path, log: Path) -> Iterator[None]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*program(), "worker", "--data-dir", str(data_dir)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "PORT")},
        )
    try:
        yield
    finally:
        stop(process)


if __name__ == "__main__":
    main()
