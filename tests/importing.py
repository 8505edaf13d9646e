"""A line to import into, and folders to import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
from PIL import Image
from sqlalchemy import Engine, func, select

from sortline.catalogue.importing import Import, Options, Problem
from sortline.catalogue.sources.source import open_source
from sortline.catalogue.store import imports
from sortline.catalogue.tables import entries, images, label_events
from sortline.db.session import reading, writing
from sortline.flows.ingest import Tools, run_import, start_import
from sortline.lines import store as lines
from sortline.storage.blobs import Blobs
from tests.pictures import encode


@dataclass(kw_only=True)
class Line:
    """A line in a database of its own, and what imports into it need."""

    engine: Engine
    blobs: Blobs
    name: str = "waste"
    id: int = field(init=False)

    def __post_init__(self) -> None:
        with writing(self.engine) as session:
            self.id = lines.create_line(session, self.name).id

    @property
    def tools(self) -> Tools:
        """What an import works with; no bundle was trained on anything."""
        return Tools(engine=self.engine, blobs=self.blobs, trained=lambda _: lambda _: None)

    def start(self, location: Path, **options: Any) -> Import:
        """The import of a folder or file, queued or found again."""
        with open_source(str(location)) as source, writing(self.engine) as session:
            return start_import(session, self.id, source, Options(**options), who="tester")

    def load(
        self, location: Path, *, stop: Event | None = None, progress: Any = None, **options: Any
    ) -> Import:
        """The import as it ended."""
        begun = self.start(location, **options)
        return run_import(self.tools, begun.id, stop=stop, progress=progress or (lambda _: None))

    def problems(self, found: Import) -> dict[str, list[Problem]]:
        """The import's report: problems by file."""
        with reading(self.engine) as session:
            report: dict[str, list[Problem]] = {}
            for problem in imports.problems_after(session, found.id):
                report.setdefault(problem.name, []).append(problem)
            return report

    def labelled(self) -> dict[str, str | None]:
        """The label of each picture in the catalogue, by the name it came under."""
        with reading(self.engine) as session:
            names = {one.id: one.name for one in lines.list_classes(session, self.id)}
            query = select(entries.c.name, entries.c.class_id).where(entries.c.line_id == self.id)
            return {name: None if found is None else names[found] for name, found in session.execute(query)}

    def rows(self) -> dict[str, int]:
        """How many rows the tables of pictures have: nothing was added where these stay."""
        tables = {"images": images, "entries": entries, "label_events": label_events}
        with reading(self.engine) as session:
            return {
                name: session.scalar(select(func.count()).select_from(table)) or 0
                for name, table in tables.items()
            }


def folder_of(root: Path, classes: Mapping[str, int], *, side: int = 64, first: int = 0) -> Path:
    """A folder of class folders with so many photos each, no two of them alike."""
    seed = first
    for name, count in classes.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            (root / name / f"{number:04d}.jpg").write_bytes(scene(side, seed))
            seed += 1
    return root


def scene(side: int, seed: int) -> bytes:
    """A square JPEG that no other seed's is a near-duplicate of: patches of colour of its own, and some grain."""
    generator = np.random.default_rng(seed)
    patches = Image.fromarray(generator.integers(0, 256, (6, 6, 3), np.uint8))
    pixels = np.asarray(patches.resize((side, side), Image.Resampling.BICUBIC), np.int16)
    grain = generator.integers(-12, 13, pixels.shape, np.int16)
    return encode((pixels + grain).clip(0, 255).astype(np.uint8))
