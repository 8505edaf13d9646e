"""A line's classes over HTTP: a registry that grows, with names that keep leading somewhere."""

import pytest

from tests.api.catalogue import CatalogueLine
from tests.running import RunningServer


@pytest.fixture
def line(server: RunningServer) -> CatalogueLine:
    """An empty line with two classes."""
    return CatalogueLine(server, "Glass", "Metal")


def classes(line: CatalogueLine) -> dict[str, dict[str, object]]:
    """The line's classes by name."""
    return {one["name"]: one for one in line.get("/classes")["classes"]}


def test_classes_are_counted(line: CatalogueLine) -> None:
    """By split, as pictures come."""
    for seed in range(3):
        line.add("Glass", seed, split="test" if seed else "train")
    assert list(classes(line)) == ["Glass", "Metal"]
    assert classes(line)["Glass"]["pictures"] == {
        "total": 3,
        "train": 1,
        "validation": 0,
        "test": 2,
        "none": 0,
    }
    assert line.post("/classes", 409, json={"name": "Glass"})["type"] == "urn:sortline:class-exists"
    assert line.post("/classes", 422, json={"name": " padded "})["type"] == "urn:sortline:invalid-class-name"


def test_a_renamed_class_is_reached_by_its_old_name(line: CatalogueLine) -> None:
    """Pictures follow, also for a name with a slash; the history tells."""
    line.add("Glass", 1)
    line.call("PATCH", "/classes/Glass", 200, json={"name": "Glass/clear"})
    found = line.get("/classes/Glass")
    assert (found["name"], found["aliases"]) == ("Glass/clear", ["Glass"])
    assert [event["action"] for event in found["history"]] == ["created", "renamed"]
    assert line.get("/classes/Glass%2Fclear")["name"] == "Glass/clear"
    assert line.get("/images")["images"][0]["class"] == "Glass/clear"
    assert line.add("Glass", 2)["image"]["class"] == "Glass/clear"
    assert len(line.get("/images", **{"class": "Glass"})["images"]) == 2
    refused = line.call("PATCH", "/classes/Metal", 409, json={"name": "Glass/clear"})
    assert refused["type"] == "urn:sortline:class-exists"


def test_a_class_retires_and_comes_back(line: CatalogueLine) -> None:
    """Its pictures keep it; the server serves without it at once."""
    line.add("Metal", 1)
    assert line.call("PATCH", "/classes/Metal", 200, json={"retired": True})["retired"] is True
    assert line.server.client.get(f"/api/v1/lines/{line.name}").json()["classes"] == ["Glass"]
    assert line.get("/images")["images"][0]["class"] == "Metal"
    assert line.call("PATCH", "/classes/Metal", 200, json={"retired": False})["retired"] is False
    assert line.get("/classes/Wood", 404)["type"] == "urn:sortline:unknown-class"


def test_a_class_is_merged_into_another(line: CatalogueLine) -> None:
    """Its pictures are relabelled by events that say so; its name leads to the other."""
    image = line.add("Metal", 1)["image"]
    merged = line.post("/classes/Metal/merge", json={"into": "Glass"})
    assert (merged["relabelled"], merged["kept"]["aliases"]) == (1, ["Metal"])
    assert merged["kept"]["pictures"]["total"] == 1
    history = line.get(f"/images/{image['sha256']}")["history"]
    assert [(event["origin"], event["class"]) for event in history] == [
        ("upload", "Metal"),
        ("merge", "Glass"),
    ]
    assert classes(line)["Metal"]["merged_into"] == "Glass"
    assert line.add("Metal", 2)["image"]["class"] == "Glass"
    refused = line.post("/classes/Glass/merge", 409, json={"into": "Metal"})
    assert refused["type"] == "urn:sortline:invalid-merge"


def test_a_class_says_what_to_do_with_its_things(line: CatalogueLine) -> None:
    """The tip is shown with every answer of the class; an empty one is none."""
    changed = line.call("PATCH", "/classes/Glass", 200, json={"tip": "Bottle bank, without lid."})
    assert changed["tip"] == classes(line)["Glass"]["tip"] == "Bottle bank, without lid."
    assert line.call("PATCH", "/classes/Glass", 200, json={"name": "Bottles"})["tip"] == changed["tip"]
    assert line.call("PATCH", "/classes/Bottles", 200, json={"tip": ""})["tip"] is None
