"""A simulated month of review: two classes unknown at first, foreign objects among them, and a person with a budget.

    python benchmarks/review_month.py [--quick] [--cache DIR] [--strategies queue,random,uncertain] [--seeds N]
                                      [--chart FILE]

RealWaste comes over the belt, day by day, and with it cats and dogs. The line begins with frozen ImageNet features,
which saw none of these photos, and a head for seven classes; two others it has never heard of. A reviewer who answers
from the truth looks at so many pictures a day; every few days what was labelled becomes a version, a probe is trained
on it and, if it passes its gates, goes live. Everything happens over HTTP, on one server and one worker, started as a
user starts them; nothing is restarted.

Told for each stretch, before what it taught: the share of accepted answers that were wrong, the share of unknown things
(foreign ones, and classes the live model does not know) that were set aside, and labels given so far. `queue` is the
queue's own order, and a look at what is similar once a new class is named; `random` takes from what waits by lot;
`uncertain` what the model is least sure of. The last line is JSON: by strategy the whole month's figures of each seed,
`n` (pictures), `labels`, `seconds`.
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
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from month_chart import write_chart
from month_reviewer import FOREIGN, Arrival, Month, Reviewer, Stretch
from ood_pictures import DATA, Photos, embedded, files, imagenet_network, realwaste
from running_server import program, running_server, stop
from sortline.engine.bundle import Licences
from sortline.engine.canonical import canonical
from sortline.engine.heads import compose
from sortline.flows.networks import logits_of
from sortline.training.assemble import TRAIN, VALIDATION, Known, Network, Origin, draft_bundle, finish
from sortline.training.corruptions import PICTURES
from sortline.training.ood_choice import Beforehand, outliers_of
from sortline.training.probe import fit_probe
from sortline.training.recipe import ProbeRecipe

NEW = ("Textile Trash", "Vegetation")
STRATEGIES = ("queue", "random", "uncertain")
# Of each known class's training photos the line begins with this share; the others come over the belt.
_FIRST = 0.6
# Photos of each new class on the belt, and foreign pictures beside all others.
_OF_NEW, _FOREIGN_SHARE = 150, 0.1
# Of what is accepted so much is drawn for the control share.
_SAMPLED = 0.03


def main() -> None:
    """The month for each seed and strategy, tables, and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="twelve days, and twice the labels a day")
    parser.add_argument("--cache", type=Path, default=None)
    parser.add_argument("--strategies", default=",".join(STRATEGIES))
    parser.add_argument("--seeds", type=int, default=1, help="months, each with another stream")
    parser.add_argument("--chart", type=Path, default=None, help="where the curves are drawn, an SVG")
    given = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        cache = given.cache or folder
        cache.mkdir(parents=True, exist_ok=True)
        photos = realwaste()
        first = starting(photos)
        bundle = made_bundle(photos, first, cache, folder / "bundle")
        subprocess.run(
            [*program(), "bundles", "import", str(bundle), "--data-dir", str(folder / "data")], check=True
        )
        months = [belt(photos, first, seed, quick=given.quick) for seed in range(given.seeds)]
        done = reviewed(folder, months, given.strategies.split(","), photos)
    told = {how: together(found) for how, found in done.items()}
    print_curves(told)
    print_classes(done)
    if given.chart is not None:
        panels = {
            "accepted answers that are wrong": _curves(told, "accepted_error"),
            "unknown things set aside": _curves(told, "unknown_recall"),
        }
        write_chart(
            given.chart, panels, "A simulated month of review: three ways to choose what a person sees"
        )
    results: dict[str, Any] = {how: [one.told() for one in found] for how, found in done.items()}
    counts = {
        "n": sum(map(len, months[0].days)),
        "labels": max(one.labels for found in done.values() for one in found),
    }
    seconds = round(time.monotonic() - begun, 1)
    print(json.dumps(results | counts | {"seconds": seconds, "database": "sqlite"}))


def starting(photos: Photos) -> list[int]:
    """Indices of what the first model is made from: of each known class some training photos, all validation and test
    photos. Those come in the order of their numbers, so that photos of one object mostly stay together.
    """
    found: list[int] = []
    for label, name in enumerate(photos.classes):
        if name not in NEW:
            for part in range(3):
                of_part = np.flatnonzero((photos.labels == label) & (photos.parts == part))
                share = _FIRST if part == TRAIN else 1.0
                found += of_part[: round(share * len(of_part))].tolist()
    return found


def belt(photos: Photos, first: Sequence[int], seed: int, *, quick: bool) -> Month:
    """The other photos of the known classes, some of the new ones and some foreign, in a random order."""
    chance = random.Random(20261127 + seed)
    used = set(first)
    chosen: list[int] = []
    for label, name in enumerate(photos.classes):
        rest = [place for place in np.flatnonzero(photos.labels == label).tolist() if place not in used]
        chosen += chance.sample(rest, _OF_NEW) if name in NEW else rest
    pictures = [
        Arrival(path=photos.paths[place], truth=photos.classes[photos.labels[place]]) for place in chosen
    ]
    animals = sorted((DATA / "cats-vs-dogs").glob("*/*/*.jpg"))
    strange = chance.sample(animals, round(_FOREIGN_SHARE * len(pictures)))
    pictures += [Arrival(path=path, truth=FOREIGN) for path in strange]
    chance.shuffle(pictures)
    days = [pictures[day::30] for day in range(30)]
    return Month(
        days=days[:12] if quick else days,
        budget=20 if quick else 10,
        every=4 if quick else 3,
        new=NEW,
        seed=seed,
    )


