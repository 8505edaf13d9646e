"""The model card: what a network is for, how it was made and how well it does, as Markdown.

After Mitchell et al. 2019, "Model cards for model reporting".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sortline.engine.bundle import OodChoice, Precision
from sortline.evaluation import detectors
from sortline.evaluation.metrics import ClassFigures, Proportion


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a network comes from: sentences and counts a reader needs to repeat or to judge it."""

    name: str
    summary: str
    intended_use: str
    not_for: str
    data: str
    data_licence: str
    weights: str
    weights_licence: str
    split: str
    photos: Mapping[str, int]  # part → photos
    command: str
    training_minutes: float
    hardware: str
    epochs: str  # how many ran and which was kept


@dataclass(frozen=True, slots=True, kw_only=True)
class TestFigures:
    """How the bundle answers on the test part, and on the originals in full size that belong to it."""

    __test__ = False  # pytest would take the name for a test

    accuracy: Proportion
    macro_f1: float
    classes: tuple[ClassFigures, ...]
    confusion: NDArray[np.int64]  # (C, C), rows are the truth
    ece_before: float
    ece_after: float
    temperature: float
    accepted_error: float  # error among the most confident 80 %
    originals: Proportion | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OodFigures:
    """The threshold above which a picture counts as unknown, and what it does to known test photos."""

    method: str
    threshold: float
    chosen: str
    test_flagged: float  # share of the known test photos above the threshold
    choice: OodChoice | None = None  # how the detector was chosen, where something could tell


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferFigures:
    """Accuracy on another dataset whose classes were mapped onto the bundle's."""

    name: str
    mapping: str
    accuracy: Proportion
    auroc: float  # of confidence, right answers against wrong ones
    flagged: float  # share above the OOD threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class ArithmeticFigures:
    """What coarser arithmetic costs: accuracies in 0..1, beside float32's on the same photos."""

    name: Precision
    validation: float
    validation_f32: float
    test: float
    test_f32: float
    test_flagged: float  # share of the known test photos above the OOD threshold
    serves: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """Everything a model card says; `test` is None where there was no test picture."""

    provenance: Provenance
    test: TestFigures | None
    ood: OodFigures
    parity: str
    transfer: tuple[TransferFigures, ...] = field(default=())
    arithmetic: tuple[ArithmeticFigures, ...] = field(default=())


def render(card: Card) -> str:
    """The card as Markdown, ending in a newline."""
    p = card.provenance
    sections = [
        f"# {p.name}\n\n{p.summary}",
        f"## Use\n\n{p.intended_use}\n\nNot for: {p.not_for}",
        _making(p),
        _accuracy(card.test) if card.test else _UNTESTED,
        _trust(card.test, card.ood, card.parity),
        *([_detectors(card.ood.choice)] if card.ood.choice else []),
        *([_arithmetic(card.arithmetic)] if card.arithmetic else []),
        *(_transfer(t) for t in card.transfer),
    ]
    return "\n\n".join(sections) + "\n"


def with_detectors(text: str, ood: OodFigures, transfer: Mapping[str, float]) -> str:
    """The card of a bundle whose detectors were fitted anew, and nothing else; ValueError where none was chosen.

    `transfer` says what share of each other dataset is flagged now. Of coarser arithmetic nothing is measured again.
    """
    if ood.choice is None:
        raise ValueError("no detector was chosen")
    sections = []
    for section in text.rstrip("\n").split("\n\n## "):
        title, _, body = section.partition("\n")
        if title.startswith(_TRANSFER):
            body = _replaced(body, _ABOVE, f"{_ABOVE} {_percent(transfer[title.removeprefix(_TRANSFER)])}")
        elif title == _COARSER and _BEFORE not in body:
            body += f"\n\n{_BEFORE}"
        if title != _TELLS:
            sections.append(f"{title}\n{_replaced(body, _UNKNOWN, _unknown(ood))}")
        if _UNKNOWN in body:
            sections.append(_detectors(ood.choice).removeprefix("## "))
    return "\n\n## ".join(sections) + "\n"


def _replaced(text: str, start: str, line: str) -> str:
    """The text with its lines that begin so replaced by another."""
    return "\n".join(line if one.startswith(start) else one for one in text.split("\n"))


def interval(share: Proportion) -> str:
    """A share as text: "89.50 % (95 % interval 87.1 % to 91.5 %, 751 photos)"."""
    low, high = _percent(share.low), _percent(share.high)
    return (
        f"{share.value:.2%}".replace("%", " %") + f" (95 % interval {low} to {high}, {share.total:,} photos)"
    )


