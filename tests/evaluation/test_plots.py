"""Plots: the same bytes for the same figures, whatever classes are called and however many there are."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree as Tree

import pytest

from sortline.evaluation.compare import Comparison, compare
from sortline.evaluation.figures import figures
from sortline.evaluation.plots import (
    Plot,
    class_changes,
    confusion_matrix,
    learning_curves,
    reliability_diagram,
    risk_coverage,
)
from sortline.evaluation.report import run_plots
from tests.evaluation.drawn import at_random, said

HOSTILE = (
    "<script>alert(1)</script>",
    "$\\frac{x}{0}$",
    '"]]>&',
    "电池 🔋",
    "line\nbreak\x1b\u202e",
    "a" * 300,
)
EPOCHS = [
    {
        "epoch": 1,
        "phase": 1,
        "train_loss": 2.0,
        "validation_loss": "1.5",
        "validation_accuracy": 0.5,
        "lr": 1e-3,
    },
    {"epoch": 2, "phase": 2, "train_loss": float("nan"), "validation_loss": 1.1, "validation_accuracy": None},
    {
        "epoch": 3,
        "phase": 2,
        "train_loss": 1.0,
        "validation_loss": 1.0,
        "validation_accuracy": 0.7,
        "lr": 1e-4,
    },
]


def hostile(seed: int = 1) -> Comparison:
    """A comparison over classes with names that break what does not escape them."""
    truth = list(HOSTILE) * 8
    return compare(at_random(HOSTILE, truth, seed=seed), at_random(HOSTILE, truth, seed=2, skill=2))


def parsed(svg: bytes) -> Tree.Element:
    """The plot's elements."""
    return Tree.fromstring(svg)  # noqa: S314 - drawn by us


def texts(svg: bytes) -> list[str]:
    """What stands in the plot."""
    return [element.text or "" for element in parsed(svg).iter() if element.tag.endswith("text")]


def test_every_plot_of_a_run_is_svg_and_png() -> None:
    """Self-contained: no reference but to itself and to pictures within."""
    plots = run_plots(hostile(), EPOCHS)

    assert set(plots) == {
        "confusion_matrix",
        "confusion_matrix_live",
        "class_changes",
        "reliability",
        "risk_coverage",
        "learning_curves",
    }
    for plot in plots.values():
        svg = plot.svg()
        references = [v for e in parsed(svg).iter() for k, v in e.attrib.items() if k.endswith("href")]
        assert all(one.startswith(("#", "data:image/png;base64,")) for one in references)
        assert b"<dc:date>" not in svg
    assert plots["class_changes"].png().startswith(b"\x89PNG")


def test_names_are_text_and_nothing_else() -> None:
    """No markup, no formula; what cannot be shown is replaced, what is long is cut, any script stays text."""
    found = texts(run_plots(hostile())["confusion_matrix"].svg())

    assert "<script>alert(1)</scr…" in found
    assert "$\\frac{x}{0}$" in found
    assert "电池 🔋" in found
    assert "line\ufffdbreak\ufffd\ufffd" in found


def test_the_same_figures_give_the_same_bytes() -> None:
    """In a thread as well, beside others that draw."""
    plot, other = (run_plots(hostile(seed))["class_changes"] for seed in (1, 3))

    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(Plot.svg, [plot, other, plot]))

    assert drawn[0] == drawn[2] != drawn[1]


def test_of_two_hundred_classes_forty_are_named() -> None:
    """The matrix is one picture, and labels stay apart."""
    names = tuple(f"class {i}" for i in range(200))
    found = compare(at_random(names, names, seed=1), at_random(names, names, seed=2))

    matrix = confusion_matrix(found.judged.candidate, name="matrix", title="Candidate").svg()

    assert len(matrix) < 200_000
    assert sum(one.startswith("class ") for one in texts(matrix)) == 80
    changes = texts(class_changes(found.judged).svg())
    assert sum(one.startswith("class ") for one in changes) == 40
    assert any("160 classes with smaller changes left out" in one for one in changes)


@pytest.mark.parametrize("plot", [reliability_diagram, risk_coverage])
def test_without_pictures_or_a_live_bundle_a_plot_is_empty(plot: object) -> None:
    """And none fails."""
    none = figures(said("ab", (), ()))

    assert plot(none, None).svg().startswith(b"<?xml")  # type: ignore[operator]


def test_what_an_epoch_does_not_say_is_left_out() -> None:
    """Text that is a number counts, a gap is a gap, and what is no figure has no panel."""
    found = texts(learning_curves(EPOCHS).svg())

    assert {"Loss", "Accuracy", "Learning rate", "validation loss", "lr"} <= set(found)
    assert "phase" not in found
    assert learning_curves([{"epoch": 1, "seconds": 3}]).svg()


def test_matplotlib_is_loaded_when_drawing_and_pyplot_never() -> None:
    """Whoever only wants figures does not pay for plots, and nothing global is touched."""
    program = (
        "import sys\n"
        "from sortline.evaluation import answers, checks, compare, figures, gates, plots, report\n"
        "assert not {'matplotlib', 'scipy', 'sklearn', 'torch'} & set(sys.modules)\n"
        "plots.learning_curves([{'epoch': 1, 'train_loss': 1.0}]).svg()\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "import matplotlib\n"
        "assert matplotlib.rcParams['svg.fonttype'] == 'path'\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
