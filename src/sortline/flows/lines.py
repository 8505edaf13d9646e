"""Bundles and lines together: a bundle becomes known, and a line starts to serve one."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Engine

from sortline.db.session import Session, reading, writing
from sortline.engine.bundle import MANIFEST, Bundle
from sortline.engine.packaged import packaged_bundles
from sortline.errors import SortlineError
from sortline.flows.bundle_files import bundle_folder as bundle_folder
from sortline.flows.bundle_files import bundle_from_zip, stow
from sortline.lines import store as lines
from sortline.lines.line import Line
from sortline.registry import store as registry
from sortline.registry.ledger import BundleRecord, UnknownBundle
from sortline.storage.blobs import Blobs

log = logging.getLogger(__name__)


def create_line(
    session: Session,
    bundles_dir: Path,
    name: str,
    *,
    title: str | None = None,
    bundle: str | None = None,
    policy: Mapping[str, object] | None = None,
    who: str,
    reason: str,
) -> Line:
    """A new line; it serves `bundle` at once where one is named (see `find_bundle`; first `know_bundle`).

    Raises:
        LineExists, InvalidLineName, UnknownBundle, BundleError: nothing was made.
    """
    record = find_bundle(session, bundles_dir, bundle) if bundle else None
    line = lines.create_line(
        session, name, title=title, policy=policy, class_names=record.classes if record else ()
    )
    if record:
        registry.promote(session, line.id, record.hash, who=who, reason=reason)
    return line


def find_bundle(session: Session, bundles_dir: Path, name: str) -> BundleRecord:
    """The bundle of that name or hash (or the first characters of one), newest first; packaged ones are registered.

    Raises:
        UnknownBundle: there is none.
        BundleError: the packaged one is damaged.
    """
    packaged = packaged_bundles()
    if name in packaged:
        return register_folder(session, bundles_dir, packaged[name])
    return _known(session, name)


def know_bundle(engine: Engine, bundles_dir: Path, blobs: Blobs, name: str) -> BundleRecord:
    """The bundle as `find_bundle` finds it, its files in the blob store, in transactions of milliseconds.

    For edges that are about to make it live somewhere, so that every server finds it.

    Raises:
        UnknownBundle: there is none.
        BundleError: the packaged one is damaged.
    """
    packaged = packaged_bundles()
    with reading(engine) as session:
        if name not in packaged:
            record = _known(session, name)
            folder = bundle_folder(record, bundles_dir)
            if record.manifest is not None or not folder.is_dir():
                return record
        else:
            folder = packaged[name]
    bundle = stow(folder, bundles_dir, blobs)
    with writing(engine) as session:
        return register(session, bundle, in_blobs=True)


def keep_files(engine: Engine, bundles_dir: Path, blobs: Blobs, record: BundleRecord) -> None:
    """The files of a bundle that is here are in the blob store, too, where an older Sortline did not put them.

    It serves all the same where that fails.
    """
    try:
        know_bundle(engine, bundles_dir, blobs, record.hash)
    except SortlineError as error:
        log.warning("bundle %s: other servers cannot find it yet: %s", record.name, error)


def import_bundle(engine: Engine, bundles_dir: Path, blobs: Blobs, place: Path) -> BundleRecord:
    """The bundle in a folder or a ZIP, known from now on, its files in the blob store.

    Raises:
        BundleError: it is none, or cannot be trusted.
    """
    if place.is_dir():
        bundle = stow(place, bundles_dir, blobs)
    else:
        bundles_dir.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".incoming-", dir=bundles_dir) as scratch:
            unpacked = Path(scratch) / "bundle"
            bundle_from_zip(place, unpacked)
            bundle = stow(unpacked, bundles_dir, blobs)
    with writing(engine) as session:
        return register(session, bundle, in_blobs=True)


def register_folder(
    session: Session, bundles_dir: Path, folder: Path, blobs: Blobs | None = None
) -> BundleRecord:
    """The bundle in a folder, verified, copied to where an upgrade of the package cannot change it, and registered.

    With `blobs` its files go there first. Where others write meanwhile, call `stow` before the transaction and
    `register` in it: this may take a second.

    Raises:
        BundleError: it cannot be trusted.
    """
    return register(session, stow(folder, bundles_dir, blobs), in_blobs=blobs is not None)


def register(session: Session, bundle: Bundle, *, in_blobs: bool) -> BundleRecord:
    """A bundle that `stow` gave, known from now on; `in_blobs` says whether it was given a blob store."""
    manifest = bundle.manifest
    return registry.register_bundle(
        session,
        hash=bundle.hash,
        name=manifest.name,
        path=str(bundle.folder),
        classes=manifest.classes,
        metrics=manifest.metrics,
        manifest=(bundle.folder / MANIFEST).read_text(encoding="utf-8") if in_blobs else None,
    )


def _known(session: Session, name: str) -> BundleRecord:
    known = registry.list_bundles(session)
    found = next((bundle for bundle in known if name == bundle.name or bundle.hash.startswith(name)), None)
    if found is None:
        raise UnknownBundle(name)
    return found
