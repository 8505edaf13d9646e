"""Makes the packaged bundle `waste` from RealWaste and ImageNet weights, in one command.

    python -m sortline.training.starter

Training leaves a checkpoint after every epoch in the work folder and goes on from it, so the command can be
stopped and started again, and run once more only to make the bundle.
"""

import dataclasses
import logging
import os
import platform
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, get_args

import numpy as np
import torch
import typer
from PIL import Image
from rich.console import Console
from rich.markdown import Markdown

from sortline.engine.bundle import Licences, Precision
from sortline.engine.classifier import Classifier, load_classifier
from sortline.evaluation.card import Card, OodFigures, Provenance, TransferFigures, render
from sortline.training.assemble import Draft, finish
from sortline.training.assess import accuracy_figures, arithmetic_figures, ask, ood_figures, trashnet_figures
from sortline.training.backbones import resolve
from sortline.training.dataset import Photos, find_photos, load_photos
from sortline.training.export import Parity
from sortline.training.finetune import Outcome, finetune
from sortline.training.head import features
from sortline.training.recipe import Augmentation, FinetuneRecipe
from sortline.training.split import Entry, Part, class_of, difference_hash, read_split, split, write_split
from sortline.training.starter_bundle import LabelledPhoto, draft_of
from sortline.training.weights import start_network

_DATA, _DATA_LICENCE = "RealWaste (Single, Iranmanesh, Raad 2023)", "CC-BY-NC-SA-4.0"
_WEIGHTS_LICENCE = "Apache-2.0"
_SPLIT = Path(__file__).with_name("starter_split.csv")
_BUNDLE = Path(__file__).parents[1] / "bundles" / "waste"
_SHARED = Path("../shared")
RECIPE = FinetuneRecipe(
    epochs=58,
    patience=0,
    sizes=((0.0, 192), (0.6, 224)),
    photo_size=200,
    augmentation=Augmentation(quarter_turns=True),
)