def _making(p: Provenance) -> str:
    photos = ", ".join(f"{count:,} {part}" for part, count in p.photos.items())
    return "\n".join(
        [
            "## How it was made",
            "",
            f"- Data: {p.data} Licence: {p.data_licence}.",
            f"- Weights: {p.weights} Licence of the starting weights: {p.weights_licence}.",
            f"- Split: {p.split} Photos: {photos}.",
            f"- Command: `{p.command}`",
            f"- Training: {p.epochs}; {p.training_minutes:.0f} minutes on {p.hardware}.",
        ]
    )


def _accuracy(test: TestFigures) -> str:
    lines = ["## How well it does", "", f"- Test accuracy: {interval(test.accuracy)}"]
    if test.originals:
        lines.append(f"- On the originals in full size among them: {interval(test.originals)}")
    lines += [f"- Macro F1 on test: {test.macro_f1:.3f}", ""]
    rows = [
        (c.name, f"{c.precision:.3f}", f"{c.recall:.3f}", f"{c.f1:.3f}", str(c.support)) for c in test.classes
    ]
    lines += _table(("class", "precision", "recall", "F1", "photos"), rows)
    lines += ["", "Confusion on test: a row is the true class, a column the answer.", ""]
    names = [c.name for c in test.classes]
    lines += _table(
        ("", *names),
        [(n, *(str(v) for v in row)) for n, row in zip(names, test.confusion.tolist(), strict=True)],
    )
    return "\n".join(lines)


# Where a card says something that `with_detectors` changes.
_UNKNOWN, _TELLS = "- Unknown items:", "How it tells the unknown"
_TRANSFER, _ABOVE = "On other photos: ", "- Above the threshold for unknown items:"
_COARSER = "In coarser arithmetic"
_BEFORE = "What is flagged here was measured while the detector was energy."

_UNTESTED = "## How well it does\n\nNobody knows: there was no test photo."


def _trust(test: TestFigures | None, ood: OodFigures, parity: str) -> str:
    lines = ["## How far to trust it", ""]
    if test is not None:
        lines += [
            f"- Confidence: temperature {test.temperature:.3f}, fitted on validation; expected calibration "
            f"error on test (15 bins) {test.ece_before:.3f} before and {test.ece_after:.3f} after.",
            f"- The most confident 80 % of the test answers err in {_percent(test.accepted_error)}.",
        ]
    lines += [_unknown(ood), f"- Export: {parity}"]
    return "\n".join(lines)


def _unknown(ood: OodFigures) -> str:
    return (
        f"{_UNKNOWN} {ood.method} above {ood.threshold:.3f}. {ood.chosen} Of the known test photos "
        f"{_percent(ood.test_flagged)} lie above it."
    )


def _detectors(choice: OodChoice) -> str:
    words = f"Chosen: {detectors.WORDS[choice.detector]}, by {choice.why}. {detectors.NOTE}"
    table = _table(detectors.head_of(choice), detectors.rows_of(choice))
    return "\n".join([f"## {_TELLS}", "", words, "", *table])


def _arithmetic(figures: tuple[ArithmeticFigures, ...]) -> str:
    rows = [
        (
            f.name,
            f"{_percent(f.validation)} ({_percent(f.validation_f32)})",
            f"{_percent(f.test)} ({_percent(f.test_f32)})",
            _percent(f.test_flagged),
            "yes" if f.serves else "no",
        )
        for f in figures
    ]
    head = ("arithmetic", "validation (float32)", "test (float32)", "flagged unknown on test", "may serve")
    words = "Coarser arithmetic is faster. It may serve where validation loses at most half a point."
    return "\n".join([f"## {_COARSER}", "", words, "", *_table(head, rows)])


def _transfer(t: TransferFigures) -> str:
    return "\n".join(
        [
            f"## {_TRANSFER}{t.name}",
            "",
            f"Classes mapped: {t.mapping}.",
            "",
            f"- Accuracy: {interval(t.accuracy)}",
            f"- AUROC of confidence, right answers against wrong: {t.auroc:.3f}",
            f"{_ABOVE} {_percent(t.flagged)}",
        ]
    )


def _table(head: Iterable[str], rows: Iterable[tuple[str, ...]]) -> list[str]:
    head = tuple(head)
    lines = [_row(head), _row(("---",) + ("---:",) * (len(head) - 1))]
    return lines + [_row(row) for row in rows]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")
