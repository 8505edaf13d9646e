"""Labelling in a terminal: a picture at a time, one key each."""

import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from sortline.flows.ingest import Tools
    from sortline.review.item import ReviewItem
    from sortline.wiring import Installation

# Keys of classes, in their order: those that the page has for them.
KEYS = "1234567890qwertyiopdfjkzcvbm"
HELP = "[s]kip  [l]ater  [x] unusable  [u]ndo  [n]ew class  [Esc] end"
_AT_ONCE = 20


def by_keys(ready: "Installation", line: str, who: str) -> None:
    """Asks about one picture after another until the person ends or nothing is left."""
    from sortline.db.session import reading
    from sortline.lines.store import get_line
    from sortline.wiring import import_tools

    with reading(ready.engine) as session:
        line_id = get_line(session, line).id
    with TemporaryDirectory() as folder:
        _Asking(import_tools(ready), line_id, who, Path(folder)).run()


class _Asking:
    """One person at work; each picture lies in a file of `folder` while it is asked about."""

    def __init__(self, tools: "Tools", line_id: int, who: str, folder: Path) -> None:
        self._tools, self._line_id, self._who, self._folder = tools, line_id, who, folder
        self._seen: set[str] = set()

    def run(self) -> None:
        """Until the person ends, or has seen everything."""
        from sortline.flows.review_queue import Wanted, lease_next

        while True:
            found = lease_next(
                self._tools.engine, self._line_id, who=self._who, wanted=Wanted(), limit=_AT_ONCE
            )
            fresh = [item for item in found.items if item.id not in self._seen]
            if not fresh:
                typer.echo("Nothing is left to look at.")
                return
            for item in fresh:
                self._seen.add(item.id)
                if not self._ask(item):
                    return

    def _ask(self, item: "ReviewItem") -> bool:
        """Whether the person goes on after this picture."""
        classes = self._classes()
        shown = self._show(item)
        guess = f"{item.class_name} {item.confidence:.0%}" if item.class_name else "no guess"
        typer.echo(f"\n{shown}\n{item.reason}: {guess}, {item.source}")
        typer.echo("  ".join(f"[{key}] {name}" for key, name in zip(KEYS, classes, strict=False)))
        typer.echo(HELP)
        begun = time.monotonic()
        while True:
            key = typer.getchar()
            if key in ("\x1b", "\x03", "\x04", ""):
                return False
            if key == "u":
                self._undo()
                continue
            if self._decide(item, key, classes, int((time.monotonic() - begun) * 1000)):
                shown.unlink(missing_ok=True)
                return True

    def _decide(self, item: "ReviewItem", key: str, classes: Sequence[str], ms: int) -> bool:
        """Whether the key meant something that could be done."""
        from sortline.flows.review import Ask, decide

        names = dict(zip(KEYS, classes, strict=False))
        if key in names:
            ask = Ask(item=item.id, action="label", class_name=names[key], ms=ms)
        elif key == "n":
            name = typer.prompt("Its class")
            ask = Ask(item=item.id, action="label", class_name=name.strip(), new_class=True, ms=ms)
        elif key == "x":
            ask = Ask(item=item.id, action="unusable", ms=ms)
        elif key in ("s", "l"):
            ask = Ask(item=item.id, action="skip" if key == "s" else "defer", ms=ms)
        else:
            return False
        answers = decide(self._tools, self._line_id, [ask], who=self._who)
        for refused in answers.refused:
            typer.echo(str(refused.error), err=True)
        for done in answers.decided:
            typer.echo(done.label or ask.action)
        # One that is somebody else's by now, or gone, is not asked about again.
        return not any(one.error.__class__.__name__ == "InvalidClassName" for one in answers.refused)

    def _undo(self) -> None:
        from sortline.errors import SortlineError
        from sortline.flows.review_undo import undo

        try:
            done, left = undo(self._tools, self._line_id, [], who=self._who)
        except SortlineError as error:
            typer.echo(str(error))
            return
        for one in done:
            self._seen.discard(one.item or "")
            typer.echo(f"undone; it comes again: {one.item}")
        for other in left:
            typer.echo(str(other.error))

    def _classes(self) -> list[str]:
        from sortline.db.session import reading
        from sortline.lines.classes import list_classes

        with reading(self._tools.engine) as session:
            return [one.name for one in list_classes(session, self._line_id, retired=False)]

    def _show(self, item: "ReviewItem") -> Path:
        """Where the picture lies, for any viewer."""
        from sortline.db.session import reading
        from sortline.errors import SortlineError
        from sortline.flows.pictures import picture

        try:
            with reading(self._tools.engine) as session:
                data, media_type = picture(session, self._tools.blobs, item.image_sha256)
        except SortlineError as error:
            typer.echo(str(error), err=True)
            return self._folder / "gone"
        file = self._folder / f"{item.id}.{media_type.rpartition('/')[2]}"
        file.write_bytes(data)
        return file
