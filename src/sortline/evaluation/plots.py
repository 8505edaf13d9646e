"""Plots of figures, as SVG and PNG: drawn by matplotlib without its global state, the same bytes for the same figures.

Text stays text in the SVG, so any script a class is named in is shown by the reader's own fonts. Blue is the
candidate or right, grey the live bundle, orange wrong: the pair of Okabe and Ito 2008 that everybody tells apart.
"""

from __future__ import annotations

import io
import math
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sortline.evaluation.compare import ENOUGH, ClassChange, View
from sortline.evaluation.figures import BINS, Bin, Figures
from sortline.evaluation.metrics import wilson
from sortline.evaluation.wording import percent, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# What a report replaces by its own colours, light or dark; no other colour is used.
INK, SOFT, HAIR, SURFACE = "#151a23", "#545e70", "#dfe3eb", "#fefefe"
RIGHT, WRONG = "#0072b2", "#d55e00"

_STYLE: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a class may be called $x$
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": HAIR,
    "axes.facecolor": "none",
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "grid.color": HAIR,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
}
_PER_INCH = 150
# Labels, and classes whose change is drawn, that one can still read.
_MOST_LABELS, _MOST_CHANGES = 40, 40
# Up to here counts fit into the cells of a confusion matrix.
_MOST_NUMBERED = 16
# Settings of matplotlib are those of the process.
_drawing = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A plot that is drawn when asked for: `size` in inches, `says` in words what it shows."""

    name: str
    says: str
    size: tuple[float, float]
    draw: Callable[[Figure], None]

    def svg(self) -> bytes:
        """The plot as a self-contained SVG file; the same figures give the same bytes."""
        return self._rendered("svg", metadata={"Date": None, "Creator": None, "Title": self.says})

    def png(self) -> bytes:
        """The plot as a PNG file, 150 pixels an inch."""
        return self._rendered("png", dpi=_PER_INCH, metadata={"Software": None})

    def _rendered(self, form: str, **options: Any) -> bytes:
        import matplotlib as mpl
        from matplotlib.figure import Figure

        buffer = io.BytesIO()
        with _drawing, mpl.rc_context(_STYLE | {"svg.hashsalt": self.name}), warnings.catch_warnings():
            # The reader of an SVG has the font; in the PNG a box stands for the letter.
            warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
            figure = Figure(figsize=self.size, layout="constrained", facecolor=SURFACE)
            self.draw(figure)
            figure.savefig(buffer, format=form, **options)
        return buffer.getvalue()


def confusion_matrix(figures: Figures, *, name: str, title: str, elsewhere: str | None = None) -> Plot:
    """Which classes are taken for which: a row is the true class, a column the answer.

    Shades are shares of a row, by their square root, so that rare mistakes show. `elsewhere` heads the column of
    answers that are none of the classes (`View.elsewhere`); None draws none.
    """
    names = [one.name for one in figures.classes]
    columns = names if elsewhere is None else [*names, elsewhere]
    counts = figures.confusion[:, : len(columns)]
    side = min(7.5, max(3.4, 1.7 + 0.42 * len(names)))

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.imshow(_shades(counts), interpolation="none")
        _class_ticks(axes, names, columns)
        axes.set(title=title, xlabel="answer", ylabel="true class")
        if len(names) <= _MOST_NUMBERED:
            _numbers(axes, counts)

    return Plot(
        name=name,
        says=f"Confusion matrix, {title}: {len(names)} classes, {figures.images} photos",
        size=(side, side),
        draw=draw,
    )


def reliability_diagram(candidate: Figures, live: Figures | None) -> Plot:
    """How often answers of a confidence are right, with 95 % intervals for the candidate, over how many there are.

    Of fewer than five answers no share is drawn: it would say nothing, and take the eye.
    """

    def draw(figure: Figure) -> None:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        upper.plot((0, 1), (0, 1), color=SOFT, linewidth=1, linestyle=":", label="as said")
        if live is not None and live.calibration:
            _curve(upper, live.calibration.bins, color=SOFT, label="live", linestyle="--", marker="s")
        if candidate.calibration:
            bins = candidate.calibration.bins
            _whiskers(upper, bins)
            _curve(upper, bins, color=RIGHT, label="candidate", marker="o")
            lower.bar(
                [(one.low + one.high) / 2 for one in bins],
                [one.count for one in bins],
                width=0.9 / BINS,
                color=RIGHT,
            )
        upper.set(title="Reliability", ylabel="share that is right", xlim=(0, 1), ylim=(0, 1.02))
        lower.set(xlabel="confidence", ylabel="answers")
        _percent_axis(upper.yaxis)
        _percent_axis(lower.xaxis)
        upper.grid(visible=True)
        upper.legend(loc="upper left")

    return Plot(
        name="reliability",
        says="Reliability diagram: share of right answers by confidence",
        size=(4.6, 4.4),
        draw=draw,
    )


def risk_coverage(candidate: Figures, live: Figures | None) -> Plot:
    """The error among the surest answers, by the share of answers that are taken."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        if live is not None and live.risk_coverage:
            curve = live.risk_coverage
            axes.plot(curve.coverage, curve.risk, color=SOFT, linestyle="--", label="live")
        if candidate.risk_coverage:
            curve = candidate.risk_coverage
            axes.plot(curve.coverage, curve.risk, color=RIGHT, linewidth=2, label="candidate")
        axes.set(
            title="Risk and coverage",
            xlabel="surest answers taken",
            ylabel="share of them wrong",
            xlim=(0, 1),
        )
        axes.set_ylim(bottom=0)
        _percent_axis(axes.xaxis)
        _percent_axis(axes.yaxis)
        axes.grid(visible=True)
        if axes.lines:
            axes.legend(loc="upper left")

    return Plot(
        name="risk_coverage",
        says="Curve of risk and coverage: error among the surest answers",
        size=(4.6, 4.4),
        draw=draw,
    )


