"""A fine-tune's candidate: every layer trained on the version's pictures; a worker that dies loses an epoch at most.

photos       decoded once, into the run's folder
epochs       each leaves a checkpoint; it is a blob before the epoch is noted, so whichever worker takes the run up,
             on whichever machine, goes on behind the last epoch noted
network      exported, held against PyTorch, asked about every picture
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import Engine

from sortline.db.session import reading, writing
from sortline.engine.bundle import Licences, backbone_of
from sortline.engine.image import Preprocessing
from sortline.engine.onnx_runtime import OnnxRuntime
from sortline.evaluation.checks import Parity
from sortline.flows.artefacts import MEDIA_TYPES
from sortline.flows.candidates import Made, known_of
from sortline.flows.compared import Asker, Said
from sortline.flows.embeddings import Backbone, Embedder
from sortline.flows.inferred import Pictures as Source
from sortline.flows.inferred import chunks
from sortline.flows.networks import Served, logits_of
from sortline.flows.scratch import CHECKPOINT
from sortline.flows.training_data import PART_NAMES, Pictures, TrainingData, without
from sortline.jobs.context import Context
from sortline.storage.blobs import Blobs
from sortline.storage.errors import UnknownBlob
from sortline.training.assemble import TEST, TRAIN, VALIDATION, Network
from sortline.training.corruptions import PICTURES
from sortline.training.extra import TrainingExtraMissing
from sortline.training.ood_choice import Beforehand, Outliers, outliers_of
from sortline.training.recipe import FinetuneRecipe, follow_live
from sortline.training.run import Artefact, Run
from sortline.training.store import runs as store

if TYPE_CHECKING:
    from sortline.training.dataset import Photos
    from sortline.training.finetune import Outcome
    from sortline.training.moments import Moment

_RECORDS = 200
# Test photos on which PyTorch and ONNX Runtime are held against each other, and the largest difference of a logit:
# folding batch normalisation into the convolutions rounds anew, by up to 1e-3 in networks of a hundred layers.
_PARITY_PHOTOS, _PARITY_ALLOWED = 32, 1e-2


def made_by_finetune(
    ask: Asker,
    data: TrainingData,
    base: Served,
    recipe: FinetuneRecipe,
    *,
    run: Run,
    work: Path,
    context: Context,
    line: str,
) -> Made:
    """A network of the recipe's kind, trained on the data's pictures; `base` gives the weights where they are `live`.

    Raises:
        TrainingExtraMissing: PyTorch is not installed.
        NothingToTrain: too few pictures can still be read.
        SortlineError: the recipe cannot be followed; see `training.finetune`.
    """
    try:
        from sortline.training import backbones, export, weights
        from sortline.training.finetune import finetune
    except ModuleNotFoundError as error:
        raise TrainingExtraMissing from error
    if recipe.weights == "live":
        manifest = base.bundle.manifest
        recipe = follow_live(recipe, manifest.recipe, manifest.preprocessing)
    recipe = backbones.resolve(recipe)
    keeper = _Keeper(ask.engine, ask.blobs, run, work, context)
    start = base.bundle.model_path if recipe.weights == "live" else None
    if not keeper.begun:
        weights.check_start(recipe, len(data.classes), start)
    data = _readable(ask, data, context)
    photos = {part: _photos(ask, data, part, recipe, run, keeper) for part in (TRAIN, VALIDATION)}
    keeper.fetch()
    outcome = finetune(
        photos[TRAIN],
        photos[VALIDATION],
        classes=len(data.classes),
        recipe=recipe,
        weights=start,
        work=work,
        observe=keeper,
    )
    context.progress(phase="export")
    how = outcome.recipe.preprocessing()
    network = Network(
        model=export.to_onnx(outcome.network, outcome.recipe),
        head=export.linear_head(outcome.network),
        preprocessing=how,
    )
    parity = _parity(ask, data, outcome, network.model, how)
    keeper.files()
    context.progress(phase="embeddings")
    said = _said(ask, data, network, context)
    context.check()
    return Made(
        network=network,
        data=data,
        known=known_of(data, said, np.zeros((0, len(data.classes)), np.float32)),
        licences=_licences(recipe, base, line),
        summary=f"{recipe.backbone}, every layer trained on the pictures of line {line}.",
        weights=_weights(recipe, base),
        command=f"sortline train --line {line} --method finetune",
        epochs=_told(outcome),
        seconds=60 * outcome.epochs[-1].total_minutes,
        parity=parity,
        before=Beforehand(outliers=_corrupted(ask, data, network.model, how)),
        figures={"epochs": len(outcome.epochs), "best_epoch": asdict(outcome.best)},
        recipe=asdict(outcome.recipe),
    )


@dataclass(frozen=True)
class _Keeper:
    """Hears of every batch and epoch of a run, and keeps what must outlive this worker."""

    engine: Engine
    blobs: Blobs
    run: Run
    work: Path
    context: Context

    def __call__(self, moment: Moment) -> None:
        """The job's progress; an epoch that ended is kept, then noted. Raises where the run is to end."""
        self.context.check()
        told = moment.log[-1] if moment.log else None
        self.context.progress(
            phase=moment.phase,
            done=moment.batch,
            total=moment.batches,
            epoch=moment.epoch,
            epochs=moment.epochs,
            eta_s=None if moment.eta_seconds is None else round(moment.eta_seconds, 1),
            images_per_second=None
            if moment.images_per_second is None
            else round(moment.images_per_second, 1),
            train_loss=None if moment.train_loss is None else round(moment.train_loss, 4),
            validation_accuracy=told.validation_accuracy if told else None,
        )
        if moment.ended:
            self._keep(moment)

    @property
    def begun(self) -> bool:
        """Whether there is a checkpoint to go on from: then what it started from is needed no more."""
        with reading(self.engine) as session:
            return CHECKPOINT in store.get_run(session, self.run.id).artefacts

    def fetch(self) -> None:
        """The newest checkpoint lies in the work folder: what this worker left there, or another's from its blob."""
        with reading(self.engine) as session:
            kept = store.get_run(session, self.run.id).artefacts.get(CHECKPOINT)
        if kept is None or (self._note.exists() and self._note.read_text() == kept.sha256):
            return
        self.work.mkdir(parents=True, exist_ok=True)
        with suppress(UnknownBlob):
            (self.work / CHECKPOINT).write_bytes(self.blobs.get(kept.sha256))
            self._note.write_text(kept.sha256)

    def files(self) -> None:
        """The weights and the summary that training left are the run's; its checkpoint is needed no more."""
        files: dict[str, Artefact] = {}
        for name in ("best.safetensors", "last.safetensors", "model_summary.txt"):
            if (self.work / name).is_file():
                files[name] = self._put(name)
        with writing(self.engine) as session:
            store.set_artefacts(session, self.run.id, files)

    def _keep(self, moment: Moment) -> None:
        checkpoint = self._put(CHECKPOINT)
        with writing(self.engine) as session:
            before = store.get_run(session, self.run.id).artefacts.get(CHECKPOINT)
            noted = {row.number for row in store.list_epochs(session, self.run.id)}
            for epoch in moment.log:
                if epoch.epoch not in noted:
                    worker = self.context.job.worker or ""
                    store.add_epoch(session, self.run.id, epoch.epoch, asdict(epoch), worker)
            store.set_artefacts(session, self.run.id, {CHECKPOINT: checkpoint})
        self._note.write_text(checkpoint.sha256)
        if before is not None and before.sha256 != checkpoint.sha256:
            self.blobs.delete(before.sha256)
        last = moment.log[-1]
        accuracy = "-" if last.validation_accuracy is None else f"{last.validation_accuracy:.1%}"
        self.context.log(
            f"epoch {last.epoch} of {moment.epochs}: loss {last.train_loss:.3f}, validation {accuracy}, "
            f"{last.images_per_second:.0f} pictures a second"
        )

    def _put(self, name: str) -> Artefact:
        content = (self.work / name).read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        self.blobs.put_many([(sha256, content)])
        return Artefact(sha256=sha256, bytes=len(content), media_type=MEDIA_TYPES[Path(name).suffix])

    @property
    def _note(self) -> Path:
        """Which checkpoint blob the work folder's own goes on from."""
        return self.work / "checkpoint.sha256"


