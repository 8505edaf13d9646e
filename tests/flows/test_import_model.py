"""Bring your own model: a network made elsewhere becomes a verified bundle that says what is not known of it."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import Engine

from sortline.db.session import reading
from sortline.engine.bundle import read_bundle
from sortline.engine.canonical import canonical
from sortline.engine.classifier import load_classifier
from sortline.engine.foreign.errors import (
    InvalidName,
    NoUsablePhotos,
    PreprocessingNeeded,
    WrongClassCount,
)
from sortline.engine.foreign.measuring import Photo, measure, spread
from sortline.engine.foreign.network import inspect
from sortline.engine.foreign.opening import open_model
from sortline.engine.foreign.reading import parse
from sortline.engine.foreign.servable import prepare
from sortline.flows.import_model import Request, import_model
from sortline.flows.lines import import_bundle
from sortline.registry.store import list_bundles
from sortline.storage.local import LocalBlobs
from tests.foreign_models import CLASSES, network, particular, save, write_photos

SHARED = Path(__file__).parents[3] / "shared"
TEACHABLE = SHARED / "weights/teachable-machine-keras"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A network made for BGR at −1 to 1 and the centre square."""
    return save(particular(), tmp_path / "Their Model_v2.onnx")


def test_measured_import_serves(model: Path, tmp_path: Path) -> None:
    """With a few labelled photos the way it reads pictures is found, and the bundle is right about all of them."""
    photos = write_photos(tmp_path / "photos")
    steps: list[tuple[str, int, int]] = []
    request = Request(path=model, classes=CLASSES, photos=photos, licence="MIT")
    done = import_model(request, tmp_path / "bundle", lambda *step: steps.append(step))
    bundle = read_bundle(tmp_path / "bundle")
    manifest = bundle.manifest
    assert bundle.hash == done.bundle.hash
    assert (manifest.name, manifest.classes) == ("their-model-v2", CLASSES)
    assert (done.reading.name, manifest.preprocessing.resize) == ("signed-bgr-crop", "crop")
    classifier = load_classifier(tmp_path / "bundle")
    for name in CLASSES:
        found = classifier.classify_batch(sorted((photos / name).iterdir()))
        assert {each.class_name for each in found} == {name}
    assert list(dict.fromkeys(what for what, _, _ in steps)) == [
        "reading the network",
        "trying 20 ways of reading pictures on 30 photos",
        "asking it about the photos",
        "holding it against its file",
        "calibrating and writing the bundle",
    ]
    assert [(done, of) for what, done, of in steps if what.startswith("trying")] == [
        (n, 20) for n in range(21)
    ]


def test_bundle_remembers_the_photos(model: Path, tmp_path: Path) -> None:
    """All are validation, under their canonical hash: nobody will test on what chose the preprocessing."""
    photos = write_photos(tmp_path / "photos")
    import_model(Request(path=model, classes=CLASSES, photos=photos), tmp_path / "bundle")
    bundle = read_bundle(tmp_path / "bundle")
    memory = bundle.memory()
    assert (len(memory.labels), set(memory.splits.tolist())) == (30, {1})
    one = canonical((photos / "red/0.png").read_bytes()).sha256
    assert int.from_bytes(one[:8], "big") in memory.prefixes.tolist()
    flagged = [
        each.ood for each in load_classifier(bundle.folder).classify_batch(sorted(photos.glob("*/*.png")))
    ]
    assert np.mean(flagged) <= 0.1
    assert bundle.manifest.temperature == 1.0  # without a mistake there is nothing to fit
    assert "test_accuracy" not in bundle.manifest.metrics


def test_card_says_what_is_not_known(model: Path, tmp_path: Path) -> None:
    """Whose it is, what was measured as a table, that the photos are no test, and the licences given or not."""
    request = Request(path=model, classes=CLASSES, photos=write_photos(tmp_path / "photos"), licence="MIT")
    import_model(request, tmp_path / "bundle")
    card = (tmp_path / "bundle/card.md").read_text()
    assert "made elsewhere" in card
    assert "Licence of the weights: MIT. Licence of the data: not known." in card
    assert "| BGR, x / 127.5 - 1, so -1 to 1, centre square | 30 of 30 | 100.0 % |" in card
    assert "this is no test" in card
    assert "OpenVINO: agrees" in card
    assert "Not known here" in card


