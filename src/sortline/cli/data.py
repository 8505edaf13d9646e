"""`sortline data`: the catalogue of a line, from import to export."""

import typer

from sortline.cli import (
    data_check,
    data_diff,
    data_export,
    data_fetch,
    data_forget,
    data_import,
    data_insights,
    data_versions,
)

app = typer.Typer(help="Data: pictures in, versions, insights, pictures out.", no_args_is_help=True)
app.command("import")(data_import.import_)
app.command("imports")(data_import.imports)
app.command("fetch")(data_fetch.fetch)
app.command("versions")(data_versions.versions)
app.command("create")(data_versions.create)
app.command("activate")(data_versions.activate)
app.command("restore")(data_versions.restore)
app.command("diff")(data_diff.diff)
app.command("insights")(data_insights.insights)
app.command("export")(data_export.export)
app.command("forget")(data_forget.forget)
app.command("check")(data_check.check)
