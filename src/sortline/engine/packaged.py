"""The bundles that come with the package, and `sortline.load`."""

from importlib.resources import files
from pathlib import Path

from sortline.engine.bundle import MANIFEST, BundleError
from sortline.engine.classifier import Classifier, load_classifier


def packaged_bundles() -> dict[str, Path]:
    """The folder of each bundle in the package, by name."""
    root = Path(str(files("sortline"))) / "bundles"
    return {folder.name: folder for folder in sorted(root.glob("*")) if (folder / MANIFEST).is_file()}


def load(bundle: str | Path, *, threads: int = 1, runtime: str = "auto") -> Classifier:
    """A classifier over a packaged bundle by name, or over the bundle in a folder.

    Example:
        >>> import sortline
        >>> sortline.load("waste").classify("photo.jpg").class_name  # doctest: +SKIP
        'Glass'

    Raises:
        BundleError: there is no such bundle, or it cannot be trusted.
    """
    packaged = packaged_bundles()
    folder = packaged.get(str(bundle), Path(bundle))
    if not folder.is_dir():
        raise BundleError(folder, f"there is no such folder; bundles in the package: {', '.join(packaged)}")
    return load_classifier(folder, threads=threads, runtime=runtime)
