"""The model card of a network made elsewhere: what is known of it, what was measured, and what is not known."""

from collections.abc import Sequence
from dataclasses import dataclass

from sortline.evaluation.card import interval
from sortline.evaluation.metrics import Proportion


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignCard:
    """What the card says. `ways` are the ways of reading pictures tried, the best first: words, right answers, photos,
    loss; none where nobody gave photos. `notes` are sentences a reader must not miss.
    """

    name: str
    file: str
    format: str
    sha256: str
    classes: tuple[str, ...]
    size: int
    reading: str
    measured: bool
    ways: Sequence[tuple[str, int, int, float]]
    accuracy: Proportion | None
    temperature: float
    threshold: str
    difference: float
    openvino: str
    data_licence: str
    weights_licence: str
    notes: Sequence[str]


def render(card: ForeignCard) -> str:
    """The card as Markdown, ending in a newline."""
    sections = [
        f"# {card.name}\n\nA network made elsewhere and brought into Sortline; it was not trained here.",
        *(["## Mind\n\n" + "\n".join(f"- {note}" for note in card.notes)] if card.notes else []),
        _origin(card),
        _reading(card),
        _trust(card),
    ]
    return "\n\n".join(sections) + "\n"


def _origin(card: ForeignCard) -> str:
    return "\n".join(
        [
            "## Where it comes from",
            "",
            f"- File: `{card.file}` ({card.format}), SHA-256 `{card.sha256}`",
            f"- Classes, in the order of its outputs: {', '.join(card.classes)}",
            f"- Licence of the weights: {card.weights_licence}. Licence of the data: {card.data_licence}.",
            "- Not known here: what it was trained on, how, and how well it does on photos it has never seen.",
        ]
    )


def _reading(card: ForeignCard) -> str:
    lines = [
        "## How it reads pictures",
        "",
        f"{card.reading}, {card.size} x {card.size} px; "
        + ("measured, see below." if card.measured else "as it was told at the import, not measured."),
    ]
    if card.ways:
        lines += ["", "| way of reading | right | accuracy | loss |", "| --- | ---: | ---: | ---: |"]
        lines += [
            f"| {words} | {right} of {total} | {_percent(right / total)} | {loss:.3f} |"
            for words, right, total, loss in card.ways
        ]
        lines += ["", "Loss is the mean of -log p of the true class; lower is better."]
    return "\n".join(lines)


def _trust(card: ForeignCard) -> str:
    told = interval(card.accuracy) if card.accuracy else "not measured, for want of photos"
    return "\n".join(
        [
            "## How far to trust it",
            "",
            f"- Accuracy on the photos given at the import: {told}. They chose how pictures are read and fitted what "
            "follows, and it may have been trained on them: this is no test."
            if card.accuracy
            else f"- Accuracy: {told}.",
            f"- Confidence: temperature {card.temperature:.3f}.",
            f"- Unknown items: {card.threshold}",
            f"- Conversion: a probability differs from the file's own by at most {card.difference:.1e}.",
            f"- OpenVINO: {card.openvino}",
        ]
    )


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")
