"""`sortline keys`: what machine clients show. It works on the database itself, so it needs no key."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from sortline.cli.options import DataDir, settings

app = typer.Typer(help="API keys of machine clients.", no_args_is_help=True)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the key is for: 1 to 63 of a-z, 0-9 and . _ @ -")],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            help="classify, review, train or admin; may be given several times.",
            show_default="classify",
        ),
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=36500, help="Days until it expires.", show_default="never")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Make a key and print it, this once, on standard output."""
    from sortline.accounts.scopes import in_order, scopes_named
    from sortline.accounts.store.keys import create_key
    from sortline.cli.changes import note_command
    from sortline.db.session import writing
    from sortline.wiring import installation

    scopes = scopes_named(scope or ["classify"])
    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    with installation(settings(data_dir=data_dir)) as ready, writing(ready.engine) as session:
        key, secret = create_key(session, name=name, scopes=scopes, who="cli", expires_at=expires_at)
        note_command(session, "keys create", f"{key.name} ({key.start}…) for {','.join(in_order(scopes))}")
    typer.echo(f"{key.name} may {', '.join(in_order(key.scopes))}. Nobody can see it again:", err=True)
    typer.echo(secret)


@app.command("list")
def list_(data_dir: DataDir = None) -> None:
    """List the keys that were not revoked."""
    from sortline.accounts.scopes import in_order
    from sortline.accounts.store.keys import list_keys
    from sortline.db.session import reading
    from sortline.wiring import installation

    columns = ("id", "name", "begins", "scopes", "made by", "last used", "expires")
    table, now = Table(*columns, box=None, header_style="bold"), datetime.now(UTC)
    with installation(settings(data_dir=data_dir)) as ready, reading(ready.engine) as session:
        for key in list_keys(session, revoked=False):
            expires = _when(key.expires_at, "never") if key.holds(now) else "has expired"
            used = _when(key.last_used_at, "never")
            held = ", ".join(in_order(key.scopes))
            table.add_row(str(key.id), key.name, key.start, held, key.who, used, expires)
    Console().print(table)


@app.command("revoke")
def revoke(name: Annotated[str, typer.Argument(help="The key's name.")], data_dir: DataDir = None) -> None:
    """Revoke a key; running servers forget it within seconds."""
    from sortline.accounts.store.keys import key_named, revoke_key
    from sortline.cli.changes import note_command
    from sortline.db.session import writing
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready, writing(ready.engine) as session:
        key = revoke_key(session, key_named(session, name).id)
        note_command(session, "keys revoke", f"{key.name} ({key.start}…)")
    typer.echo(f"{key.name} ({key.start}…) opens nothing any more.")


def _when(at: datetime | None, otherwise: str) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else otherwise
