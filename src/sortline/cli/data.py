"""`sortline data`: the catalogue of a line, from import to export."""

import typer

from sortline.cli import data_check, data_export, data_fetch, data_import

app = typer.Typer(help="Data: pictures in, versions, insights, pictures out.", no_args_is_help=True)
app.command("import")(data_import.import_)
app.command("imports")(data_import.imports)
app.command("fetch")(data_fetch.fetch)
app.command("export")(data_export.export)
app.command("check")(data_check.check)