def made_bundle(photos: Photos, first: Sequence[int], cache: Path, folder: Path) -> Path:
    """A bundle of frozen ImageNet features under a head for the known classes."""
    network, how = imagenet_network(cache)
    paths = [photos.paths[place] for place in first]
    embeddings = embedded(network, files(paths, how), cache, "month-begin")
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
    pixels = [one() for one in files(_spread(paths, known.splits), how)]
    draft = draft_bundle(
        Network(
            model=compose((cache / "imagenet.onnx").read_bytes(), probe.head),
            head=probe.head,
            preprocessing=how,
        ),
        known,
        Origin(name="seven-classes", version="the first day", recipe={}, licences=licences),
        Beforehand(outliers=outliers_of(network, np.stack(pixels))),
    )
    finish(draft, {}, "# Seven classes\nFrozen ImageNet features.\n", folder)
    return folder


def _spread(paths: Sequence[Path], parts: np.ndarray) -> list[Path]:
    """Some validation photos, of all classes: detectors are tried on these, corrupted."""
    rows = np.flatnonzero(parts == VALIDATION)
    return [paths[row] for row in rows[np.linspace(0, len(rows) - 1, PICTURES).astype(int)]]


def reviewed(
    folder: Path, months: Sequence[Month], strategies: Sequence[str], photos: Photos
) -> dict[str, list[Reviewer]]:
    """By strategy its months, each on a line of its own."""
    known = {name for name in photos.classes if name not in NEW}
    done: dict[str, list[Reviewer]] = {how: [] for how in strategies}
    data_dir = folder / "data"
    with (
        running_server(data_dir, log=folder / "server.log") as server,
        _worker(data_dir, folder / "worker.log"),
        httpx.Client(base_url=server.url, timeout=300) as client,
    ):
        for month in months:
            for how in strategies:
                line = f"{how}-{month.seed + 1}"
                print(f"{line}: {sum(map(len, month.days))} pictures in {len(month.days)} days", flush=True)
                made = {"name": line, "bundle": "seven-classes", "policy": {"sample_share": _SAMPLED}}
                client.post("/api/v1/lines", json=made).raise_for_status()
                client.patch(f"/api/v1/lines/{line}", json={"auto_promote": True}).raise_for_status()
                reviewer = Reviewer(client=client, line=line, month=month, how=how, knows=set(known))
                reviewer.run()
                done[how].append(reviewer)
    return done


def together(found: Sequence[Reviewer]) -> list[Stretch]:
    """The stretches of several months as one."""
    total = []
    for rows in zip(*(one.stretches for one in found), strict=True):
        row = Stretch(day=rows[0].day, labels=rows[0].labels)
        for name in ("seen", "accepted", "wrong", "unknown", "caught"):
            setattr(row, name, sum(getattr(one, name) for one in rows))
        total.append(row)
    return total


def print_curves(told: dict[str, list[Stretch]]) -> None:
    """Accepted error and unknown recall by stretch."""
    names = list(told)
    print(f"\n| day | labels | {' | '.join(f'wrong of accepted: {name}' for name in names)} | ", end="")
    print(f"{' | '.join(f'unknown set aside: {name}' for name in names)} |")
    print(f"|---|---|{'---:|' * (2 * len(names))}")
    for rows in zip(*told.values(), strict=True):
        shown = [row.told() for row in rows]
        cells = [f"{one[key]:.1%}" for key in ("accepted_error", "unknown_recall") for one in shown]
        print(f"| {rows[0].day} | {rows[0].labels} | {' | '.join(cells)} |")


def print_classes(done: dict[str, list[Reviewer]]) -> None:
    """When each new class was named and went live, and what the month came to."""
    print("\n| | month | wrong of accepted | unknown set aside | foreign looked at | ", end="")
    print(f"{' | '.join(f'{name}: named, live (labels of it)' for name in NEW)} | accuracy told, true |")
    print(f"|---|---|---:|---:|---:|{'---|' * len(NEW)}---|")
    for how, found in done.items():
        for one in found:
            whole, told = one.whole, one.estimate
            days = [
                f"{one.found.get(name, '-')}, "
                + (f"{live['day']} ({live['of_class']})" if (live := one.live.get(name)) else "-")
                for name in NEW
            ]
            guess = f"{told['value']:.0%} ({told['low']:.0%} to {told['high']:.0%})" if told else "-"
            print(
                f"| {how} | {one.month.seed + 1} | {whole.told()['accepted_error']:.1%} | "
                f"{whole.told()['unknown_recall']:.1%} | {one.looked_at[FOREIGN]} | {' | '.join(days)} | "
                f"{guess}, {1 - whole.told()['accepted_error']:.0%} |"
            )


def _curves(told: dict[str, list[Stretch]], key: str) -> dict[str, list[tuple[int, float]]]:
    return {how: [(row.day, row.told()[key]) for row in rows] for how, rows in told.items()}


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
