"""`sortline data insights`: what a version, or everything a line has, looks like as data."""

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from sortline.cli.data_import import AsJson, Contradiction
from sortline.cli.data_versions import console
from sortline.cli.options import DataDir, OfLine, line_name, settings

if TYPE_CHECKING:
    from sortline.catalogue.insights import Outliers, Spread
    from sortline.flows.insights import Insights


def insights(
    line: OfLine = None,
    version: Annotated[
        str | None, typer.Option(help="A version's number or name.", show_default="the active one")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="All the line has, with current labels.")
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Tell of a line's pictures: classes, sizes, outliers, duplicates, balance, growth."""
    if everything and version is not None:
        raise Contradiction("--everything", "--version")
    from sortline.catalogue.store.versions import get_version
    from sortline.db.session import reading
    from sortline.flows.insights import insights as look
    from sortline.lines.store import get_line
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready, reading(ready.engine) as session:
        line = line_name(ready.engine, line)
        line_id = get_line(session, line).id
        found = look(session, line_id, None if everything else get_version(session, line_id, version))
    if as_json:
        sys.stdout.write(json.dumps(_document(found), indent=1) + "\n")
    else:
        _print(line, found)


def _print(line: str, found: "Insights") -> None:
    out = console()
    what = "everything" if found.version is None else f"version {found.version.number} ({found.version.name})"
    megabytes = found.bytes / 1e6
    out.print(
        Text(f"{line}, {what}: {found.size} pictures, {megabytes:.1f} MB, {found.unlabelled} unlabelled.")
    )
    table = Table("class", "pictures", "train", "validation", "test", "none", box=None)
    for one in found.classes:
        splits = {split.name: count for split, count in one.splits.items()}
        numbers = (one.count, *(splits[name] for name in ("TRAIN", "VALIDATION", "TEST", "NONE")))
        table.add_row(Text(one.name), *map(str, numbers))
    out.print(table)
    for name, spread in (("width", found.width), ("height", found.height), ("aspect", found.aspect)):
        out.print(f"{name}: {spread.min:g} to {spread.max:g}, on average {spread.mean:.2f}")
    for name, outliers in (("brightness", found.brightness), ("sharpness", found.sharpness)):
        out.print(
            f"{name}: {outliers.low} below {outliers.low_fence:.1f}, {outliers.high} from "
            f"{outliers.high_fence:.1f} on; median {outliers.median:.1f}"
        )
    groups = found.duplicates
    out.print(
        f"near-duplicates: {groups.pictures} pictures in {groups.groups} groups, {groups.conflicts} with labels in "
        f"conflict, {groups.leaks} over several splits"
    )
    balance = found.balance
    out.print(
        f"balance: largest class / smallest {balance.ratio:.1f}, effectively {balance.effective:.1f} classes"
    )
    if found.growth:
        first, last = found.growth[0][0], found.growth[-1][0]
        out.print(f"added on {len(found.growth)} days from {first} to {last}")


def _document(found: "Insights") -> dict[str, Any]:
    groups = found.duplicates
    return {
        "version": None if found.version is None else found.version.number,
        "pictures": found.size,
        "bytes": found.bytes,
        "unlabelled": found.unlabelled,
        "classes": {
            one.name: {
                "pictures": one.count,
                "splits": {split.name.lower(): count for split, count in one.splits.items()},
                "samples": [sample.sha256 for sample in one.samples],
            }
            for one in found.classes
        },
        "width": _spread(found.width),
        "height": _spread(found.height),
        "aspect": _spread(found.aspect),
        "brightness": _outliers(found.brightness, found),
        "sharpness": _outliers(found.sharpness, found),
        "duplicates": {
            "groups": groups.groups,
            "pictures": groups.pictures,
            "label_conflicts": groups.conflicts,
            "leaks": groups.leaks,
            "conflicting_groups": list(groups.conflicting),
            "leaking_groups": list(groups.leaking),
        },
        "balance": {
            "largest": found.balance.largest,
            "smallest": found.balance.smallest,
            "ratio": round(found.balance.ratio, 3),
            "effective_classes": round(found.balance.effective, 3),
        },
        "growth": [{"day": str(day), "added": added, "total": total} for day, added, total in found.growth],
    }


def _spread(spread: "Spread") -> dict[str, Any]:
    return {
        "min": spread.min,
        "max": spread.max,
        "mean": round(spread.mean, 3),
        "histogram": [[bar.low, bar.high, bar.count] for bar in spread.histogram],
    }


def _outliers(outliers: "Outliers", found: "Insights") -> dict[str, Any]:
    def told(some: tuple[tuple[int, float], ...]) -> list[dict[str, Any]]:
        return [{"sha256": found.pictures[one], "value": round(value, 3)} for one, value in some]

    return {
        "median": round(outliers.median, 3),
        "low_fence": outliers.low_fence,
        "high_fence": outliers.high_fence,
        "low": outliers.low,
        "high": outliers.high,
        "lowest": told(outliers.lowest),
        "highest": told(outliers.highest),
    }
