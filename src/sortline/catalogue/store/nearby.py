"""Which entries of a line a picture is a near-duplicate of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import select

from sortline.catalogue.entry import Split
from sortline.catalogue.placing import Board, Member
from sortline.catalogue.store import lookup
from sortline.catalogue.tables import entries, images
from sortline.db.among import among
from sortline.db.session import Session
from sortline.engine.fingerprint import BANDS, MAX_HAMMING, bands, hashes, near_mask

# Candidates compared at once: most pictures have fewer, and one of a crowd of copies is found among the first.
_AT_ONCE = 64
# Pairs of hashes compared in one step, of 8 bytes a few times over.
_PAIRS = 200_000
# Ids in one query; SQLite takes 32,766 parameters.
_IDS = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhood:
    """Entries that new pictures may be near.

    `candidates` are, for each new entry, older ones whose hash is alike, ascending; some are new themselves.
    `members` and `phashes` tell of those the line had, `group_splits` which splits their groups have, `latest` where
    the new ones are to be put.
    """

    candidates: Mapping[int, tuple[int, ...]]
    members: tuple[Member, ...]
    phashes: Mapping[int, bytes]
    group_splits: Mapping[int, frozenset[Split]]
    latest: lookup.Latest

    def near(self, entry: int, board: Board) -> tuple[int, ...]:
        """Entries a new one is a near-duplicate of: one of each group, label and use, the oldest.

        Of a thousand copies one tells as much as all, and only one is compared.
        """
        found: list[int] = []
        kinds = set[tuple[int, int | None, bool]]()
        left = list(self.candidates.get(entry, ()))
        while left:
            left = [other for other in left if board.kind(other) not in kinds]
            block, left = left[:_AT_ONCE], left[_AT_ONCE:]
            mask = near_mask(self.phashes[entry], [self.phashes[other] for other in block])
            for other in (other for other, hit in zip(block, mask, strict=True) if hit):
                if (kind := board.kind(other)) not in kinds:
                    kinds.add(kind)
                    found.append(other)
        return tuple(found)


def neighbourhood(session: Session, line_id: int, fresh: Mapping[int, bytes]) -> Neighbourhood:
    """What may be near new pictures of a line, `fresh`: their fingerprints by the id they are to have."""
    candidates, latest = _alike(session, line_id, fresh)
    old = sorted({entry for found in candidates.values() for entry in found} - set(fresh))
    members, phashes = _members(session, old)
    # Unless it was erased a moment ago.
    candidates = {
        entry: tuple(other for other in found if other in phashes or other in fresh)
        for entry, found in candidates.items()
    }
    groups = sorted({member.group_id for member in members if member.group_id is not None})
    return Neighbourhood(
        candidates=candidates,
        members=tuple(members),
        phashes={**phashes, **fresh},
        group_splits=_group_splits(session, line_id, groups),
        latest=latest,
    )


def add_near(session: Session, line_id: int, fresh: Mapping[int, bytes], latest: lookup.Latest) -> None:
    """The entries are found by later pictures that are near them."""
    ids = np.fromiter(fresh, np.int64, len(fresh))
    lookup.remember(session, line_id, ids, hashes(list(fresh.values())), latest)


def forget_near(session: Session, line_id: int, entry: int, phash: bytes) -> None:
    """No later picture is compared with the entry."""
    lookup.forget(session, line_id, entry, hashes([phash]))


def _alike(
    session: Session, line_id: int, fresh: Mapping[int, bytes]
) -> tuple[dict[int, tuple[int, ...]], lookup.Latest]:
    """For each new entry that has any, the older ones whose hash is alike, ascending; new ones among them."""
    own_ids, own_hashes = np.fromiter(fresh, np.int64, len(fresh)), hashes(list(fresh.values()))
    # One look-up for each new entry and band.
    wanted = bands(own_hashes).ravel()
    entry, own = np.repeat(own_ids, BANDS), np.repeat(own_hashes, BANDS)
    stored, latest = lookup.sharing(session, line_id, wanted)
    rows = np.concatenate((stored, np.column_stack((wanted, entry, own))))
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    column, ids, theirs = (np.ascontiguousarray(part) for part in rows.T)
    starts, counts = _ranges(column, wanted)
    found: dict[int, set[int]] = {}
    for part in _portions(counts):
        repeated = np.repeat(np.arange(part.start, part.stop), counts[part])
        within = np.arange(len(repeated)) - np.repeat(np.cumsum(counts[part]) - counts[part], counts[part])
        place = starts[repeated] + within
        older = ids[place] < entry[repeated]
        repeated, place = repeated[older], place[older]
        alike = np.bitwise_count((own[repeated] ^ theirs[place]).view(np.uint64)) <= MAX_HAMMING
        for one, other in zip(entry[repeated[alike]].tolist(), ids[place[alike]].tolist(), strict=True):
            found.setdefault(one, set()).add(other)
    return {one: tuple(sorted(others)) for one, others in found.items()}, latest


def _ranges(
    column: npt.NDArray[np.int64], wanted: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Where each wanted value begins in a sorted column, and how often it stands there."""
    starts = np.searchsorted(column, wanted, "left")
    return starts, np.searchsorted(column, wanted, "right") - starts


def _portions(counts: npt.NDArray[np.intp]) -> Iterator[slice]:
    """Spans of look-ups with about `_PAIRS` rows each, so that a crowd of copies does not fill the memory."""
    start, total = 0, 0
    for place, count in enumerate(counts.tolist()):
        total += count
        if total >= _PAIRS or place == len(counts) - 1:
            yield slice(start, place + 1)
            start, total = place + 1, 0


def _members(session: Session, ids: Sequence[int]) -> tuple[list[Member], dict[int, bytes]]:
    members: list[Member] = []
    phashes: dict[int, bytes] = {}
    for start in range(0, len(ids), _IDS):
        query = (
            select(entries.c.id, entries.c.class_id, entries.c.split, entries.c.group_id, images.c.phash)
            .join_from(entries, images, entries.c.image_sha256 == images.c.sha256)
            .where(among(session, entries.c.id, ids[start : start + _IDS]), images.c.phash.is_not(None))
        )
        for entry, class_id, split, group_id, phash in session.execute(query):
            members.append(Member(id=entry, class_id=class_id, split=split, group_id=group_id))
            phashes[entry] = phash
    return members, phashes


def _group_splits(session: Session, line_id: int, groups: Sequence[int]) -> dict[int, frozenset[Split]]:
    found: dict[int, set[Split]] = {group: set() for group in groups}
    for start in range(0, len(groups), _IDS):
        query = (
            select(entries.c.group_id, entries.c.split)
            .where(
                entries.c.line_id == line_id, among(session, entries.c.group_id, groups[start : start + _IDS])
            )
            .distinct()
        )
        for group, split in session.execute(query):
            found[group].add(split)
    return {group: frozenset(splits) for group, splits in found.items()}
