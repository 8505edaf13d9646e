"""Data sets anyone may fetch from where their publishers keep them: what each is, on what terms, and how to import it.

Nothing here is ours. Addresses, sizes and checksums are those that the publisher or a registry states; a checksum that
nobody states is None, and then only what was received can be noted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sortline.errors import SortlineError


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFile:
    """One file of a data set; `bytes` is its size, None where it is not known.

    `sha256` in hex is what `stated_by` says of it; None where nobody says.
    """

    name: str
    url: str
    bytes: int | None
    sha256: str | None
    stated_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A data set: `conditions` tells in a line what its licence asks; `kind` is how its files are imported.

    `layout` says how the files hold the pictures.
    """

    name: str
    title: str
    homepage: str
    licence: str
    conditions: str
    cite: str
    kind: str
    layout: str
    files: tuple[PublishedFile, ...]

    @property
    def bytes(self) -> int:
        """The size of all files together, as far as it is known."""
        return sum(file.bytes or 0 for file in self.files)

    def location(self, folder: Path) -> Path:
        """What to import once the files are in `folder`: the archive, or the folder of several files."""
        return folder / self.files[0].name if len(self.files) == 1 else folder


class UnknownDataset(SortlineError):
    """No data set of this name can be fetched."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"there is no data set {name!r} to fetch; known: {', '.join(DATASETS)}")


def published(name: str) -> Published:
    """The data set of this name.

    Raises:
        UnknownDataset: there is none; says which there are.
    """
    if name not in DATASETS:
        raise UnknownDataset(name)
    return DATASETS[name]


_REALWASTE = Published(
    name="realwaste",
    title="RealWaste: 4,752 photos of waste at a landfill, 9 classes, 524 px",
    homepage="https://archive.ics.uci.edu/dataset/908/realwaste",
    licence="CC BY-NC-SA 4.0, say its authors (the archive's page says CC BY 4.0)",
    conditions="Name the authors; no commercial use; pass on what you make of it under the same licence.",
    cite="S. Single, S. Iranmanesh, R. Raad: RealWaste, Information 14(12):633, 2023",
    kind="zip",
    layout="class folders below realwaste-main/RealWaste",
    files=(
        # The archive publishes no checksum, and its server sends no part of a file: it begins again when interrupted.
        # The size is what others received.
        PublishedFile(
            name="realwaste.zip",
            url="https://archive.ics.uci.edu/static/public/908/realwaste.zip",
            bytes=688_545_323,
            sha256=None,
        ),
    ),
)

_TRASHNET = Published(
    name="trashnet",
    title="TrashNet: 2,527 photos of rubbish on white, 6 classes, 512 by 384 px",
    homepage="https://github.com/garythung/trashnet",
    licence="MIT",
    conditions="Keep the copyright notice; its authors ask for a citation of the repository.",
    cite="G. Thung, M. Yang: Classification of Trash for Recyclability Status, 2016",
    kind="zip",
    layout="class folders below dataset-resized",
    files=(
        # Where the authors' README sends for the data.
        PublishedFile(
            name="dataset-resized.zip",
            url="https://huggingface.co/datasets/garythung/trashnet/resolve/main/dataset-resized.zip",
            bytes=42_834_870,
            sha256="c060e8abfe5d6de0578ca15be1ed8ad0794a865d333c3473d53d1d9ad6e38b8c",
            stated_by="several projects that use it",
        ),
    ),
)

_ZALANDO = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion"
_FASHION_MNIST = Published(
    name="fashion-mnist",
    title="Fashion-MNIST: 70,000 grey pictures of clothes, 10 classes, 28 px",
    homepage="https://github.com/zalandoresearch/fashion-mnist",
    licence="MIT",
    conditions="Keep the copyright notice of Zalando SE.",
    cite="H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST, arXiv:1708.07747, 2017",
    kind="idx",
    layout="idx files: 60,000 for training, 10,000 for testing",
    # Sizes and SHA-256 are of the files whose MD5 the publisher's README states.
    files=tuple(
        PublishedFile(
            name=name, url=f"{_ZALANDO}/{name}", bytes=size, sha256=sha256, stated_by="TensorFlow Datasets"
        )
        for name, size, sha256 in (
            (
                "train-images-idx3-ubyte.gz",
                26_421_880,
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            (
                "train-labels-idx1-ubyte.gz",
                29_515,
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            ),
            (
                "t10k-images-idx3-ubyte.gz",
                4_422_102,
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            ),
            (
                "t10k-labels-idx1-ubyte.gz",
                5_148,
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
        )
    ),
)

_CATS_VS_DOGS = Published(
    name="cats-vs-dogs",
    title="Cats and dogs: 25,000 photos of pets, 2 classes, many sizes; some files are damaged",
    homepage="https://www.microsoft.com/en-us/download/details.aspx?id=54765",
    licence="CDLA-Permissive-2.0, by the licence inside the archive",
    conditions="Pass the licence on with the data. The photos are Petfinder members'.",
    cite="J. Elson, J. Douceur, J. Howell, J. Saul: Asirra, ACM CCS 2007",
    kind="zip",
    layout="class folders below PetImages",
    files=(
        PublishedFile(
            name="kagglecatsanddogs_5340.zip",
            url="https://download.microsoft.com/download/3/E/1/3E1C3F21-ECDB-4869-8368-6DEBA77B919F/"
            "kagglecatsanddogs_5340.zip",
            bytes=824_887_076,
            sha256="b7974bd00a84a99921f36ee4403f089853777b5ae8d151c76a86e64900334af9",
            stated_by="GoMLX",
        ),
    ),
)

DATASETS: Mapping[str, Published] = {
    one.name: one for one in (_REALWASTE, _TRASHNET, _FASHION_MNIST, _CATS_VS_DOGS)
}
