"""Pictures that are no item of a line, as its network sees them: what the detectors of a candidate are tried on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sortline.flows.embeddings import Embedder
from sortline.flows.training_data import outlier_sets
from sortline.training.assemble import TRAIN
from sortline.training.ood_choice import Outliers

# Pictures of each other line, embedded once for a network: their AUROC is then known to within two points.
MOST = 64
_LINE = "line "


def with_other_lines(
    corrupted: Outliers | None,
    embedder: Embedder,
    lines: Sequence[str],
    *,
    check: Callable[[], object] = lambda: None,
) -> Outliers | None:
    """The corrupted pictures, and some of each other line's, those that it trains on first: its test pictures are what
    the comparison tells, and a choice made on them would flatter it. None where there is neither.

    Raises:
        UnknownLine: there is no such line.
    """
    parts = [] if corrupted is None else [_without_lines(corrupted)]
    for name, hashes in outlier_sets(embedder.engine, lines, first=TRAIN, most=MOST):
        found = embedder(hashes, check=check)
        if found.hashes:
            kinds = np.repeat(f"{_LINE}{name}", len(found.hashes))
            parts.append(Outliers(embeddings=found.embeddings, kinds=kinds))
    if not parts:
        return None
    return Outliers(
        embeddings=np.concatenate([one.embeddings for one in parts]),
        kinds=np.concatenate([one.kinds for one in parts]),
    )


def _without_lines(outliers: Outliers) -> Outliers:
    """Those that a bundle drew itself: of another line's pictures some may be erased by now."""
    own = ~np.char.startswith(outliers.kinds, _LINE)
    return Outliers(embeddings=outliers.embeddings[own], kinds=outliers.kinds[own])