def class_changes(view: View) -> Plot:
    """Recall of each class before and after, falls on top; of more than 40 classes the greatest changes only."""
    changes = sorted(
        (change for change in view.changes if change.recall_change is not None),
        key=lambda change: (-(change.recall_change or 0), change.name),
    )
    left_out = max(0, len(changes) - _MOST_CHANGES)
    if left_out:
        changes = changes[: _MOST_CHANGES // 2] + changes[-_MOST_CHANGES // 2 :]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for place, change in enumerate(changes):
            _dumbbell(axes, place, change)
        labels = [f"{_short(change.name)} ({change.support:,})" for change in changes]
        axes.set_yticks(range(len(changes)), labels)
        more = f"; {left_out} classes with smaller changes left out" if left_out else ""
        axes.set(
            title="Recall: live (hollow) → candidate (filled)",
            xlabel=f"share of the class's photos that is found{more}",
        )
        axes.set_ylim(-0.7, max(0.7, len(changes) - 0.3))
        _percent_axis(axes.xaxis)
        axes.grid(visible=True, axis="x")

    return Plot(
        name="class_changes",
        says="Recall of each class, live and candidate",
        size=(7.0, 1.1 + 0.24 * max(2, len(changes))),
        draw=draw,
    )


def learning_curves(epochs: Sequence[Mapping[str, object]]) -> Plot:
    """Every figure of the epochs that is a loss, an accuracy or F1, or a learning rate, in a panel of its kind.

    `epochs` are the rows of a training log; `epoch` and `phase` are taken as what they say, what is no number left out.
    """
    panels = {title: names for title, names in _panels(epochs).items() if names}
    at = [_number(row.get("epoch", place + 1)) for place, row in enumerate(epochs)]

    def draw(figure: Figure) -> None:
        for axes, (title, names) in zip(
            np.atleast_1d(figure.subplots(1, max(1, len(panels)))), panels.items(), strict=False
        ):
            for name in names:
                held_out = "valid" in name or "val_" in name
                axes.plot(
                    at,
                    [_number(row.get(name)) for row in epochs],
                    color=RIGHT if held_out or len(names) == 1 else SOFT,
                    linestyle="-" if held_out or len(names) == 1 else "--",
                    marker="o" if len(epochs) <= 40 else None,
                    markersize=3,
                    label=printable(name.replace("_", " ")),
                )
            for boundary in _boundaries(epochs, at):
                axes.axvline(boundary, color=SOFT, linewidth=1, linestyle=":")
            axes.set(title=title, xlabel="epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.grid(visible=True)
            axes.legend()

    return Plot(
        name="learning_curves",
        says="Learning curves: loss, accuracy and learning rate by epoch",
        size=(3.4 * max(1, len(panels)), 3.0),
        draw=draw,
    )


def _shades(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Colours of the cells, (C, K, 4): right ones blue, wrong ones orange, none of the classes grey, the more the
    denser.
    """
    from matplotlib.colors import to_rgb

    total = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)
    shades = np.empty((*counts.shape, 4))
    shades[..., :3] = to_rgb(WRONG)
    rows = np.arange(len(counts))
    shades[:, len(counts) :, :3] = to_rgb(SOFT)
    shades[rows, rows, :3] = to_rgb(RIGHT)
    shades[..., 3] = np.sqrt(share)
    return shades


def _class_ticks(axes: Axes, rows: Sequence[str], columns: Sequence[str]) -> None:
    step = math.ceil(len(rows) / _MOST_LABELS)
    axes.set_yticks(range(0, len(rows), step), [_short(name) for name in rows[::step]])
    axes.set_xticks(range(0, len(columns), step), [_short(name) for name in columns[::step]])
    axes.tick_params(axis="x", rotation=90, length=0)
    axes.tick_params(axis="y", length=0)
    if step > 1:
        axes.tick_params(labelsize=6)
    if len(rows) <= _MOST_LABELS:
        axes.set_xticks(np.arange(0.5, len(columns) - 1), minor=True)
        axes.set_yticks(np.arange(0.5, len(rows) - 1), minor=True)
        axes.grid(visible=True, which="minor", linewidth=1)
        axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(True)


def _numbers(axes: Axes, counts: NDArray[np.int64]) -> None:
    total = counts.sum(axis=1)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            dense = count > 0.4 * total[row]
            axes.text(
                column,
                row,
                f"{count:,}",
                ha="center",
                va="center",
                fontsize=8 if len(counts) <= 10 else 6.5,
                color="#ffffff" if dense else INK,
            )


def _curve(axes: Axes, bins: Sequence[Bin], **style: Any) -> None:
    enough = [one for one in bins if one.count >= ENOUGH]
    axes.plot([one.confidence for one in enough], [one.accuracy for one in enough], markersize=4, **style)


def _whiskers(axes: Axes, bins: Sequence[Bin]) -> None:
    for one in (one for one in bins if one.count >= ENOUGH):
        share = wilson(round(one.accuracy * one.count), one.count)
        axes.plot(
            (one.confidence, one.confidence), (share.low, share.high), color=RIGHT, linewidth=1, alpha=0.5
        )


def _dumbbell(axes: Axes, place: int, change: ClassChange) -> None:
    if change.live is None or change.candidate is None:
        return
    before, after = change.live.recall, change.candidate.recall
    colour = WRONG if after < before else RIGHT
    axes.plot((before, after), (place, place), color=colour, linewidth=2, solid_capstyle="butt")
    axes.plot(before, place, "o", color=SURFACE, markeredgecolor=SOFT, markersize=6)
    axes.plot(after, place, "o", color=colour, markersize=6)


def _panels(epochs: Sequence[Mapping[str, object]]) -> dict[str, list[str]]:
    names = [
        name
        for name in dict.fromkeys(name for row in epochs for name in row)
        if any(math.isfinite(_number(row.get(name))) for row in epochs)
    ]
    return {
        "Loss": [name for name in names if "loss" in name],
        "Accuracy": [name for name in names if "accuracy" in name or "f1" in name],
        "Learning rate": [name for name in names if name in ("learning_rate", "lr")],
    }


def _boundaries(epochs: Sequence[Mapping[str, object]], at: Sequence[float]) -> list[float]:
    """Where one phase ends and the next begins, between two epochs."""
    phases = [row.get("phase") for row in epochs]
    return [
        (at[place - 1] + at[place]) / 2
        for place in range(1, len(epochs))
        if phases[place] != phases[place - 1]
    ]


def _number(value: object) -> float:
    """A number as it is, text that is one, NaN for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except ValueError:
        return math.nan


def _percent_axis(axis: Any) -> None:
    axis.set_major_formatter(lambda share, _: percent(share, 0 if abs(share * 100 % 1) < 1e-6 else 1))


def _short(name: str, most: int = 22) -> str:
    name = printable(name)
    return name if len(name) <= most else name[: most - 1] + "…"
