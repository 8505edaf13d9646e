"""`sortline bundles import|export`: bundles that come into an installation, and go out of it."""

from pathlib import Path
from typing import Annotated

import typer

from sortline.cli.options import DataDir, settings
from sortline.errors import SortlineError

# What is a network of somebody else's, not a bundle.
FOREIGN = (".onnx", ".keras", ".h5", ".hdf5", ".tflite")


class ForeignModel(SortlineError):
    """A network that is not a bundle."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} is a network, not a bundle; this version imports bundles alone")


def import_(
    path: Annotated[Path, typer.Argument(help="A bundle: its folder, or a ZIP of it.", exists=True)],
    line: Annotated[
        str | None, typer.Option("--line", help="The line it is offered to.", show_default="none")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Take in a bundle; it serves nothing until it is promoted."""
    if path.suffix.lower() in FOREIGN:
        raise ForeignModel(path)
    from sortline.db.session import reading, writing
    from sortline.flows.lines import import_bundle
    from sortline.lines.store import get_line
    from sortline.registry.store import add_candidate
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready:
        if line is not None:
            with reading(ready.engine) as session:
                get_line(session, line)
        record = import_bundle(ready.engine, ready.bundles_dir, ready.blobs, path)
        if line is not None:
            with writing(ready.engine) as session:
                add_candidate(session, get_line(session, line).id, record.hash, who="cli")
    typer.echo(f"{record.name} {record.hash} is known here now.")
    typer.echo(f"To make it live: sortline models promote {record.hash[:12]} --line {line or 'LINE'}")


def export(
    name: Annotated[str, typer.Argument(help="A bundle's name, or the first characters of its hash.")],
    file: Annotated[
        Path | None, typer.Argument(help="The ZIP to write.", show_default="NAME-HASH.zip here")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Write a bundle as a ZIP, which `import` takes on any machine."""
    from sortline.flows.bundle_files import bundle_zip, usable, zip_name
    from sortline.flows.lines import know_bundle
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready:
        record = know_bundle(ready.engine, ready.bundles_dir, ready.blobs, name)
        bundle = usable(record, ready.bundles_dir, ready.blobs)
        place = file or Path(f"{zip_name(bundle)}.zip")
        beside = place.with_name(f".{place.name}.part")
        try:
            with beside.open("wb") as written:
                for chunk in bundle_zip(bundle, record.created_at, ready.cache_dir):
                    written.write(chunk)
            beside.replace(place)
        finally:
            beside.unlink(missing_ok=True)
    typer.echo(f"Wrote {place} ({place.stat().st_size / 1e6:.1f} MB).")
