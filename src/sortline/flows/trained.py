"""What registered bundles were made with, so that no such picture becomes a test picture."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sortline.catalogue.entry import Split
from sortline.db.session import Session
from sortline.engine.bundle import remembered
from sortline.flows.lines import bundle_folder
from sortline.registry import store as registry
from sortline.registry.ledger import BundleRecord

log = logging.getLogger(__name__)

# The parts of a bundle's memory by their number there.
_PARTS = (Split.TRAIN, Split.VALIDATION, Split.TEST)


class Trained:
    """Tells in which part of its data a bundle had a picture; where bundles differ, the part that shaped one most.

    `prefixes` are the first 8 bytes of canonical pictures' SHA-256, `parts` 0 train, 1 validation, 2 test, both (M,).
    """

    def __init__(self, prefixes: NDArray[np.uint64], parts: NDArray[np.uint8]) -> None:
        # Of equal prefixes the smallest part comes first, and is the one found.
        order = np.lexsort((parts, prefixes))
        self._prefixes, self._parts = prefixes[order], parts[order]

    def __call__(self, sha256: str) -> Split | None:
        """The part of the picture of this hash (64 hex characters); None where no bundle knows it."""
        prefix = np.uint64(int(sha256[:16], 16))
        place = int(np.searchsorted(self._prefixes, prefix))
        if place == len(self._prefixes) or self._prefixes[place] != prefix:
            return None
        return _PARTS[int(self._parts[place])]

    def __len__(self) -> int:
        return len(self._prefixes)


# What was told last, of which bundles, by their folder: new ones come seldom, and every label that is given asks.
_LAST: dict[Path, tuple[tuple[str, ...], Trained]] = {}


def trained_lookup(session: Session, bundles_dir: Path) -> Trained:
    """What all registered bundles whose folders are here were made with."""
    hashes = registry.bundle_hashes(session)
    before, told = _LAST.get(bundles_dir, ((), None))
    if told is None or before != hashes:
        told, whole = _read(registry.list_bundles(session), bundles_dir)
        if whole:
            _LAST[bundles_dir] = hashes, told
    return told


def _read(records: Iterable[BundleRecord], bundles_dir: Path) -> tuple[Trained, bool]:
    """What these bundles were made with, and whether all of them could be read."""
    prefixes, parts = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint8)]
    whole = True
    for record in records:
        try:
            known, splits = _known(bundle_folder(record, bundles_dir))
        except (OSError, ValueError, KeyError) as error:
            log.warning(
                "bundle %s: what it was trained on cannot be read (%s); its pictures may become test pictures",
                record.name,
                error,
            )
            whole = False
            continue
        prefixes.append(known)
        parts.append(splits)
    return Trained(np.concatenate(prefixes), np.concatenate(parts)), whole


# A bundle's folder never changes.
_known = lru_cache(maxsize=64)(remembered)
