"""`sortline bundles`: the networks this installation can serve."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from sortline.cli import bundle_files
from sortline.cli.options import DataDir, settings
from sortline.errors import SortlineError
from sortline.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sortline.registry.ledger import BundleRecord
    from sortline.wiring import Installation

app = typer.Typer(
    help="Bundles: everything needed to classify, in one hashed folder each.", invoke_without_command=True
)
app.command("import")(bundle_files.import_)
app.command("export")(bundle_files.export)


class NoSuchBundle(SortlineError):
    """Neither the package nor this installation has it."""

    def __init__(self, name: str, known: list[str]) -> None:
        self.name, self.known = name, known
        super().__init__(f"There is no bundle {name!r}; known: {', '.join(known) or 'none'}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A bundle in the package or registered here; `live` names the lines it serves."""

    name: str
    hash: str
    classes: tuple[str, ...]
    accuracy: str
    live: tuple[str, ...]
    folder: Path


@app.callback()
def bundles(context: typer.Context, data_dir: DataDir = None) -> None:
    """List the bundles in the package and those registered here."""
    if context.invoked_subcommand is not None:
        return
    table = Table("bundle", "hash", "classes", "accuracy on test", "live on", box=None, header_style="bold")
    for known in find(settings(data_dir=data_dir)):
        live = ", ".join(known.live) or "-"
        table.add_row(known.name, known.hash[:12], str(len(known.classes)), known.accuracy, live)
    Console().print(table)


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="A bundle's name, or the first characters of its hash.")],
    data_dir: DataDir = None,
) -> None:
    """Print a bundle's model card."""
    everything = find(settings(data_dir=data_dir))
    found = next((known for known in everything if known.name == name or known.hash.startswith(name)), None)
    if found is None:
        raise NoSuchBundle(name, [known.name for known in everything])
    card = (found.folder / "card.md").read_text(encoding="utf-8")
    console = Console()
    if console.is_terminal:
        from rich.markdown import Markdown  # a parser that no other command needs

        console.print(Markdown(card))
    else:
        typer.echo(card)


def find(settings: Settings) -> list[Known]:
    """The packaged bundles, then those that only this installation has, newest first."""
    from sortline.engine.bundle import read_bundle
    from sortline.engine.packaged import packaged_bundles

    registered = _registered(settings)
    packaged = [read_bundle(folder) for folder in packaged_bundles().values()]
    live = {known.hash: known.live for known in registered}
    return [
        Known(
            name=bundle.manifest.name,
            hash=bundle.hash,
            classes=bundle.manifest.classes,
            accuracy=accuracy(bundle.manifest.metrics),
            live=live.get(bundle.hash, ()),
            folder=bundle.folder,
        )
        for bundle in packaged
    ] + [known for known in registered if known.hash not in {bundle.hash for bundle in packaged}]


def accuracy(metrics: "Mapping[str, Any]") -> str:
    """Accuracy on the test part with its 95 % interval, for people."""
    figures = metrics.get("test_accuracy")
    if not isinstance(figures, dict):
        return "not measured"
    return f"{figures['value']:.1%} ({figures['low']:.1%} to {figures['high']:.1%})".replace("%", " %")


def _registered(settings: Settings) -> list[Known]:
    """The bundles in the database; none where there is no installation yet, which looking does not make."""
    if settings.database_url is None and not (settings.data_dir / "sortline.db").exists():
        return []
    from sortline.db.session import reading
    from sortline.lines.store import list_lines
    from sortline.registry.store import list_bundles, live_bundles
    from sortline.wiring import installation

    with installation(settings) as ready, reading(ready.engine) as session:
        serving = live_bundles(session)
        lines = [(line.name, serving[line.id].hash) for line in list_lines(session) if line.id in serving]
        return [
            Known(
                name=bundle.name,
                hash=bundle.hash,
                classes=bundle.classes,
                accuracy=accuracy(bundle.metrics),
                live=tuple(name for name, hash_ in lines if hash_ == bundle.hash),
                folder=_here(bundle, ready),
            )
            for bundle in list_bundles(session)
        ]


def _here(bundle: "BundleRecord", ready: "Installation") -> Path:
    """The bundle's folder, fetched from the blob store where it is not on this machine."""
    from sortline.flows.bundle_files import bundle_folder, usable

    folder = bundle_folder(bundle, ready.bundles_dir)
    if folder.is_dir() or bundle.manifest is None:
        return folder
    return usable(bundle, ready.bundles_dir, ready.blobs).folder
