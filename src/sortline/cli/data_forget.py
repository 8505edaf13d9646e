"""`sortline data forget`: everything that came from a source is gone for good."""

from typing import Annotated

import typer

from sortline.cli.data_import import OnlyLine
from sortline.cli.options import DataDir, settings


def forget(
    source: Annotated[
        str, typer.Option("--source", help="Where the pictures came from: a device, a way in.")
    ],
    line: OnlyLine = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Delete everything that came from a source, for good: its pictures, and its single predictions.

    Counts, labels and the membership in versions stay; they show nothing.
    """
    from sortline.db.session import reading
    from sortline.flows.erase import erase_source
    from sortline.lines import store as lines
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready:
        with reading(ready.engine) as session:
            chosen = [lines.get_line(session, line)] if line is not None else lines.list_lines(session)
        if not yes:
            where = "all lines" if line is None else line
            typer.confirm(f"Delete everything that came to {where} from {source!r}, for good?", abort=True)
        for one in chosen:
            done = erase_source(ready.engine, ready.blobs, ready.thumbnails, one.id, source)
            typer.echo(
                f"{one.name}: deleted {len(done.erased)} pictures and {done.predictions} predictions from {source!r}; "
                f"{len(done.already)} pictures were deleted before."
            )
            for place in done.places:
                typer.echo(f"It lies outside the data folder, so delete it yourself: {place}")
