"""How a network reads pictures is found out by asking it about labelled photos."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from sortline.engine.foreign import classes as class_lists
from sortline.engine.foreign import measuring
from sortline.engine.foreign.errors import InvalidClasses, UnknownPreprocessing
from sortline.engine.foreign.measuring import Photo, Tried, better, measure, pick, spread, ways
from sortline.engine.foreign.network import inspect
from sortline.engine.foreign.reading import Reading, parse
from sortline.engine.foreign.servable import Prepared, prepare
from tests.foreign_models import CLASSES, network, particular, write_photos


def photos_in(folder: Path, classes: tuple[str, ...] = CLASSES) -> list[Photo]:
    """The photos of class folders."""
    return [
        Photo(path, label) for label, name in enumerate(classes) for path in sorted((folder / name).iterdir())
    ]


def prepared(model: Any) -> Prepared:
    """The network ready to be measured."""
    return prepare(inspect(model, classes=3), 3)


def test_the_right_way_is_found(tmp_path: Path) -> None:
    """A network made for BGR at −1 to 1 and the centre square: that way gets all, every other gets less."""
    photos = photos_in(write_photos(tmp_path))
    network_ = prepared(particular())
    told: list[int] = []
    found = measure(network_, photos, ways(network_.network), lambda what, done, total: told.append(done))
    assert found[0].reading == Reading("signed", "bgr", "crop")
    assert found[0].accuracy == 1
    assert max(each.accuracy for each in found[1:]) <= 0.7
    assert len(found) == 20
    assert told == list(range(21))


def test_square_photos_need_one_resize_rule(tmp_path: Path) -> None:
    """Where every photo is square already, cropping and squashing are the same, and half the work is saved."""
    (tmp_path / "red").mkdir()
    Image.new("RGB", (40, 40), (140, 135, 130)).save(tmp_path / "red/1.png")
    network_ = prepared(particular())
    found = measure(network_, [Photo(tmp_path / "red/1.png", 0)], ways(network_.network))
    assert {each.reading.resize for each in found} == {"squash"}


def test_best_ways_see_more_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every way is tried on few photos, the best on more."""
    monkeypatch.setattr(measuring, "FEW", 6)
    monkeypatch.setattr(measuring, "FINALISTS", 2)
    network_ = prepared(particular())
    found = measure(network_, photos_in(write_photos(tmp_path)), ways(network_.network))
    assert [each.total for each in found] == [30, 30] + [6] * 18
    assert found[0].reading == Reading("signed", "bgr", "crop")


def test_unreadable_photos_count_for_no_way(tmp_path: Path) -> None:
    """A broken file among them changes no figure; nothing but broken files gives none."""
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    network_ = prepared(particular())
    bad = [Photo(tmp_path / "bad.jpg", 0)]
    assert measure(network_, bad, ways(network_.network)) == ()
    found = measure(network_, bad + photos_in(write_photos(tmp_path / "good")), ways(network_.network))
    assert found[0].total == 30


def test_ways_that_make_no_difference_are_not_tried() -> None:
    """A grey network has no channel order, and one that takes bytes needs no scaling."""
    grey = inspect(network(channels=1), classes=3)
    assert {(each.scale, each.colour) for each in ways(grey)} == {
        ("unit", "rgb"),
        ("signed", "rgb"),
        ("raw", "rgb"),
    }
    takes_bytes = inspect(network(element=onnx.TensorProto.UINT8), classes=3)
    assert {each.name for each in ways(takes_bytes)} == {
        f"raw-{colour}-{resize}" for colour in ("rgb", "bgr") for resize in ("squash", "crop")
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch would rather export in its newer way
def test_trained_network_is_found_out(tmp_path: Path) -> None:
    """A network trained by PyTorch on BGR at −1 to 1, as its author read them: measuring finds it."""
    torch = pytest.importorskip("torch", reason="needs torch: pip install -e '.[train]'")
    photos = photos_in(write_photos(tmp_path, each=16))
    pixels = np.stack([np.asarray(Image.open(p.path))[:, 10:50] for p in photos])
    x = torch.tensor(pixels[..., ::-1] / 127.5 - 1, dtype=torch.float32).permute(0, 3, 1, 2)
    labels = torch.tensor([p.label for p in photos])
    torch.manual_seed(0)
    relu, flat = torch.nn.ReLU(), torch.nn.Flatten()
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 3, stride=4), relu, torch.nn.AdaptiveAvgPool2d(1), flat, torch.nn.Linear(16, 3)
    )
    optimiser = torch.optim.Adam(net.parameters(), 0.05)
    for _ in range(150):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(net(x), labels).backward()
        optimiser.step()
    path = tmp_path / "net.onnx"
    axes = {"input": {0: "N"}, "output": {0: "N"}}
    names = {"input_names": ["input"], "output_names": ["output"], "dynamic_axes": axes}
    torch.onnx.export(
        net.eval(), (torch.zeros(1, 3, 40, 40),), str(path), dynamo=False, opset_version=17, **names
    )
    network_ = prepared(onnx.load(path))
    found = measure(network_, photos, ways(network_.network))
    assert found[0].reading == Reading("signed", "bgr", "crop")
    assert found[0].accuracy > 0.95
    right = {each.reading.name: each.accuracy for each in found}
    assert right["signed-rgb-crop"] < 0.7
    assert right["unit-bgr-crop"] < 0.7


