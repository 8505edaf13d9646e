"""`sortline bundles import|export`: bundles that come into an installation, and go out of it."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from sortline.cli.bundle_import import ForeignOptions, import_foreign, is_foreign
from sortline.cli.options import DataDir, settings


def import_(
    path: Annotated[
        Path,
        typer.Argument(
            help="A bundle (its folder, or a ZIP of it), or a network: .onnx, .h5, .keras, .tflite, .pb, .xml or a "
            "SavedModel folder.",
            exists=True,
        ),
    ],
    line: Annotated[
        str | None, typer.Option("--line", help="The line it is offered to.", show_default="none")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(help="A network's classes in the order of its outputs: a file, one a line, or a,b,c."),
    ] = None,
    photos: Annotated[
        Path | None,
        typer.Option(
            help="A folder with one of photos for each class, to measure how the network reads pictures.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    preprocess: Annotated[
        str, typer.Option(help="How the network reads pictures; auto measures it on --photos.")
    ] = "auto",
    name: Annotated[str | None, typer.Option(help="The bundle's name.", show_default="the file's")] = None,
    size: Annotated[
        int | None, typer.Option(help="Side in px, where the network takes any.", show_default="224")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the network's weights.")] = None,
    data_licence: Annotated[str | None, typer.Option(help="Licence of what it was trained on.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Take in a bundle, or a network made elsewhere; it serves nothing until it is promoted."""
    from sortline.db.session import reading, writing
    from sortline.flows.lines import import_bundle
    from sortline.lines.store import get_line
    from sortline.registry.store import add_candidate
    from sortline.wiring import installation

    options = ForeignOptions(
        classes=classes,
        photos=photos,
        preprocess=preprocess,
        name=name,
        size=size,
        licence=licence,
        data_licence=data_licence,
    )
    with installation(settings(data_dir=data_dir)) as ready, TemporaryDirectory() as scratch:
        if line is not None:
            with reading(ready.engine) as session:
                get_line(session, line)
        if is_foreign(path):
            made = Path(scratch) / "bundle"
            import_foreign(path, options, made)
            path = made
        record = import_bundle(ready.engine, ready.bundles_dir, ready.blobs, path)
        if line is not None:
            with writing(ready.engine) as session:
                add_candidate(session, get_line(session, line).id, record.hash, who="cli")
    typer.echo(f"{record.name} {record.hash} is known here now.")
    # No run has compared it with what is live.
    promote = f"sortline models promote {record.hash[:12]} --line {line or 'LINE'} --force --reason WHY"
    typer.echo(f"To make it live: {promote}")


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