def test_without_photos_it_must_be_named(model: Path, tmp_path: Path) -> None:
    """Guessing would be silent; the error lists the names, and nothing is written."""
    with pytest.raises(PreprocessingNeeded, match=r"--photos.*unit, signed, imagenet, raw, caffe"):
        import_model(Request(path=model, classes=CLASSES), tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_named_without_photos_calls_nothing_unknown(model: Path, tmp_path: Path) -> None:
    """No threshold is made up: nothing is unknown, temperature 1, and the card says so first."""
    request = Request(path=model, classes=CLASSES, preprocess="signed-bgr-crop", name="theirs")
    done = import_model(request, tmp_path / "bundle")
    assert done.bundle.manifest.name == "theirs"
    assert done.bundle.manifest.temperature == 1.0
    assert len(done.bundle.memory().labels) == 0
    noise = np.random.default_rng(0).integers(0, 256, (50, 50, 3)).astype(np.uint8)
    found = load_classifier(tmp_path / "bundle").classify(noise)
    assert (found.ood, found.ood_score) == (False, 0.0)
    assert any("not measured" in note for note in done.notes)
    assert any("nothing is ever called unknown" in note for note in done.notes)
    assert done.notes[0] in (tmp_path / "bundle/card.md").read_text()


def test_few_photos_measure_but_do_not_calibrate(model: Path, tmp_path: Path) -> None:
    """Four photos a class tell the way of reading; a threshold would be noise."""
    done = import_model(
        Request(path=model, classes=CLASSES, photos=write_photos(tmp_path / "photos", each=4)),
        tmp_path / "bundle",
    )
    assert done.reading.name == "signed-bgr-crop"
    assert any("too few" in note for note in done.notes)
    stranger = np.zeros((60, 60, 3), np.uint8)
    assert not load_classifier(tmp_path / "bundle").classify(stranger).ood


def test_wrong_name_is_told(model: Path, tmp_path: Path) -> None:
    """Who names a way is obeyed, and told what another one would get."""
    request = Request(
        path=model, classes=CLASSES, preprocess="signed-rgb", photos=write_photos(tmp_path / "photos")
    )
    done = import_model(request, tmp_path / "bundle")
    assert done.reading.name == "signed-rgb-squash"
    assert any("signed-bgr-crop gets 100.0 %" in note for note in done.notes)


def test_order_of_classes_is_doubted(model: Path, tmp_path: Path) -> None:
    """Classes in another order than the outputs look like a bad network; the note has the order that fits."""
    request = Request(path=model, classes=("dim", "blue", "red"), photos=write_photos(tmp_path / "photos"))
    done = import_model(request, tmp_path / "bundle")
    assert any("In the order red, blue, dim 100.0 % would be right" in note for note in done.notes)


def test_other_folders_and_files_are_told(model: Path, tmp_path: Path) -> None:
    """Folders of no class are named; a file that is no picture changes nothing."""
    photos = write_photos(tmp_path / "photos")
    (photos / "shoes").mkdir()
    (photos / "red/notes.txt").write_text("nice ones")
    shutil.rmtree(photos / "blue")
    done = import_model(Request(path=model, classes=CLASSES, photos=photos), tmp_path / "bundle")
    assert any("left out: shoes" in note for note in done.notes)
    assert any("No photo shows blue" in note for note in done.notes)
    assert len(done.bundle.memory().labels) == 20


def test_photos_of_something_else(model: Path, tmp_path: Path) -> None:
    """No folder names a class, or none has a picture: an error with both lists."""
    (tmp_path / "photos/shoes").mkdir(parents=True)
    with pytest.raises(NoUsablePhotos, match="shoes"):
        import_model(Request(path=model, classes=CLASSES, photos=tmp_path / "photos"), tmp_path / "bundle")
    (tmp_path / "photos/red").mkdir()
    (tmp_path / "photos/red/1.jpg").write_text("no picture")
    with pytest.raises(NoUsablePhotos):
        import_model(Request(path=model, classes=CLASSES, photos=tmp_path / "photos"), tmp_path / "bundle")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"name": "Not A Name"}, InvalidName),
        ({"classes": ("a", "b")}, WrongClassCount),
    ],
)
def test_wrong_requests(
    changes: dict[str, object], error: type[Exception], model: Path, tmp_path: Path
) -> None:
    """Refused, and nothing is written."""
    given = {"path": model, "classes": CLASSES, "preprocess": "signed"} | changes
    with pytest.raises(error):
        import_model(Request(**given), tmp_path / "bundle")  # type: ignore[arg-type]  # as a user would
    assert not (tmp_path / "bundle").exists()


