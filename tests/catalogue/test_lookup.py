"""Entries are looked up by the bands of their hashes, whether they came just now, long ago or are being moved."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import Engine, func, select

from sortline.catalogue.store import lookup
from sortline.catalogue.tables import near, near_folds, near_recent
from sortline.db.session import Session, writing
from sortline.engine.fingerprint import BANDS, bands

LINE = 7


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries are folded 48 at a time, in a few steps."""
    monkeypatch.setattr(lookup, "FOLD", 48)
    monkeypatch.setattr(lookup, "_FULL", 8)


def drawn(generator: np.random.Generator, count: int) -> lookup.Pairs:
    """Hashes of which many share a band: each 16 bits are one of 40 values."""
    parts = generator.integers(-20, 20, (count, BANDS)) & 0xFFFF
    return (parts[:, 0] << 48 | parts[:, 1] << 32 | parts[:, 2] << 16 | parts[:, 3]).astype(np.int64)


def remember(session: Session, line: int, ids: lookup.Pairs, of: lookup.Pairs) -> None:
    """As whoever adds pictures does: looked up first, then put where that says."""
    _, latest = lookup.sharing(session, line, np.unique(bands(of)))
    lookup.remember(session, line, ids, of, latest)


def found(session: Session, line: int, band: int) -> set[tuple[int, int]]:
    """Entries and hashes that are told for a band."""
    rows, _ = lookup.sharing(session, line, np.array([band]))
    assert all(row[0] == band for row in rows)
    return {(int(entry), int(of)) for _, entry, of in rows}


def expected(known: dict[int, int], band: int) -> set[tuple[int, int]]:
    """The same, by looking at all."""
    return {(entry, of) for entry, of in known.items() if band in bands(np.array([of]))}


def all_bands(known: dict[int, int]) -> list[int]:
    """Every band that occurs, and one that does not."""
    return [*np.unique(bands(np.fromiter(known.values(), np.int64))).tolist(), 4242]


def test_every_entry_is_found_at_any_time(engine: Engine) -> None:
    """After each of many calls, small and large, with folds begun, under way and done; and those erased never."""
    generator = np.random.default_rng(5)
    known: dict[int, int] = {}
    folding = 0
    with writing(engine) as session:
        next_id = 1
        for _ in range(40):
            count = int(generator.integers(1, 12))
            # Another line has ids in between.
            ids = next_id + 2 * np.arange(count)
            hashes = drawn(generator, count)
            remember(session, LINE, ids, hashes)
            known |= dict(zip(ids.tolist(), hashes.tolist(), strict=True))
            next_id = int(ids[-1]) + 1
            gone = int(generator.choice(list(known)))
            lookup.forget(session, LINE, gone, np.array([known.pop(gone)]))
            folding += session.scalar(select(func.count()).select_from(near_folds)) or 0
            for band in generator.choice(all_bands(known), 6).tolist():
                assert found(session, LINE, band) == expected(known, band)
        assert 5 < folding < 40
        assert session.scalar(select(func.count()).select_from(near))
        for band in all_bands(known):
            assert found(session, LINE, band) == expected(known, band)


def test_the_latest_do_not_pile_up(engine: Engine) -> None:
    """What is read as a whole stays as small as it is, and the rest lies under its bands once."""
    generator = np.random.default_rng(6)
    with writing(engine) as session:
        for start in range(1, 1001, 4):
            remember(session, LINE, start + np.arange(4), drawn(generator, 4))
            latest = session.scalar(select(func.sum(func.length(near_recent.c.data))))
            assert latest <= 16 * 2.2 * lookup.FOLD
        # Those under way to their bands are in both places.
        upto = session.scalar(select(near_folds.c.upto)) or 0
        entries, _ = lookup.sharing(session, LINE, np.arange(BANDS << 16))
        folded = {(band, entry) for band, entry, _ in entries.tolist()}
        assert len(folded) == BANDS * 1000
        assert len(entries) - len(folded) <= BANDS * upto


def test_lines_are_apart(engine: Engine) -> None:
    """A line's entries are found on that line only, and erasing on one leaves the other's."""
    of = np.array([12345])
    with writing(engine) as session:
        for line in (1, 2):
            remember(session, line, np.array([10 + line]), of)
        band = int(bands(of)[0, 0])
        assert found(session, 1, band) == {(11, 12345)}
        lookup.forget(session, 1, 11, of)
        assert found(session, 1, band) == set()
        assert found(session, 2, band) == {(12, 12345)}
        assert session.scalar(select(func.count()).select_from(near_recent)) == 1
