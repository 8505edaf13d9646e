"""A bundle's files: in a folder on each machine, in the blob store for all of them, in a ZIP for people."""

from __future__ import annotations

import os
import shutil
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile

from sortline.engine.bundle import (
    MANIFEST,
    OPTIONAL_FILES,
    REQUIRED_FILES,
    Bundle,
    BundleError,
    Manifest,
    read_bundle,
)
from sortline.engine.packaged import packaged_bundles
from sortline.flows.zip_stream import ZipStream
from sortline.registry.ledger import BundleRecord
from sortline.storage.blobs import Blobs
from sortline.storage.errors import StorageUnavailable, UnknownBlob

_FILES = REQUIRED_FILES | OPTIONAL_FILES | {MANIFEST}
# What a ZIP may unpack to; networks of a few hundred MB are the largest that are served from CPUs.
_MOST_BYTES = 4 * 1024**3
_BLOCK = 1 << 20
# A copy is made in seconds: an older one was left by a process that was killed.
_LEFTOVER_AGE_S = 3600


def stow(folder: Path, bundles_dir: Path, blobs: Blobs | None) -> Bundle:
    """The bundle in a folder, verified: its files lie in `bundles_dir` and, for every other machine, in the blob store.

    Comes before its row, and outside any transaction: it may take a second. Doing it again costs a look.

    Raises:
        BundleError: it cannot be trusted.
        StorageUnavailable: the folder or the blob store refused.
    """
    bundle = read_bundle(folder)
    place = bundles_dir / bundle.hash
    if not place.is_dir():
        _install(place, lambda beside: shutil.copytree(folder, beside))
    if blobs is not None:
        for name, sha256 in bundle.manifest.files.items():
            blobs.put_many([(sha256, (folder / name).read_bytes())])
    return Bundle(place.absolute(), bundle.manifest)


def usable(record: BundleRecord, bundles_dir: Path, blobs: Blobs) -> Bundle:
    """The bundle on this machine, verified; fetched from the blob store where it is not here, or damaged.

    Raises:
        BundleError: it is nowhere, or cannot be trusted.
        StorageUnavailable: it cannot be written here.
    """
    try:
        return read_bundle(bundle_folder(record, bundles_dir))
    except BundleError:
        if record.manifest is None:
            raise
    return _restore(record, record.manifest, bundles_dir, blobs)


def bundle_folder(record: BundleRecord, bundles_dir: Path) -> Path:
    """Where the bundle lies on this machine: in its data folder, where it was registered, or in the package."""
    places = [bundles_dir / record.hash, Path(record.path)]
    if record.manifest is None:  # else it is in the blob store, where no upgrade of the package changes it
        places += [folder for folder in packaged_bundles().values() if _manifest(folder).hash == record.hash]
    return next((place for place in places if place.is_dir()), places[0])


def bundle_zip(bundle: Bundle, moment: datetime, scratch: Path) -> Iterator[bytes]:
    """The bundle's folder as a ZIP, block by block; `bundle_from_zip` takes it back."""
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=scratch) as table:
        stream = ZipStream(table, moment)
        for name in (MANIFEST, *sorted(bundle.manifest.files)):
            with (bundle.folder / name).open("rb") as file:
                yield from stream.copy(f"{zip_name(bundle)}/{name}", file)
        yield from stream.finish()


def zip_name(bundle: Bundle) -> str:
    """The name of a bundle's ZIP, and of the folder in it."""
    return f"{bundle.manifest.name}-{bundle.hash[:12]}"


def bundle_from_zip(archive: Path, folder: Path) -> None:
    """The bundle of a ZIP, its files at the top or in one folder, unpacked into a new `folder`; not yet verified.

    Raises:
        BundleError: it is no ZIP of a bundle.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            if sum(member.file_size for member in members) > _MOST_BYTES:
                raise BundleError(archive, f"it unpacks to more than {_MOST_BYTES >> 30} GiB")
            folder.mkdir(parents=True)
            for member in members:
                _unpack(opened, member, folder / _place(archive, member.filename))
    except FileExistsError as error:
        raise BundleError(archive, "it holds more than one bundle") from error
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise BundleError(archive, f"it is no ZIP that can be read ({error})") from error


def _place(archive: Path, name: str) -> str:
    path = PurePosixPath(name)
    if len(path.parts) > 2 or ".." in path.parts or path.name not in _FILES:
        raise BundleError(archive, f"it holds {name}, which is no file of a bundle")
    return path.name


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    # Never more than the archive says: a bomb lies about its size.
    left = member.file_size
    with archive.open(member) as packed, path.open("xb") as file:
        while left and (block := packed.read(min(left, _BLOCK))):
            file.write(block)
            left -= len(block)


def _restore(record: BundleRecord, manifest: str, bundles_dir: Path, blobs: Blobs) -> Bundle:
    place = bundles_dir / record.hash

    def fill(beside: Path) -> None:
        beside.mkdir(parents=True)
        (beside / MANIFEST).write_text(manifest, encoding="utf-8")
        for name, sha256 in Manifest.model_validate_json(manifest).files.items():
            try:
                (beside / name).write_bytes(blobs.get(sha256))
            except UnknownBlob:
                raise BundleError(place, f"{name} is neither on this machine nor in the blob store") from None
        if read_bundle(beside).hash != record.hash:
            raise BundleError(beside, "it is another bundle than the one that was registered")

    _install(place, fill)
    return read_bundle(place)


def _install(place: Path, fill: Callable[[Path], object]) -> None:
    """The folder is there, whole, as `fill(folder beside it)` makes it, instead of any that was there before.

    Raises:
        StorageUnavailable: the disk refused, as where it is full; what was there before is as it was.
    """
    beside = place.with_name(f".{place.name}.{os.getpid()}.{time.monotonic_ns()}")
    aside = beside.with_name(f"{beside.name}.old")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _sweep(place)
        fill(beside)
        if place.is_dir():
            place.rename(aside)
        try:
            beside.rename(place)
        except OSError:
            # Another process may have made the same meanwhile.
            if not place.is_dir():
                raise
    except OSError as error:
        raise StorageUnavailable(place.parent, _why(error)) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)


def _why(error: OSError) -> str:
    """What the disk said; copying a folder tells of each file, mostly the same."""
    if isinstance(error, shutil.Error):
        return str(error.args[0][0][2])
    return error.strerror or str(error)


def _sweep(place: Path) -> None:
    for left in place.parent.glob(f".{place.name}.*"):
        if time.time() - left.stat().st_mtime > _LEFTOVER_AGE_S:
            shutil.rmtree(left, ignore_errors=True)


def _manifest(folder: Path) -> Manifest:
    return Manifest.model_validate_json((folder / MANIFEST).read_text(encoding="utf-8"))
