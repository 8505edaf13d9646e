"""`sortline users`: who may sign in. It works on the database itself, so it needs no sign-in."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from sortline.cli.options import DataDir, Host, Port, settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

app = typer.Typer(help="People who may sign in, and their roles.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The name they sign in with.")]
RoleName = Annotated[str, typer.Option("--role", help="viewer, operator, trainer or admin.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking.")
]


@app.command("add")
def add(
    name: Name, role: RoleName = "operator", password_stdin: FromStdin = False, data_dir: DataDir = None
) -> None:
    """Add a person; asks for the password."""
    from sortline.accounts.person import valid_name
    from sortline.accounts.scopes import role_named
    from sortline.accounts.store import people
    from sortline.cli.changes import note_command
    from sortline.db.session import writing

    found, kind = valid_name(name), role_named(role)
    hashed = _hashed(found, password_stdin)
    with _engine(data_dir) as engine, writing(engine) as session:
        people.add_person(session, name=found, role=kind, hashed=hashed)
        note_command(session, "users add", f"{found} as {kind.value}")
    typer.echo(f"{found} can sign in as {kind.value}.")


@app.command("list")
def list_(data_dir: DataDir = None) -> None:
    """List people, their roles, and when they were last here."""
    from sortline.accounts.store import people
    from sortline.db.session import reading

    table = Table("name", "role", "added", "last seen", box=None, header_style="bold")
    with _engine(data_dir) as engine, reading(engine) as session:
        for person in people.list_people(session):
            seen = f"{person.seen_at:%Y-%m-%d %H:%M}" if person.seen_at else "not signed in"
            table.add_row(person.name, person.role.value, f"{person.created_at:%Y-%m-%d}", seen)
    Console().print(table)


@app.command("role")
def role(
    name: Name,
    new: Annotated[str, typer.Argument(metavar="ROLE", help="viewer, operator, trainer or admin.")],
    data_dir: DataDir = None,
) -> None:
    """Give a person another role."""
    from sortline.accounts.scopes import role_named
    from sortline.accounts.store import people
    from sortline.cli.changes import note_command
    from sortline.db.session import writing

    kind = role_named(new)
    with _engine(data_dir) as engine, writing(engine) as session:
        person = people.set_role(session, name, kind)
        note_command(session, "users role", f"{person.name} is {kind.value}")
    typer.echo(f"{person.name} is {kind.value} now.")


@app.command("password")
def password(name: Name, password_stdin: FromStdin = False, data_dir: DataDir = None) -> None:
    """Give a person another password; they are signed out everywhere."""
    from sortline.accounts.store import people
    from sortline.cli.changes import note_command
    from sortline.db.session import reading, writing

    with _engine(data_dir) as engine:
        with reading(engine) as session:
            person = people.get_person(session, name)
        hashed = _hashed(person.name, password_stdin)
        with writing(engine) as session:
            people.set_password(session, person.name, hashed)
            note_command(session, "users password", person.name)
    typer.echo(f"{person.name} has a new password and is signed out everywhere.")


@app.command("remove")
def remove(name: Name, data_dir: DataDir = None) -> None:
    """Remove a person; what they did keeps their name."""
    from sortline.accounts.store import people
    from sortline.cli.changes import note_command
    from sortline.db.session import writing

    with _engine(data_dir) as engine, writing(engine) as session:
        people.remove_person(session, name)
        note_command(session, "users remove", name.lower())
    typer.echo(f"{name.lower()} cannot sign in any more.")


@app.command("link")
def link(host: Host = None, port: Port = None, data_dir: DataDir = None) -> None:
    """Print a new one-time link, as the start of a server does: --host and --port as it has them."""
    from sortline.cli.links import base_url, sign_in_link

    chosen = settings(host=host, port=port, data_dir=data_dir)
    with _engine(data_dir) as engine:
        found = sign_in_link(engine, chosen)
    if found is None:
        typer.echo(
            "There is an admin already, who signs in by password: sortline users password NAME", err=True
        )
        raise typer.Exit(1)
    typer.echo(base_url(chosen, chosen.port) + found.path)


@contextmanager
def _engine(data_dir: DataDir) -> "Iterator[Engine]":
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready:
        yield ready.engine


def _hashed(name: str, from_stdin: bool) -> str:
    from sortline.accounts.passwords import check_strength, hash_password

    if from_stdin:
        given = sys.stdin.readline().rstrip("\r\n")
    else:
        given = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    check_strength(given, name)
    return hash_password(given)
