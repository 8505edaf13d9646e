"""What an export takes of a line, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, insert

from sortline.catalogue.entry import Split
from sortline.catalogue.image import ImageRecord
from sortline.catalogue.layouts.layout import ExportMember
from sortline.catalogue.store.images import add_images
from sortline.catalogue.tables import base_members, bases, branches, entries, version_changes, versions
from sortline.catalogue.version import Version, VersionState
from sortline.db.session import writing
from sortline.flows.members import line_members, version_members
from sortline.lines.store import class_ids, create_line

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
SPLITS = (Split.TRAIN, Split.VALIDATION, Split.TEST, Split.NONE)


@pytest.fixture
def line_id(engine: Engine) -> int:
    """A line with seven pictures, the last without a label, beside another line with one."""
    with writing(engine) as session:
        line = create_line(session, "waste", class_names=["Glass", "Metal"]).id
        other = create_line(session, "returns", class_names=["Shoe"]).id
        add_images(session, [_record(number) for number in range(8)])
        classes = class_ids(session, line, ["Glass", "Metal"])
        rows = [
            _row(number, line, None if number == 6 else classes[("Glass", "Metal")[number % 2]])
            for number in range(7)
        ]
        rows.append(_row(7, other, class_ids(session, other, ["Shoe"])["Shoe"]))
        session.execute(insert(entries), rows)
    return line


def test_everything_a_line_has_comes_newest_first(
    engine: Engine, line_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Across pages, once each, with current labels; another line's pictures do not."""
    monkeypatch.setattr("sortline.flows.members._CHUNK", 3)
    assert list(line_members(engine, line_id)) == [
        ExportMember(
            sha256=f"{number:064x}",
            class_name=None if number == 6 else ("Glass", "Metal")[number % 2],
            split=SPLITS[number % 4],
            name=f"photo {number}.jpg",
        )
        for number in reversed(range(7))
    ]


def test_a_version_has_labels_and_splits_of_its_own(
    engine: Engine, line_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the version count, not what the entries say today; base and changes, in order, across chunks."""
    monkeypatch.setattr("sortline.flows.members._CHUNK", 2)
    with writing(engine) as session:
        metal = class_ids(session, line_id, ["Metal"])["Metal"]
        session.execute(insert(branches), {"id": 1, "line_id": line_id, "parent_id": None})
        session.execute(insert(versions), [_version(1, line_id, None), _version(2, line_id, 1)])
        base = {"id": 1, "line_id": line_id, "version_id": 1, "state": "ready", "copied": 7}
        session.execute(insert(bases), base)
        rows = [
            {"base_id": 1, "entry_id": number, "class_id": metal, "split": Split.TEST}
            for number in (1, 2, 3, 5)
        ]
        session.execute(insert(base_members), rows)
        change = {"version_id": 2, "branch_id": 1, "class_id": metal, "split": Split.TRAIN}
        session.execute(insert(version_changes), [change | {"entry_id": 7}, change | {"entry_id": 4}])
    version = Version(**_version(2, line_id, 1))  # type: ignore[arg-type]  # a row's values
    found = list(version_members(engine, version))
    assert [member.name for member in found] == [f"photo {number - 1}.jpg" for number in (1, 2, 3, 4, 5, 7)]
    assert {member.class_name for member in found} == {"Metal"}
    assert [member.split for member in found] == [
        Split.TRAIN if number in (4, 7) else Split.TEST for number in (1, 2, 3, 4, 5, 7)
    ]


def _record(number: int) -> ImageRecord:
    return ImageRecord(
        sha256=f"{number:064x}",
        media_type="image/jpeg",
        bytes=1,
        width=1,
        height=1,
        brightness=0.0,
        sharpness=0.0,
        source="import",
        client=None,
        first_seen=NOW,
    )


def _row(number: int, line_id: int, class_id: int | None) -> dict[str, object]:
    return {
        "id": number + 1,
        "line_id": line_id,
        "image_sha256": f"{number:064x}",
        "class_id": class_id,
        "split": SPLITS[number % 4],
        "declared": False,
        "source": "import",
        "name": f"photo {number}.jpg",
        "added_at": NOW,
    }


def _version(number: int, line_id: int, parent_id: int | None) -> dict[str, object]:
    return {
        "id": number,
        "line_id": line_id,
        "number": number,
        "name": f"v{number}",
        "parent_id": parent_id,
        "merged_id": None,
        "branch_id": 1,
        "base_id": 1,
        "overlay": 0,
        "state": VersionState.READY,
        "size": 4,
        "added": 4,
        "removed": 0,
        "relabelled": 0,
        "resplit": 0,
        "plan": {},
        "notes": "",
        "author": "tester",
        "created_at": NOW,
    }
