"""Bring your own model: a network made elsewhere becomes a bundle, the way it reads pictures measured where photos are
given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sortline.engine.bundle import Bundle
from sortline.engine.foreign import classes as class_lists
from sortline.engine.foreign.errors import InvalidName, NoUsablePhotos, PreprocessingNeeded
from sortline.engine.foreign.measuring import Observer, Photo, Tried, measure, pick, unobserved, ways
from sortline.engine.foreign.network import inspect
from sortline.engine.foreign.opening import open_model
from sortline.engine.foreign.reading import Reading, names, parse
from sortline.engine.foreign.servable import prepare
from sortline.flows.foreign_bundle import Chosen, assemble

AUTO = "auto"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to import: a file or SavedModel folder, and the classes in the order of its outputs.

    `preprocess` is a way of reading pictures by name, or `auto` to have it measured on `photos`, a folder that has one
    of photos for each class; `size` in px where the network takes any; licences as SPDX identifiers or plain words.
    """

    path: Path
    classes: tuple[str, ...]
    preprocess: str = AUTO
    photos: Path | None = None
    name: str | None = None
    size: int | None = None
    licence: str | None = None
    data_licence: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """The bundle, how it reads pictures, what was tried for that (the best first), and what a person must know."""

    bundle: Bundle
    reading: Reading
    tried: tuple[Tried, ...]
    notes: tuple[str, ...]


def import_model(request: Request, folder: Path, observe: Observer = unobserved) -> Imported:
    """The bundle of a network made elsewhere, verified and written to `folder`; no database is touched.

    Raises:
        ForeignModelError: it cannot be imported; the subclass says why, and nothing was written.
    """
    name = _bundle_name(request)
    named = parse(request.preprocess) if request.preprocess != AUTO else None
    if named is None and request.photos is None:
        raise PreprocessingNeeded(names())
    photos, left_out = _find_photos(request)
    observe("reading the network", 0, 0)
    opened = open_model(request.path, size=request.size)
    network = inspect(opened.model, classes=len(request.classes), size=request.size)
    prepared = prepare(network, len(request.classes))
    candidates = ways(network)
    tried = measure(prepared, photos, candidates, observe)
    if request.photos and not tried:
        raise NoUsablePhotos(request.photos, left_out, request.classes)
    chosen = Chosen(
        name=name,
        path=request.path,
        format=opened.format,
        classes=request.classes,
        prepared=prepared,
        reading=named or pick(tried).reading,
        named=named is not None,
        tried=tried,
        photos=photos,
        left_out=left_out,
        licence=request.licence,
        data_licence=request.data_licence,
    )
    bundle, notes = assemble(chosen, folder, observe)
    return Imported(bundle=bundle, reading=chosen.reading, tried=tried, notes=notes)


def _bundle_name(request: Request) -> str:
    """The name asked for, or one from the file's; a bundle's is of a-z, 0-9 and '-'."""
    if request.name is not None:
        if not _NAME.fullmatch(request.name):
            raise InvalidName(request.name)
        return request.name
    plain = re.sub(r"[^a-z0-9]+", "-", request.path.resolve().stem.lower()).strip("-")
    return plain[:63].strip("-") or "model"


def _find_photos(request: Request) -> tuple[tuple[Photo, ...], tuple[str, ...]]:
    """The files in folders named by a class, in a fixed order, and the names of the other folders."""
    if request.photos is None:
        return (), ()
    inner = (
        sorted(path for path in request.photos.iterdir() if path.is_dir()) if request.photos.is_dir() else []
    )
    known = class_lists.folders([path.name for path in inner], request.classes)
    photos = tuple(
        Photo(path, known[folder.name])
        for folder in inner
        if folder.name in known
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    )
    left_out = tuple(path.name for path in inner if path.name not in known)
    if not photos:
        raise NoUsablePhotos(request.photos, left_out, request.classes)
    return photos, left_out