def _readable(ask: Asker, data: TrainingData, context: Context) -> TrainingData:
    """The data without pictures whose bytes are gone: found before an hour of training, not after."""
    source, gone = Source(engine=ask.engine, blobs=ask.blobs), list[str]()
    for chunk in chunks(data.pictures.hashes, _RECORDS):
        context.check()
        records = source.records(chunk)
        gone += [one for one in chunk if one not in records or records[one].erased_at is not None]
    return without(data, gone) if gone else data


def _photos(
    ask: Asker, data: TrainingData, part: int, recipe: FinetuneRecipe, run: Run, keeper: _Keeper
) -> Photos:
    from sortline.training.dataset import keep_photos

    chosen = data.pictures.take(np.flatnonzero(data.pictures.parts == part).tolist())
    how = recipe.preprocessing()
    if part == TRAIN and recipe.photo_size:
        how = Preprocessing(size=recipe.photo_size, resize=how.resize, mean=how.mean, std=how.std)
    return keep_photos(
        _pairs(ask, chosen, data),
        len(chosen),
        how,
        folder=keeper.work,
        name=PART_NAMES[part],
        key=hashlib.sha256("".join(chosen.hashes).encode()).hexdigest(),
        observe=keeper,
    )


def _pairs(ask: Asker, chosen: Pictures, data: TrainingData) -> Iterator[tuple[bytes, int]]:
    source, labels = Source(engine=ask.engine, blobs=ask.blobs), data.index(chosen.labels).tolist()
    place = 0
    for chunk in chunks(chosen.hashes, _RECORDS):
        records = source.records(chunk)
        for sha256 in chunk:
            yield source.bytes(records.get(sha256)), labels[place]
            place += 1


