"""A recipe as TOML for people, and what each of its keys allows in words: both read off the recipe's types."""

import dataclasses
import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import annotated_types
from pydantic.fields import FieldInfo

_WIDTH = 110


def toml(recipe: Any) -> str:
    """The recipe as TOML; above each key a comment with what it does and what is allowed."""
    lines = [f"# {_first_line(type(recipe))}", ""]
    lines += _table(recipe, ())
    return "\n".join(lines).rstrip() + "\n"


def known_keys(kind: type, path: Sequence[str]) -> tuple[str, ...]:
    """The keys of the table at `path` in a recipe of this kind."""
    found = _unwrap(_annotation(kind, path))[0]
    return tuple(field.name for field in dataclasses.fields(found)) if dataclasses.is_dataclass(found) else ()


def allowed(kind: type, path: Sequence[str]) -> str:
    """What the key at `path` may be, in words: `a whole number from 2 to 4096`."""
    return _words(_annotation(kind, path))


def _table(value: Any, path: tuple[str, ...]) -> Iterator[str]:
    """The lines of a table: plain keys first, since TOML gives all that follows a header to that header."""
    hints = get_type_hints(type(value), include_extras=True)
    plain: list[tuple[str, Any]] = []
    tables: list[tuple[str, Any]] = []
    for field in dataclasses.fields(value):
        held = getattr(value, field.name)
        is_table = isinstance(held, Mapping) or dataclasses.is_dataclass(held)
        (tables if is_table else plain).append((field.name, held))
    for name, held in plain:
        yield from _comment(f"{_description(hints[name])} ({_words(hints[name])})")
        yield f"{name} = {_literal(held)}"
    for name, held in tables:
        yield ""
        yield from _comment(_description(hints[name]))
        yield f"[{'.'.join((*path, name))}]"
        if isinstance(held, Mapping):
            yield from (f"{key} = {_literal(each)}" for key, each in held.items())
        else:
            yield from _table(held, (*path, name))


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ")


def _literal(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(_literal(each) for each in value)}]"
    if isinstance(value, float):
        return repr(value)
    # What JSON escapes in a string, and how, TOML does as well; true, false and whole numbers look the same.
    return json.dumps(value, ensure_ascii=False)


def _annotation(kind: type, path: Sequence[str]) -> Any:
    """The type at `path`, as far as it has names; keys of a free table have that table's type."""
    found: Any = kind
    for name in path:
        inner = _unwrap(found)[0]
        if not dataclasses.is_dataclass(inner):
            break
        found = get_type_hints(inner, include_extras=True).get(name, found)
    return found


def _unwrap(annotation: Any) -> tuple[Any, list[Any]]:
    """The type inside Annotated, and what was annotated, from the inside out."""
    said: list[Any] = []
    while get_origin(annotation) is Annotated:
        annotation, *outer = get_args(annotation)
        said += outer
    return annotation, said


def _description(annotation: Any) -> str:
    inner, said = _unwrap(annotation)
    found = [each.description for each in said if isinstance(each, FieldInfo) and each.description]
    return found[-1] if found else _first_line(inner)


def _first_line(kind: Any) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0]


def _words(annotation: Any) -> str:
    inner, said = _unwrap(annotation)
    limits = [m for each in said if isinstance(each, FieldInfo) for m in each.metadata]
    origin = get_origin(inner)
    if origin is Literal:
        return ", ".join(json.dumps(value) for value in get_args(inner))
    if origin is tuple:
        return _list_words(get_args(inner))
    if origin is dict or dataclasses.is_dataclass(inner):
        return "a table"
    if origin is UnionType:
        return "true, false, a number, a text, or a list of those"
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    return names[inner] + _range(limits)


def _list_words(elements: tuple[Any, ...]) -> str:
    if elements[-1] is Ellipsis:
        return f"a list, each {_words(elements[0])}"
    return f"[{'; '.join(_words(each) for each in elements)}]"


def _range(limits: Sequence[Any]) -> str:
    """` from 0 to below 1`, or nothing."""
    words = ""
    for limit in limits:
        match limit:
            case annotated_types.Ge(ge=low):
                words += f" from {_plain(low)}"
            case annotated_types.Gt(gt=low):
                words += f" above {_plain(low)}"
    for limit in limits:
        match limit:
            case annotated_types.Le(le=high):
                words += f" to {_plain(high)}" if " from" in words else f", at most {_plain(high)}"
            case annotated_types.Lt(lt=high):
                words += f" to below {_plain(high)}" if " from" in words else f", below {_plain(high)}"
    return words


def _plain(number: Any) -> str:
    return f"{int(number)}" if number == int(number) else f"{number:g}"
