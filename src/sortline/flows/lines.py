"""Bundles and lines together: registering a bundle, and a line that starts to serve one."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from sortline.db.session import Session
from sortline.engine.bundle import read_bundle
from sortline.engine.packaged import packaged_bundles
from sortline.lines import store as lines
from sortline.lines.line import Line
from sortline.registry import store as registry
from sortline.registry.ledger import BundleRecord, UnknownBundle


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
    """A new line; it serves `bundle` at once where one is named (see `find_bundle`).

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
    known = registry.list_bundles(session)
    found = next((bundle for bundle in known if name == bundle.name or bundle.hash.startswith(name)), None)
    if found is None:
        raise UnknownBundle(name)
    return found


def register_folder(session: Session, bundles_dir: Path, folder: Path) -> BundleRecord:
    """The bundle in a folder, verified, copied to where an upgrade of the package cannot change it, and registered.

    Raises:
        BundleError: it cannot be trusted.
    """
    bundle = read_bundle(folder)
    place = bundles_dir / bundle.hash
    if not place.is_dir():
        beside = place.with_name(f".{bundle.hash}.incoming")
        shutil.rmtree(beside, ignore_errors=True)
        shutil.copytree(folder, beside)
        beside.replace(place)
    manifest = bundle.manifest
    return registry.register_bundle(
        session,
        hash=bundle.hash,
        name=manifest.name,
        path=str(place.absolute()),
        classes=manifest.classes,
        metrics=manifest.metrics,
    )


def bundle_folder(record: BundleRecord, bundles_dir: Path) -> Path:
    """Where the bundle lies on this machine: where it was registered, or in this installation's data folder."""
    places = [Path(record.path), bundles_dir / record.hash]
    return next((place for place in places if place.is_dir()), places[0])