def _parity(ask: Asker, data: TrainingData, outcome: Outcome, model: bytes, how: Preprocessing) -> Parity:
    from sortline.training.export import parity

    order = np.argsort(data.pictures.parts != TEST, kind="stable")[:_PARITY_PHOTOS]
    source = Source(engine=ask.engine, blobs=ask.blobs)
    pixels = source.pixels([data.pictures.hashes[row] for row in order], how)
    found = parity(outcome.network, model, pixels, outcome.recipe)
    return Parity(
        between="PyTorch and ONNX Runtime",
        images=found.photos,
        largest_difference=found.largest_logit_difference,
        allowed=_PARITY_ALLOWED,
        equal_answers=found.equal_answers,
    )


def _said(ask: Asker, data: TrainingData, network: Network, context: Context) -> Said:
    """What the network says of every picture; the embeddings are kept for the runs that come after."""
    if network.head is None:
        raise ValueError("a network without a linear head")
    backbone = Backbone(
        hash=backbone_of(hashlib.sha256(network.model).hexdigest(), network.preprocessing),
        runtime=OnnxRuntime(network.model),
        preprocessing=network.preprocessing,
    )
    tell: Callable[[int, int], object] = lambda done, total: context.progress(done=done, total=total)  # noqa: E731
    found = Embedder(engine=ask.engine, blobs=ask.blobs, backbone=backbone)(
        data.pictures.hashes, check=context.check, progress=tell
    )
    return Said(
        hashes=found.hashes,
        logits=logits_of(network.head, found.embeddings),
        embeddings=found.embeddings,
        missing=found.missing,
        fresh=found.fresh,
    )


def _corrupted(ask: Asker, data: TrainingData, model: bytes, how: Preprocessing) -> Outliers | None:
    """Held-out pictures, corrupted, as the network sees them; None where there are none."""
    rows = np.flatnonzero(data.pictures.parts == VALIDATION)
    spread = np.unique(np.linspace(0, len(rows) - 1, min(PICTURES, len(rows))).astype(int))
    source = Source(engine=ask.engine, blobs=ask.blobs)
    pixels = source.pixels([data.pictures.hashes[row] for row in rows[spread]], how)
    return outliers_of(OnnxRuntime(model), pixels) if len(pixels) else None


def _licences(recipe: FinetuneRecipe, base: Served, line: str) -> Licences:
    ours = f"pictures of line {line}"
    if recipe.weights == "live":
        before = base.bundle.manifest.licences
        data = before.data if ours in before.data else f"{before.data}; {ours}"
        return Licences(data=data, weights=before.weights)
    if recipe.weights == "none":
        return Licences(data=ours, weights="none: trained from scratch")
    return Licences(data=ours, weights=f"as {_source(recipe)} states")


def _weights(recipe: FinetuneRecipe, base: Served) -> str:
    if recipe.weights == "live":
        return f"those of bundle {base.bundle.manifest.name} ({base.bundle.hash[:12]}); every layer was then trained."
    if recipe.weights == "none":
        return "none; every layer was trained from a random start."
    return f"{_source(recipe)}; every layer was then trained."


def _source(recipe: FinetuneRecipe) -> str:
    if recipe.weights == "hub":
        return f"timm's {recipe.backbone} on the Hugging Face hub"
    return f"the file {Path(recipe.weights).name}"


def _told(outcome: Outcome) -> str:
    best = outcome.best
    accuracy = (
        "" if best.validation_accuracy is None else f" (validation accuracy {best.validation_accuracy:.1%})"
    )
    return f"{len(outcome.epochs)} epochs of all layers; epoch {best.epoch} was kept{accuracy}"
