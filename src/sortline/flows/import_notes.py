"""What a person must know who brings a network along: sentences for the terminal and the model card."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sortline.engine.foreign.measuring import Tried, better
from sortline.engine.foreign.reading import Reading
from sortline.engine.foreign.servable import Prepared
from sortline.training.assemble import FEWEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What an import came to. `given` photos were found, `labels` (N,) are of those read."""

    classes: tuple[str, ...]
    prepared: Prepared
    reading: Reading
    named: bool
    tried: tuple[Tried, ...]
    given: int
    left_out: Sequence[str]
    labels: NDArray[np.int64]


def notes_of(facts: Facts) -> tuple[str, ...]:
    """The notes, the gravest first."""
    if not facts.given:
        return (*_without_photos(facts), *_network(facts))
    return (*_doubts(facts), *_photos(facts), *_network(facts))


def _without_photos(facts: Facts) -> Iterator[str]:
    yield (
        f"How it reads pictures was told ({facts.reading.name}) and not measured: a wrong scaling or channel order "
        "costs accuracy and shows nowhere else. Import it again with --photos to measure."
    )
    yield (
        "Without photos nothing is ever called unknown, and confidences are the network's own, mostly too high."
    )


def _doubts(facts: Facts) -> Iterator[str]:
    best = facts.tried[0]
    taken = next((each for each in facts.tried if each.reading == facts.reading), best)
    if facts.named and better(best, taken, errors=2):
        yield (
            f"It was told to read pictures as {facts.reading.name}, which gets {_percent(taken.accuracy)}; "
            f"{best.reading.name} gets {_percent(best.accuracy)}."
        )
    others = [each for each in facts.tried if each.total == taken.total and _kind(each) != _kind(taken)]
    close = [each for each in others if not better(taken, each, errors=2)]
    if close and not facts.named:
        told = ", ".join(f"{each.reading.name} ({_percent(each.accuracy)})" for each in close)
        yield (
            f"{taken.total} photos do not tell {taken.reading.name} ({_percent(taken.accuracy)}) from {told} for "
            "certain. More photos would, best of the kind it was trained on."
        )
    if best.accuracy < 2 / (len(facts.classes) + 1):
        yield f"{_percent(best.accuracy)} with {len(facts.classes)} classes is near to guessing: are these its classes?"
    yield from _order(facts)


def _order(facts: Facts) -> Iterator[str]:
    """Whether the classes seem to be listed in another order than the outputs have: a common slip, which makes wrong
    ways of reading look better than the right one.
    """
    orders = [_best_order(tried, len(facts.classes)) for tried in facts.tried]
    share, order, way = max(
        (*found, tried.reading.name) for found, tried in zip(orders, facts.tried, strict=True)
    )
    if share >= facts.tried[0].accuracy + 0.2:
        names = ", ".join(facts.classes[index] for index in order)
        yield f"In the order {names} {_percent(share)} would be right, read as {way}: check the order of the classes."


def _best_order(tried: Tried, count: int) -> tuple[float, tuple[int, ...]]:
    """The share of right answers with the classes in the order that makes it largest, and for each output the index of
    its class in that order.
    """
    from scipy.optimize import linear_sum_assignment  # 60 MB that a server never needs

    confusion = np.zeros((count, count), np.int64)
    np.add.at(confusion, (tried.predictions, tried.labels), 1)
    outputs, classes = linear_sum_assignment(confusion, maximize=True)
    return float(confusion[outputs, classes].sum() / tried.total), tuple(int(index) for index in classes)


def _photos(facts: Facts) -> Iterator[str]:
    read = len(facts.labels)
    if read < FEWEST:
        yield (
            f"{read} photos are too few to tell what is unusual: nothing is called unknown, and confidences are the "
            f"network's own. {FEWEST} or more are needed."
        )
    if facts.left_out:
        yield f"Folders that name no class were left out: {', '.join(facts.left_out)}."
    without = [name for index, name in enumerate(facts.classes) if index not in facts.labels]
    if without:
        yield f"No photo shows {', '.join(without)}."


def _network(facts: Facts) -> Iterator[str]:
    prepared = facts.prepared
    if prepared.answer == "sigmoid" and not prepared.pair:
        yield "It was made to find several classes in one picture; here the most likely one is the answer."
    if prepared.head is None:
        yield "Its last layer is not linear, so it cannot show where it looked."


def _kind(tried: Tried) -> tuple[str, str]:
    return tried.reading.scale, tried.reading.colour


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")
