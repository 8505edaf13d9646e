"""Options that several commands share, and the settings they make together with the environment."""

from collections.abc import Container, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from sortline.errors import SortlineError
from sortline.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Where database and pictures lie.", show_default="sortline-data"),
]
Host = Annotated[str | None, typer.Option("--host", help="Address to listen on.", show_default="127.0.0.1")]
Port = Annotated[
    int | None, typer.Option("--port", help="Port to listen on; 0 takes a free one.", show_default="8000")
]
Insecure = Annotated[
    bool | None,
    typer.Option(
        "--insecure", help="Ask nobody who they are: whoever reaches the address may do everything."
    ),
]
Trust = Annotated[
    list[str] | None,
    typer.Option(
        "--trust",
        metavar="CIDR=SCOPE[,SCOPE]",
        help="Let an address range do something without a key; may be given several times.",
        show_default="none",
    ),
]


OfLine = Annotated[
    str | None, typer.Option("--line", help="The line.", show_default="the only one, where there is one")
]


class LineNeeded(SortlineError):
    """Several lines could be meant, or there is none."""

    def __init__(self, known: Sequence[str]) -> None:
        self.known = tuple(known)
        named = f"say which line is meant, with --line NAME; there are {', '.join(known)}"
        super().__init__(
            named if known else "there is no line yet; create one with: sortline lines create NAME"
        )


class InvalidSetting(SortlineError):
    """A setting from the environment or the command line is out of range."""

    def __init__(self, name: str, problem: str) -> None:
        self.name, self.problem = name, problem
        super().__init__(f"{name} is not valid: {problem}. See docs/configuration.md.")


def line_name(engine: "Engine", given: str | None) -> str:
    """The line that a command is about: the one given, or the only one there is.

    Raises:
        LineNeeded: none is given, and there is not exactly one.
    """
    if given is not None:
        return given
    from sortline.db.session import reading
    from sortline.lines.store import list_lines

    with reading(engine) as session:
        known = [line.name for line in list_lines(session)]
    if len(known) != 1:
        raise LineNeeded(known)
    return known[0]


def settings(**given: object) -> Settings:
    """The environment's settings, and on top what the command line gives (None where it gives nothing).

    Raises:
        InvalidSetting: one is out of range.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    try:
        return Settings(**chosen)  # type: ignore[arg-type]  # validated right here
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidSetting(_as_given(str(first["loc"][0]), chosen), first["msg"]) from None


def _as_given(name: str, chosen: Container[str]) -> str:
    """The name a user knows the setting by: an option's or a variable's."""
    if name in chosen:
        return f"--{name.replace('_', '-')}"
    return name if name.isupper() else f"SORTLINE_{name.upper()}"
