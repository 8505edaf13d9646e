"""What a probe and a fine-tune reach on five public data sets: the table in docs/results.md.

    python benchmarks/results.py --data-dir DIR [--sets realwaste,trashnet,…] [--methods probe,finetune]

Each set is imported into a line of its own in the installation under --data-dir, and each method trains once on it by
its recipe in benchmarks/recipes; what is there already is not done again, so that the table can be filled in turns. The
figures are those of the runs' comparisons: on the frozen test part, without pictures that either bundle was trained on.
It takes an hour or two on two cores. The last line is JSON: accuracies by set and method.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from photos import DEFAULT_FOLDER
from sortline.catalogue.importing import Options
from sortline.catalogue.sources.source import open_source
from sortline.catalogue.store.versions import active_version
from sortline.db.session import reading, writing
from sortline.flows import runs
from sortline.flows.finish import finish_import
from sortline.flows.ingest import run_import, start_import
from sortline.jobs.job import State
from sortline.jobs.store import get_job
from sortline.jobs.worker import run_jobs
from sortline.lines.line import Line
from sortline.lines.store import create_line, list_lines
from sortline.settings import Settings
from sortline.training.recipe import METHODS, Method, ProbeRecipe, read_recipe
from sortline.wiring import Installation, import_tools, installation, job_kinds

DATA = Path(os.environ.get("SORTLINE_TEST_DATA", DEFAULT_FOLDER))
RECIPES = Path(__file__).parent / "recipes"
FASHION = "T-shirt,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Set:
    """A data set: what it is called in the table, its line, where it lies, how it is imported."""

    title: str
    line: str
    folder: str
    options: Mapping[str, Any]


SETS = {
    # The line of the packaged bundle, which was trained on this set's training part.
    "realwaste": Set(title="RealWaste, 9 classes", line="waste", folder="realwaste", options={}),
    "trashnet": Set(title="TrashNet, 6 classes", line="trashnet", folder="trashnet", options={}),
    "fashion-mnist": Set(
        title="Fashion-MNIST, 10 classes",
        line="fashion",
        folder="fashion-mnist",
        options={"labels": tuple(FASHION.split(","))},
    ),
    "cats-vs-dogs": Set(title="Cats and dogs", line="cats-dogs", folder="cats-vs-dogs", options={}),
    "coco-dry-wet": Set(title="COCO dry and wet", line="dry-wet", folder="coco-dry-wet", options={}),
}


def main() -> None:
    """Do what is missing, print the table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--methods", default=",".join(METHODS))
    given = parser.parse_args()
    with installation(Settings(data_dir=given.data_dir)) as ready:
        rows = [
            row
            for name in given.sets.split(",")
            for method in METHODS
            if method in given.methods.split(",")
            for row in [measured(ready, name, method)]
        ]
    print("| data | pictures | method | accuracy on test | macro F1 | minutes | verdict |")
    print("|---|---:|---|---|---:|---:|---|")
    for row in rows:
        print(
            f"| {row['title']} | {row['pictures']:,} | {row['method']} | {row['value']:.2%} "
            f"({row['low']:.1%} to {row['high']:.1%}, {row['total']:,}) | {row['macro_f1']:.3f} | "
            f"{row['minutes']:.1f} | {row['verdict']} |"
        )
    print(json.dumps({f"{row['set']}_{row['method']}": row["value"] for row in rows}))


def measured(ready: Installation, name: str, method: Method) -> dict[str, Any]:
    """A row of the table: of a run there is, or of one done now."""
    chosen = SETS[name]
    line = filled(ready, chosen)
    state = finished(ready, line, method) or trained(ready, line, name, method)
    comparison = state.run.comparison or {}
    figures = (comparison["all"] or comparison["shared"])["candidate"]
    took = (state.job.finished_at or state.run.created_at) - (state.job.started_at or state.run.created_at)
    return {
        "set": name,
        "title": chosen.title,
        "method": method,
        "pictures": sum(state.run.data["pictures"].values()),
        **{key: figures["accuracy"][key] for key in ("value", "low", "high", "total")},
        "macro_f1": figures["macro_f1"],
        "minutes": took.total_seconds() / 60,
        "verdict": "promote" if state.run.promote else "keep",
    }


def filled(ready: Installation, chosen: Set) -> Line:
    """The set's line, with the set as its active version."""
    with writing(ready.engine) as session:
        lines = {line.name: line for line in list_lines(session)}
        line = lines.get(chosen.line) or create_line(session, chosen.line, title=chosen.title)
        if active_version(session, line.id) is not None:
            return line
    print(f"importing {chosen.folder}", flush=True)
    folder = str(DATA / chosen.folder)
    with open_source(folder) as source, writing(ready.engine) as session:
        begun = start_import(session, line.id, source, Options(**chosen.options), who="benchmark")
    run_import(import_tools(ready), begun.id, finish=finish_import)
    return line


def finished(ready: Installation, line: Line, method: Method) -> runs.RunState | None:
    """The line's newest run of the method that came to its end."""
    with reading(ready.engine) as session:
        found = runs.list_runs(session, line.id, limit=100).items
    return next((one for one in found if one.run.method == method and one.job.state is State.SUCCEEDED), None)


def trained(ready: Installation, line: Line, name: str, method: Method) -> runs.RunState:
    """A run of the set's recipe, done by this process.

    Raises:
        SystemExit: it failed.
    """
    file = RECIPES / f"{name}.toml"
    recipe = read_recipe(file.read_text(), method) if method == "finetune" else ProbeRecipe()
    wanted = runs.Wanted(method=method, recipe=recipe, note=f"benchmarks/results.py {name}")
    with writing(ready.engine) as session:
        # Done once, however often this program is stopped.
        key = f"{name} {method} {json.dumps(asdict(recipe), sort_keys=True, default=list)}"
        begun = runs.start_run(session, line, wanted, who="benchmark", key=str(hash_of(key)))
    print(f"{method} of {line.name}", flush=True)
    work_until_ended(ready, begun.job.id)
    with reading(ready.engine) as session:
        ended = runs.get_run(session, line.id, begun.run.id)
    if ended.job.state is not State.SUCCEEDED:
        raise SystemExit(f"{method} of {name} {ended.job.state}: {ended.job.error}")
    return ended


def work_until_ended(ready: Installation, job_id: str) -> None:
    """Does jobs in this process until that one has ended."""
    stop = threading.Event()

    def watch() -> None:
        ended, told = False, ""
        while not ended:
            time.sleep(1)
            with reading(ready.engine) as session:
                job = get_job(session, job_id)
            ended = job.ended
            words = f"  {job.progress.get('phase')} {job.progress.get('epoch') or ''}".rstrip()
            if words != told:
                print(words, flush=True)
                told = words
        stop.set()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    run_jobs(ready.engine, job_kinds(ready), {}, stop)


def hash_of(text: str) -> str:
    """A short name for a text, the same in every process."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


if __name__ == "__main__":
    main()
