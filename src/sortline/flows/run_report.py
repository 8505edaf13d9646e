"""The files of a finished run: its page, plots, figures and log."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from sortline.catalogue.version import Version
from sortline.engine.bundle import Bundle
from sortline.engine.thumbnail import thumbnail
from sortline.errors import SortlineError
from sortline.evaluation.compare import Comparison
from sortline.evaluation.gates import Verdict
from sortline.evaluation.report import Picture, report, run_plots
from sortline.flows.artefacts import as_json, epoch_files, rows_of
from sortline.flows.inferred import Pictures
from sortline.flows.runs import version_name
from sortline.lines.line import Line
from sortline.training.recipe import recipe_from, recipe_text
from sortline.training.run import EpochRow, Run

# Longest side in px of a mistake's picture.
_SHOWN = 256
_HASH = 64


@dataclass(frozen=True, slots=True)
class Told:
    """What a run's files are made of."""

    run: Run
    line: Line
    version: Version
    bundle: Bundle
    comparison: Comparison
    verdict: Verdict
    epochs: Sequence[EpochRow]


def run_files(told: Told, pictures: Pictures) -> dict[str, bytes]:
    """Every file by its name, but those that training itself leaves (weights, checkpoint)."""
    run, bundle, rows = told.run, told.bundle, rows_of(told.epochs)
    recipe = recipe_text(recipe_from(run.method, run.recipe))
    page = report(
        told.comparison,
        told.verdict,
        title=f"{told.line.title}: {bundle.manifest.name}",
        subtitle=f"{run.method} of version {version_name(told.version)}, asked for by {run.who} on "
        f"{run.created_at:%Y-%m-%d %H:%M} UTC{f': {run.note}' if run.note else ''}",
        pictures=_shown(told, pictures),
        epochs=rows,
        recipe=recipe,
        provenance={
            "run": run.id,
            "candidate": bundle.hash,
            "live": run.live_hash or "none",
            "version": version_name(told.version),
            "data": bundle.manifest.dataset.hash,
            "backbone": bundle.backbone,
            "licence of the data": bundle.manifest.licences.data,
            "licence of the weights": bundle.manifest.licences.weights,
        },
        detectors=bundle.manifest.ood_choice,
    )
    files = {
        "report.html": page.encode(),
        "config.toml": recipe.encode(),
        "comparison.json": as_json({"verdict": told.verdict.as_json(), **told.comparison.as_json()}),
        "metrics.json": as_json(bundle.manifest.metrics),
        "classes.txt": ("\n".join(bundle.manifest.classes) + "\n").encode(),
        "card.md": (bundle.folder / "card.md").read_bytes(),
        **epoch_files(told.epochs),
    }
    for name, plot in run_plots(told.comparison, rows).items():
        files |= {f"{name}.svg": plot.svg(), f"{name}.png": plot.png()}
    if "model_summary.txt" not in run.artefacts:
        files["model_summary.txt"] = _summary(bundle).encode()
    return files


def _shown(told: Told, pictures: Pictures) -> dict[str, Picture]:
    """The pictures of the mistakes, small; those of which only the embedding is known have none."""
    keys = [mistake.key for mistake in told.comparison.mistakes if len(mistake.key) == _HASH]
    records, found = pictures.records(keys), dict[str, Picture]()
    for key in keys:
        with suppress(SortlineError):
            small = thumbnail(pictures.bytes(records.get(key)), _SHOWN)
            found[key] = Picture(media_type="image/webp", data=small, name=key[:12])
    return found


def _summary(bundle: Bundle) -> str:
    """A bundle whose head alone was trained, in a few lines."""
    head = bundle.head()
    lines = [
        f"backbone    {bundle.backbone}",
        f"input       {bundle.manifest.preprocessing.size} px",
        f"classes     {len(bundle.manifest.classes)}",
        f"model.onnx  {bundle.model_path.stat().st_size:,} bytes",
    ]
    if head is not None:
        lines.append(
            f"head        {head.weight.shape[1]} → {head.weight.shape[0]}, {head.weight.size:,} weights"
        )
    return "\n".join(lines) + "\n"
