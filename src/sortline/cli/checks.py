"""What `sortline doctor` looks at: packages, the packaged bundles and their runtimes, the data folder, the database."""

import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import psutil
from PIL import features
from rich.text import Text

from sortline import __version__
from sortline.db.engine import connect
from sortline.db.migrate import HEAD, revision
from sortline.db.session import reading
from sortline.engine.bundle import Bundle, BundleError, read_bundle
from sortline.engine.choice import RuntimeUnavailable, candidates, choose
from sortline.engine.packaged import packaged_bundles
from sortline.errors import SortlineError
from sortline.settings import Settings, available_cores
from sortline.training.extra import can_finetune

NEEDED_DISK = 1024**3
State = Literal["good", "absent", "broken"]
_MARKS = {"good": Text("✓", "green"), "absent": Text("-", "yellow"), "broken": Text("✗", "red")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the report. What Sortline needs can be broken; what it merely can use is absent."""

    what: str
    says: str
    state: State = "good"

    @property
    def mark(self) -> Text:
        """The line's first character."""
        return _MARKS[self.state]


def all_findings(settings: Settings) -> Iterator[Finding]:
    """Everything, the slow measuring of runtimes last."""
    yield Finding(
        what="sortline", says=f"{__version__}, Python {platform.python_version()} at {sys.executable}"
    )
    yield from packages()
    yield machine()
    yield data_folder(settings.data_dir)
    yield disk(settings.data_dir)
    yield database(settings)
    for name, folder in packaged_bundles().items():
        yield from packaged_bundle(name, folder, settings.inference_threads)


def packages() -> Iterator[Finding]:
    """The libraries that do the work, and those that could."""
    runtimes = [name for name in ("onnxruntime", "onnxruntime-gpu", "openvino") if _version(name)]
    if runtimes:
        yield Finding(what="inference", says=", ".join(f"{name} {_version(name)}" for name in runtimes))
    else:
        yield Finding(
            what="inference", says="no runtime; run: pip install onnxruntime openvino", state="broken"
        )
    turbo = features.version("libjpeg_turbo") if features.check("libjpeg_turbo") else None
    within = f"with libjpeg-turbo {turbo}" if turbo else "without libjpeg-turbo"
    yield Finding(
        what="pictures", says=f"simplejpeg {_version('simplejpeg')}, Pillow {_version('pillow')} {within}"
    )
    if found := _version("pillow-heif"):
        yield Finding(what="HEIC", says=f"pillow-heif {found}")
    else:
        yield Finding(what="HEIC", says="not read; to read it: pip install pillow-heif", state="absent")
    if can_finetune():
        yield Finding(what="fine-tunes", says=f"PyTorch {_version('torch')}, timm {_version('timm')}")
    else:
        says = "no PyTorch; to train whole networks: pip install 'sortline[train]'"
        yield Finding(what="fine-tunes", says=says, state="absent")


def machine() -> Finding:
    """Cores and memory."""
    memory = psutil.virtual_memory()
    says = (
        f"{available_cores()} cores, {_gigabytes(memory.available)} of {_gigabytes(memory.total)} memory free"
    )
    return Finding(what="machine", says=says)


def data_folder(folder: Path) -> Finding:
    """Whether the folder, or the one it will be made in, takes files."""
    place = _existing(folder)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        says = f"{place} cannot be written ({error.strerror}); make it writable, or choose another with --data-dir"
        return Finding(what="data", says=says, state="broken")
    there = "is writable" if place == folder.absolute() else "is not there yet, `sortline up` makes it"
    return Finding(what="data", says=f"{folder.absolute()} {there}")


def disk(folder: Path) -> Finding:
    """Free space where the data folder is."""
    free = shutil.disk_usage(_existing(folder)).free
    if free < NEEDED_DISK:
        says = f"only {_gigabytes(free)} free; make room, or choose another disk with --data-dir"
        return Finding(what="disk", says=says, state="broken")
    return Finding(what="disk", says=f"{_gigabytes(free)} free")


def database(settings: Settings) -> Finding:
    """Whether it answers, and its schema. Looking makes no database."""
    file = settings.data_dir / "sortline.db"
    if settings.database_url is None and not file.exists():
        return Finding(what="database", says="SQLite, not there yet, `sortline up` makes it")
    try:
        engine = connect(settings.database)
        try:
            with reading(engine) as session:
                found = revision(session)
        finally:
            engine.dispose()
    except SortlineError as error:
        return Finding(what="database", says=str(error), state="broken")
    name = engine.dialect.name
    if found is not None and found > HEAD:
        says = f"{name} has schema {found}, this Sortline knows {HEAD}; upgrade Sortline"
        return Finding(what="database", says=says, state="broken")
    if found != HEAD:
        return Finding(what="database", says=f"{name} answers; `sortline up` brings its schema to {HEAD}")
    return Finding(what="database", says=f"{name} answers, schema {found}")


def packaged_bundle(name: str, folder: Path, threads: int) -> Iterator[Finding]:
    """Whether a bundle is whole, and how fast each runtime is with it."""
    try:
        bundle = read_bundle(folder)
    except BundleError as error:
        says = f"{error.reason}; reinstall: pip install --force-reinstall sortline"
        yield Finding(what=f"bundle {name}", says=says, state="broken")
        return
    yield Finding(what="bundle", says=f"{name} {bundle.hash[:12]}, {len(bundle.manifest.classes)} classes")
    yield from runtimes(bundle, threads)


def runtimes(bundle: Bundle, threads: int) -> Iterator[Finding]:
    """Every runtime with its pictures a second on all threads, the chosen one first; then those that cannot serve."""
    speeds, reasons = dict[str, float](), dict[str, str]()
    try:
        _, choice = choose(bundle, threads=threads)
        speeds = choice.images_per_second
    except RuntimeUnavailable as error:
        reasons = error.reasons
    ranked = sorted(speeds, key=lambda name: -speeds[name])
    for place, name in enumerate(ranked):
        says = f"{name}: {speeds[name]:.0f} pictures/s"
        if place == 0 and len(ranked) > 1:
            says += f", the fastest here: {speeds[name] / speeds[ranked[1]]:.2f} times the next"
        yield Finding(what="runtime", says=says)
    for name in candidates().keys() - speeds.keys():
        reason = reasons.get(name) or _reason(bundle, threads, name)
        yield Finding(what="runtime", says=f"{name}: {reason}", state="absent")
    if not ranked:
        says = "none serves this bundle; reinstall: pip install --force-reinstall onnxruntime openvino"
        yield Finding(what="runtime", says=says, state="broken")


def _reason(bundle: Bundle, threads: int, name: str) -> str:
    """Why a runtime was left out of the choice; asked for alone, it says so."""
    try:
        choose(bundle, threads=threads, preferred=name)
    except RuntimeUnavailable as error:
        return error.reasons.get(name, str(error))
    return "it serves now and did not a moment ago; run this again"


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(place for place in (folder.absolute(), *folder.absolute().parents) if place.is_dir())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _gigabytes(count: int) -> str:
    return f"{count / 1024**3:.1f} GB"
