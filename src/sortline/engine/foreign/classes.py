"""The list of classes that belongs to a network's outputs, as people keep it."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sortline.engine.foreign.errors import InvalidClasses

_NUMBERED = re.compile(r"^(\d+)[\s:,]+(.+)$")


def read_classes(given: str) -> tuple[str, ...]:
    """The classes in the order of the outputs: from `a,b,c`, or from a file with one a line, perhaps numbered, or JSON
    (a list, or a mapping either way between names and numbers).

    Raises:
        InvalidClasses: it cannot be read, or says a class twice.
    """
    path = Path(given)
    is_file = "," not in given and path.is_file()
    if not is_file and "," not in given:
        raise InvalidClasses(given, "it is neither a file nor a list like a,b,c")
    names = _of_file(given, path) if is_file else [name.strip() for name in given.split(",")]
    if len(names) < 2:
        raise InvalidClasses(given, "there must be two or more")
    if any(not name or not name.isprintable() for name in names):
        raise InvalidClasses(given, "one is empty or has characters that cannot be printed")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidClasses(given, f"{', '.join(twice)} twice")
    return tuple(names)


def _of_file(given: str, path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".json":
            return _of_json(given, json.loads(text))
    except (OSError, ValueError) as error:
        raise InvalidClasses(given, f"it cannot be read ({error})") from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    numbered = [_NUMBERED.match(line) for line in lines]
    # As Teachable Machine writes them: "0 cardboard". A class may begin with a number, too, so all must count.
    if all(found and int(found[1]) == index for index, found in enumerate(numbered)):
        return [found[2].strip() for found in numbered if found]
    return lines


def _of_json(given: str, value: Any) -> list[str]:
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return value
    if isinstance(value, dict):
        pairs = [(k, v) if isinstance(v, str) else (v, k) for k, v in value.items()]
        if sorted(str(number) for number, _ in pairs) == sorted(str(index) for index in range(len(pairs))):
            return [name for _, name in sorted(pairs, key=lambda pair: int(pair[0]))]
    raise InvalidClasses(
        given, "its JSON is neither a list of names nor a mapping of names and numbers from 0"
    )


def folders(names: Sequence[str], classes: Sequence[str]) -> dict[str, int]:
    """Which class each folder's name stands for: case, spaces and dashes aside; folders of no class are left out."""
    known = {_plain(name): index for index, name in enumerate(classes)}
    return {name: known[_plain(name)] for name in names if _plain(name) in known}


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()