def test_network_of_any_size(tmp_path: Path) -> None:
    """--size says how large pictures are; 224 where nobody does."""
    path = save(network(side="S"), tmp_path / "any.onnx")
    sizes = []
    for size in (96, None):
        request = Request(path=path, classes=CLASSES, preprocess="torchvision", size=size)
        sizes.append(import_model(request, tmp_path / "bundle").bundle.manifest.preprocessing.size)
    assert sizes == [96, 224]


def test_imported_bundle_is_registered(model: Path, tmp_path: Path, engine: Engine) -> None:
    """What comes out is a bundle like any other: it is registered and listed, and serves nothing yet."""
    request = Request(path=model, classes=CLASSES, preprocess="signed-bgr-crop")
    import_model(request, tmp_path / "made")
    blobs = LocalBlobs(tmp_path / "blobs")
    record = import_bundle(engine, tmp_path / "bundles", blobs, tmp_path / "made")
    with reading(engine) as session:
        assert [each.hash for each in list_bundles(session)] == [record.hash]
    assert record.classes == CLASSES


# --- a real network by someone else

TEACHABLE_CLASSES = ("cardboard", "plastic", "glass", "metal")


@pytest.mark.skipif(
    not TEACHABLE.is_dir() or not (SHARED / "data/trashnet").is_dir(),
    reason="../shared/weights/teachable-machine-keras and ../shared/data/trashnet are not here",
)
def test_teachable_machine_export_that_keras_3_refuses() -> None:
    """A Keras 2.4 file: the right way of reading gets over 90 % of TrashNet's four classes, raw values few."""
    pytest.importorskip("h5py", reason="needs h5py: pip install -e '.[keras]'")
    folder = SHARED / "data/trashnet"
    photos = [
        Photo(path, label)
        for label, name in enumerate(TEACHABLE_CLASSES)
        for path in sorted((folder / name).iterdir())
    ]
    opened = open_model(TEACHABLE / "keras_model.h5")
    prepared = prepare(inspect(opened.model, classes=4), 4)
    names = ("signed-rgb-crop", "signed-bgr-crop", "unit-rgb-crop", "raw-rgb-crop")
    found = {
        each.reading.name: each.accuracy
        for each in measure(prepared, spread(photos, 60), [parse(name) for name in names])
    }
    assert found["signed-rgb-crop"] == max(found.values()) >= 0.9
    assert found["unit-rgb-crop"] <= found["signed-rgb-crop"] - 0.1
    assert found["raw-rgb-crop"] <= found["signed-rgb-crop"] - 0.4


def test_pictures_of_every_format_are_photos(model: Path, tmp_path: Path) -> None:
    """What serving reads, measuring reads: the same photos as JPEG and WebP."""
    photos = write_photos(tmp_path / "photos", each=3)
    for path in photos.glob("red/*.png"):
        Image.open(path).save(path.with_suffix(".webp"), lossless=True)
    done = import_model(Request(path=model, classes=CLASSES, photos=photos), tmp_path / "bundle")
    assert done.tried[0].total == 12
