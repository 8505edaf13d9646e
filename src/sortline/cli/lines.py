"""`sortline lines`: what this installation sorts. A running server follows within a second."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sortline.cli.options import DataDir, settings

app = typer.Typer(help="Lines: one for each sorting task.", no_args_is_help=True)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="1 to 63 of a-z, 0-9 and '-'.")],
    title: Annotated[str | None, typer.Option(help="Its name for people.", show_default="NAME")] = None,
    bundle: Annotated[str | None, typer.Option(help="Name or hash of the bundle that serves it.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Create a line; with --bundle it serves at once."""
    from sortline.db.session import writing
    from sortline.flows.lines import create_line, know_bundle
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready:
        found = know_bundle(ready.engine, ready.bundles_dir, ready.blobs, bundle) if bundle else None
        with writing(ready.engine) as session:
            line = create_line(
                session,
                ready.bundles_dir,
                name,
                title=title,
                bundle=found.hash if found else None,
                who="cli",
                reason="served from its creation on",
            )
    serves = f"served by the bundle {bundle}" if bundle else "without a model yet"
    typer.echo(f"Created the line {line.name}, {serves}: POST /api/v1/lines/{line.name}/classify")


@app.command("list")
def list_(data_dir: DataDir = None) -> None:
    """List the lines with their classes and the bundles that serve them."""
    from sortline.db.session import reading
    from sortline.lines import store
    from sortline.registry.store import live_bundles
    from sortline.wiring import installation

    table = Table("line", "title", "default", "classes", "bundle", box=None, header_style="bold")
    with installation(settings(data_dir=data_dir)) as ready, reading(ready.engine) as session:
        live = live_bundles(session)
        for line in store.list_lines(session):
            classes = len(store.list_classes(session, line.id, retired=False))
            serving = f"{live[line.id].name} {live[line.id].hash[:12]}" if line.id in live else "none yet"
            default = "yes" if line.is_default else ""
            table.add_row(line.name, Text(line.title), default, str(classes), serving)
    Console().print(table)


@app.command("default")
def default(name: Annotated[str, typer.Argument(help="The line's name.")], data_dir: DataDir = None) -> None:
    """Make a line the one behind routes that name none."""
    from sortline.db.session import writing
    from sortline.lines.store import make_default
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready, writing(ready.engine) as session:
        line = make_default(session, name)
    typer.echo(f"{line.name} is the default line now.")
