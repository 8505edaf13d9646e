"""Insights over HTTP: of everything and of a version, equal to what was put in."""

import pytest

from tests.api.catalogue import CatalogueLine
from tests.pictures import drawn, encode, photo
from tests.running import RunningServer


@pytest.fixture
def line(server: RunningServer) -> CatalogueLine:
    """A line with a version of five pictures, one of them wide, and a copy with another label beside it."""
    line = CatalogueLine(server, "Glass", "Metal", "Wood")
    for seed in range(4):
        line.add("Glass", seed, split="train" if seed else "test")
    line.post("/images", 201, files={"image": ("w.jpg", photo(240, 90, seed=9))}, data={"class": "Metal"})
    line.post("/versions", 201, json={"from": "staged"})
    copy = {"image": ("copy.jpg", encode(drawn(seed=1), quality=80))}
    line.post("/images", 201, files=copy, data={"class": "Metal", "split": "validation"})
    return line


def test_insights_of_everything(line: CatalogueLine) -> None:
    """Counts by class and split, sizes, groups, growth."""
    found = line.get("/insights")
    assert (found["version"], found["size"], found["unlabelled"]) == (None, 6, 0)
    classes = {one["name"]: one for one in found["classes"]}
    assert {name: one["count"] for name, one in classes.items()} == {"Glass": 4, "Metal": 2, "Wood": 0}
    assert classes["Glass"]["splits"] == {"none": 0, "train": 3, "validation": 0, "test": 1}
    assert (found["width"]["min"], found["width"]["max"], found["width"]["mean"]) == (120, 240, 140)
    assert sum(bar["count"] for bar in found["width"]["histogram"]) == 6
    assert found["duplicates"] == {"groups": 1, "pictures": 2, "conflicts": 1, "leaks": 1}
    assert (found["balance"]["largest"], found["balance"]["ratio"]) == (4, 2)
    assert [(day["added"], day["total"]) for day in found["growth"]] == [(6, 6)]
    assert found["bytes"] == sum(one["bytes"] for one in line.get("/images")["images"])


def test_insights_of_a_version(line: CatalogueLine) -> None:
    """Its own pictures and labels, whatever came since."""
    found = line.get("/insights", version="1")
    assert (found["version"], found["size"]) == (1, 5)
    assert found["duplicates"] == {"groups": 0, "pictures": 0, "conflicts": 0, "leaks": 0}
    assert line.get("/insights", 404, version="9")["type"] == "urn:sortline:unknown-version"


def test_samples_and_outliers_can_be_looked_at(line: CatalogueLine) -> None:
    """Each by its address, the most extreme first; an erased one has none."""
    found = line.get("/insights", samples=2)
    values = [one["value"] for one in found["brightness"]["lowest"]]
    assert values == sorted(values)
    glass = next(one for one in found["classes"] if one["name"] == "Glass")
    assert len(glass["samples"]) == 2
    for one in (*glass["samples"], *found["sharpness"]["highest"][:2]):
        assert line.server.client.get(one["urls"]["thumbnails"]["128"]).status_code == 200
    image = line.post("/images", 201, files={"image": ("e.jpg", photo(seed=4001))}, data={"class": "Wood"})[
        "image"
    ]
    line.call("DELETE", f"/images/{image['sha256']}", 200)
    wood = next(one for one in line.get("/insights")["classes"] if one["name"] == "Wood")
    assert (wood["count"], [sample["urls"] for sample in wood["samples"]]) == (1, [None])
    old = line.server.client.get(f"/lines/{line.name}/data-insights").json()
    assert (old["class_distribution"]["Wood"], old["sample_images"]["Wood"]) == (1, [])
