"""How well each detector of a bundle told the unknown when the bundle was made, as rows of a table and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sortline.engine.bundle import OodChoice, OodTrial

WORDS: Mapping[str, str] = {
    "energy": "energy (Liu et al. 2020)",
    "max_softmax": "maximum softmax (Hendrycks and Gimpel 2017)",
    "mahalanobis": "Mahalanobis distance (Lee et al. 2018)",
    "relative_mahalanobis": "relative Mahalanobis distance (Ren et al. 2021)",
    "knn": "nearest neighbours (Sun et al. 2022)",
    "vim": "ViM (Wang et al. 2022)",
    "gen": "GEN (Liu et al. 2023)",
    "react": "ReAct (Sun et al. 2021)",
}
NOTE = (
    "AUROC: the chance that an unknown picture is more unusual than a known one; FPR95, in brackets: the share of the "
    "unknown let through where 95 % of the known are. Known are held-out pictures. Of a class left out, head and "
    "detectors know nothing; the network itself may have been trained on it, and then it is told apart too easily."
)


def head_of(choice: OodChoice) -> tuple[str, ...]:
    """The table's head: detector, and what it was tried against."""
    return ("detector", *_kinds(choice))


def rows_of(choice: OodChoice) -> list[tuple[str, ...]]:
    """A row for each detector, AUROC and FPR95 in each cell; the one chosen is marked."""
    found: dict[str, dict[str, OodTrial]] = {}
    for trial in choice.trials:
        found.setdefault(trial.detector, {})[trial.against] = trial
    kinds = _kinds(choice)
    return [
        (
            f"{WORDS.get(name, name)}{', chosen' if name == choice.detector else ''}",
            *(_cell(trials.get(kind)) for kind in kinds),
        )
        for name, trials in found.items()
    ]


def _kinds(choice: OodChoice) -> Sequence[str]:
    return list(dict.fromkeys(trial.against for trial in choice.trials))


def _cell(trial: OodTrial | None) -> str:
    return "" if trial is None else f"{trial.auroc:.3f} ({trial.fpr95:.2f})"
