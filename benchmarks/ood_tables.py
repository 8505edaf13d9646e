"""The tables of ood.py, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from sortline.engine import ood

AUTO, WASTEX = "auto", "energy, WasteX's fixed thresholds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How well known pictures were told from unknown ones; `flagged` and `caught` are the shares of the known and of
    the unknown that count as unknown at the detector's own threshold.
    """

    auroc: float
    fpr95: float
    flagged: float
    caught: float


# Figures by detector, and by the class left out or the set.
Table = Mapping[str, Mapping[str, Told]]


def print_figures(near: Table, far: Table, packaged: Table) -> None:
    """AUROC and FPR95 of every detector and of the choice, near and far."""
    sets = list(next(iter(far.values())))
    print("\nAUROC (FPR95). Near and far: frozen ImageNet weights; packaged: trained on all nine classes.\n")
    head = (
        "near: a class left out",
        *(f"far: {one}" for one in sets),
        "mean of near and far",
        "packaged: far",
    )
    _print_head(head)
    for name in (*ood.NAMES, AUTO):
        cells = [_cell(near[name].values()), *(_cell([far[name][one]]) for one in sets)]
        mean = (auroc(near[name].values()) + auroc(far[name].values())) / 2
        _print_row(name, (*cells, f"{mean:.3f}", _cell(packaged[name].values())))


def print_near(near: Table, chosen: Mapping[str, str]) -> None:
    """AUROC of every class left out, and what was chosen without it."""
    print("\nNear, AUROC by the class left out; the last row says what was chosen without it.\n")
    _print_head(tuple(chosen))
    for name in (*ood.NAMES, AUTO):
        _print_row(name, [f"{near[name][one].auroc:.3f}" for one in chosen])
    _print_row("", list(chosen.values()))


def print_thresholds(tables: Mapping[str, Table]) -> None:
    """What happens at each detector's own threshold, and at those WasteX has."""
    print("\nAt the threshold: share of the known flagged, of the unknown caught.\n")
    _print_head(tuple(tables))
    for name in (*ood.NAMES, AUTO, WASTEX):
        cells = []
        for table in tables.values():
            told = list(table[name].values())
            flagged, caught = (np.mean([getattr(one, key) for one in told]) for key in ("flagged", "caught"))
            cells.append(f"{_percent(float(flagged))}, {_percent(float(caught))}")
        _print_row(name, cells)


def print_shifted(shifted: Mapping[str, Mapping[str, tuple[float, float]]]) -> None:
    """Accepted error and AUROC on known classes from elsewhere."""
    print("\nTrashNet: error of the least unusual 80 %, AUROC of wrong answers against right ones.\n")
    _print_head(tuple(shifted))
    for name in (*ood.NAMES, AUTO):
        _print_row(
            name, [f"{_percent(error)}, {area:.3f}" for error, area in (of[name] for of in shifted.values())]
        )


def auroc(told: Iterable[Told]) -> float:
    """The mean AUROC."""
    return float(np.mean([one.auroc for one in told]))


def _cell(told: Iterable[Told]) -> str:
    rows = list(told)
    return f"{auroc(rows):.3f} ({np.mean([one.fpr95 for one in rows]):.2f})"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _print_head(columns: Iterable[str]) -> None:
    columns = list(columns)
    _print_row("detector", columns)
    print("|---|" + "---:|" * len(columns))


def _print_row(name: str, cells: Iterable[str]) -> None:
    print(f"| {name} | {' | '.join(cells)} |")