def main(
    data: Annotated[Path, typer.Option(help="RealWaste: one folder a class.")] = _SHARED / "data/realwaste",
    weights: Annotated[Path, typer.Option(help="ImageNet weights of the backbone, safetensors.")] = _SHARED
    / "weights/mobilenetv2_100.safetensors",
    originals: Annotated[Path, typer.Option(help="Some of the photos in full size.")] = _SHARED
    / "data/realwaste-524",
    trashnet: Annotated[Path, typer.Option(help="TrashNet: one folder a class.")] = _SHARED / "data/trashnet",
    out: Annotated[Path, typer.Option(help="Where the bundle goes.")] = _BUNDLE,
    work: Annotated[Path, typer.Option(help="Checkpoints and the training log.")] = Path("build/starter"),
    minutes: Annotated[float | None, typer.Option(help="End the schedule after this time, annealed.")] = None,
) -> None:
    """Split, train, export, measure and write the bundle."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    recipe = resolve(dataclasses.replace(RECIPE, weights=str(weights), minutes=minutes or 0.0))
    if not _SPLIT.exists():
        write_split(_SPLIT, starter_split(data, originals, recipe))
    photos, classes = labelled_photos(data, read_split(_SPLIT))
    outcome = finetune(
        _load(photos, "train", recipe),
        _load(photos, "validation", recipe),
        classes=len(classes),
        recipe=recipe,
        work=work,
    )
    draft = draft_of(
        outcome.network,
        photos,
        name="waste",
        classes=classes,
        dataset=f"realwaste-{len(photos)}",
        licences=Licences(data=_DATA_LICENCE, weights=_WEIGHTS_LICENCE),
        recipe=recipe,
    )
    card = measure(draft, photos, originals, trashnet, work, _provenance(outcome, photos, minutes))
    serving: list[Precision] = ["f32", *(f.name for f in card.arithmetic if f.serves)]
    finish(draft, _metrics(card, outcome), render(card), out, tuple(serving))
    Console().print(Markdown(render(card)))


def starter_split(data: Path, originals: Path, recipe: FinetuneRecipe) -> list[Entry]:
    """The split of the photos in `data`, with every photo of `originals` in test."""
    paths = find_photos(data)
    photos = load_photos(list(paths.values()), [0] * len(paths), recipe.preprocessing())
    grey = [Image.open(p).convert("L").resize((9, 8), Image.Resampling.BILINEAR) for p in paths.values()]
    return split(
        list(paths),
        features(start_network(recipe, 0, None), photos, recipe).numpy(),
        np.array([difference_hash(np.asarray(g)) for g in grey]),
        always_test=find_photos(originals).keys(),
    )


def labelled_photos(data: Path, entries: list[Entry]) -> tuple[list[LabelledPhoto], tuple[str, ...]]:
    """The photos of a split and the classes in output order; KeyError where `data` lacks one of them."""
    paths = find_photos(data)
    classes = tuple(sorted({class_of(e.name) for e in entries}))
    photos = [
        LabelledPhoto(path=paths[e.name], label=classes.index(class_of(e.name)), part=e.part) for e in entries
    ]
    return photos, classes


def measure(
    draft: Draft,
    photos: list[LabelledPhoto],
    originals: Path,
    trashnet: Path,
    work: Path,
    provenance: Provenance,
) -> Card:
    """The card of the drafted bundle, its figures measured as a server would answer."""
    bundle = finish(draft, {}, "Not measured yet.\n", work / "draft", get_args(Precision))
    classifier = load_classifier(bundle.folder, runtime="onnxruntime")
    validation, test = (_asked(photos, classifier, part) for part in ("validation", "test"))
    answers = ask(classifier, *test)
    large = find_photos(originals)
    on_originals = ask(classifier, list(large.values()), [class_of(name) for name in large])
    parity = Parity(**draft.manifest.metrics["parity"])
    return Card(
        provenance=provenance,
        test=accuracy_figures(answers, classifier, on_originals),
        ood=ood_figures(answers, classifier),
        parity=f"of {parity.photos} test photos ONNX Runtime and PyTorch answer "
        f"{round(parity.equal_answers * parity.photos)} alike; the largest difference of a logit is "
        f"{parity.largest_logit_difference:.1e}.",
        transfer=(trashnet_figures(classifier, trashnet),),
        arithmetic=arithmetic_figures(classifier, validation, test, ("bf16", "int8")),
    )


def _asked(photos: list[LabelledPhoto], classifier: Classifier, part: str) -> tuple[list[Path], list[str]]:
    """The photos of a part and the names of their classes."""
    chosen = [p for p in photos if p.part == part]
    return [p.path for p in chosen], [classifier.classes[p.label] for p in chosen]


def _load(photos: list[LabelledPhoto], part: Part, recipe: FinetuneRecipe) -> Photos:
    """Photos of one part: validation as serving sees them, train at the size they are kept at."""
    how = recipe.preprocessing()
    if part == "train":
        how = dataclasses.replace(how, size=recipe.photo_size)
    chosen = [p for p in photos if p.part == part]
    return load_photos([p.path for p in chosen], [p.label for p in chosen], how)


def _provenance(outcome: Outcome, photos: list[LabelledPhoto], minutes: float | None) -> Provenance:
    parts = Counter(p.part for p in photos)
    last = outcome.epochs[-1]
    command = "python -m sortline.training.starter" + (f" --minutes {minutes:g}" if minutes else "")
    return Provenance(
        name="waste: household waste in nine classes",
        summary="A MobileNetV2 that names one item of household waste in a photo. Every layer was trained "
        "here, starting from ImageNet weights.",
        intended_use="Sorting photos of single items of waste on plain ground, with a person looking at what "
        "is set aside; a first model and a backbone for lines with photos of their own. The photos it was "
        "trained on allow non-commercial use only, so use the bundle non-commercially.",
        not_for="items in piles or on a moving belt, hazardous or medical waste, and sorting nobody checks.",
        data=f"{_DATA}, {len(photos):,} of its 4,752 photos as 200 px copies.",
        data_licence="CC BY-NC-SA 4.0, by its authors' repository: attribution, non-commercial, share alike",
        weights="ImageNet MobileNetV2, timm's mobilenetv2_100; every layer was then trained here.",
        weights_licence=_WEIGHTS_LICENCE,
        split="by groups of photos that show one object (near-duplicates and neighbours in the numbering), "
        "recorded by file name in `training/starter_split.csv`. Selection on validation; test was used once.",
        photos={part: parts[part] for part in ("train", "validation", "test")},
        command=command,
        training_minutes=last.total_minutes,
        hardware=_hardware(),
        epochs=f"{last.epoch} epochs of all layers after the head alone; epoch {outcome.best.epoch} was kept "
        f"(validation accuracy {outcome.best.validation_accuracy:.1%}".replace("%", " %")
        + ")",
    )


def _metrics(card: Card, outcome: Outcome) -> dict[str, Any]:
    """The card's figures for `bundle.json`."""
    test = card.test
    if test is None:
        raise ValueError("the starter's data has a test part")
    ood: OodFigures = card.ood
    (trashnet,) = card.transfer
    return {
        "validation_accuracy": outcome.best.validation_accuracy,
        "test_accuracy": dataclasses.asdict(test.accuracy),
        "test_macro_f1": test.macro_f1,
        "test_f1": {c.name: c.f1 for c in test.classes},
        "test_confusion": test.confusion.tolist(),
        "test_ece_before": test.ece_before,
        "test_ece": test.ece_after,
        "test_accepted_error_80": test.accepted_error,
        "test_flagged_unknown": ood.test_flagged,
        "originals_accuracy": dataclasses.asdict(test.originals) if test.originals else None,
        "trashnet": _transfer(trashnet),
        "arithmetic": {f.name: dataclasses.asdict(f) for f in card.arithmetic},
    }


def _transfer(figures: TransferFigures) -> dict[str, Any]:
    return {
        "accuracy": dataclasses.asdict(figures.accuracy),
        "auroc": figures.auroc,
        "flagged": figures.flagged,
    }


def _hardware() -> str:
    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    return f"{os.cpu_count()} CPU cores ({platform.machine()}), shared with other work"


if __name__ == "__main__":
    typer.run(main)