def tried(reading: Reading, right: str) -> Tried:
    """What came of a way: a 1 for each photo it got right."""
    hits = np.array([int(each) for each in right])
    return Tried(reading=reading, labels=np.ones_like(hits), predictions=hits, loss=1.0)


def test_unusual_order_of_channels_must_be_better_for_certain() -> None:
    """Within one standard error the usual order is taken; an order that is clearly better is, however unusual."""
    usual = tried(Reading("signed", "rgb"), "1111000000")
    hardly = tried(Reading("imagenet", "bgr"), "0111110000")
    clearly = tried(Reading("signed", "bgr"), "1111110000")
    assert pick([hardly, usual]) is usual
    assert pick([clearly, usual]) is clearly
    assert pick([tried(Reading("caffe", "bgr"), "1111110000"), usual]).reading.scale == "caffe"
    assert not better(clearly, usual, errors=2)


def test_photos_are_spread_over_classes() -> None:
    """A class with few photos gives all it has, and the others share the rest."""
    photos = [
        Photo(Path(f"{label}/{index:03}"), label)
        for label, n in ((0, 100), (1, 3), (2, 50))
        for index in range(n)
    ]
    chosen = spread(photos, 23)
    assert [sum(p.label == label for p in chosen) for label in range(3)] == [10, 3, 10]
    assert spread(photos, 23) == chosen
    assert len(spread(photos, 1000)) == 153


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("signed", "signed-rgb-squash"),
        ("caffe", "caffe-bgr-squash"),
        ("unit-bgr", "unit-bgr-squash"),
        ("raw-crop", "raw-rgb-crop"),
        ("imagenet-crop-bgr", "imagenet-bgr-crop"),
        ("Teachable-Machine", "signed-rgb-crop"),
        ("torchvision", "imagenet-rgb-crop"),
        ("torchvision-squash", "imagenet-rgb-squash"),
    ],
)
def test_names_of_ways(name: str, expected: str) -> None:
    """A scaling, and where they differ from the usual, channel order and resize rule; or where a network comes from."""
    assert parse(name).name == expected
    assert parse(expected) == parse(name)


@pytest.mark.parametrize("name", ["", "sigmoid", "unit-cmyk", "rgb", "auto"])
def test_unknown_names_are_refused_with_those_there_are(name: str) -> None:
    """The error lists what may be said."""
    with pytest.raises(UnknownPreprocessing, match="unit, signed, imagenet, raw, caffe"):
        parse(name)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", "glass\n\n metal \n", ("glass", "metal")),
        ("a.txt", "0 cardboard\n1 plastic\n", ("cardboard", "plastic")),
        ("a.txt", "1 euro\n2 euros\n", ("1 euro", "2 euros")),
        ("a.txt", "\ufeffglas\npapier\n", ("glas", "papier")),
        ("a.json", '["b", "a"]', ("b", "a")),
        ("a.json", '{"dog": 1, "cat": 0}', ("cat", "dog")),
        ("a.json", '{"1": "dog", "0": "cat"}', ("cat", "dog")),
    ],
)
def test_lists_of_classes(name: str, content: str, expected: tuple[str, ...], tmp_path: Path) -> None:
    """One a line, numbered as Teachable Machine does, or JSON either way round."""
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert class_lists.read_classes(str(tmp_path / name)) == expected
    assert class_lists.read_classes("a, b,c") == ("a", "b", "c")


@pytest.mark.parametrize(
    ("given", "told"),
    [("nowhere.txt", "neither"), ("a,", "empty"), ("a,b,a", "twice"), ("a\x07,b", "printed")],
)
def test_lists_that_cannot_be_used(given: str, told: str) -> None:
    """Each with the reason."""
    with pytest.raises(InvalidClasses, match=told):
        class_lists.read_classes(given)


def test_json_that_is_no_list(tmp_path: Path) -> None:
    """Numbers with a gap, or something else."""
    for content in ('{"0": "a", "2": "b"}', "3", "{", '{"a": true, "b": 0}'):
        (tmp_path / "c.json").write_text(content)
        with pytest.raises(InvalidClasses):
            class_lists.read_classes(str(tmp_path / "c.json"))


def test_folders_name_classes_loosely() -> None:
    """Case, spaces and dashes aside; others are left out."""
    found = class_lists.folders(["Food Organics", "GLASS", "misc"], ("glass", "food-organics"))
    assert found == {"Food Organics": 1, "GLASS": 0}
