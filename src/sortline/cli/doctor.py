"""`sortline doctor`: what is installed, what is fastest here, and what stands in the way."""

import typer
from rich.console import Console
from rich.text import Text

from sortline.cli.options import DataDir, settings


def doctor(data_dir: DataDir = None) -> None:
    """Check this installation; exit code 1 if something it needs is broken."""
    from sortline.cli import checks

    chosen, console, broken = settings(data_dir=data_dir), Console(soft_wrap=True, highlight=False), 0
    for finding in checks.all_findings(chosen):
        console.print(finding.mark, Text(f"{finding.what:12}", "bold"), Text(finding.says))
        broken += finding.state == "broken"
    if broken:
        raise typer.Exit(1)
