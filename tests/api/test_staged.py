"""What waits for a version, over HTTP."""

from tests.api.catalogue import CatalogueLine
from tests.running import RunningServer


def test_labels_wait_until_a_version_takes_them_up(server: RunningServer) -> None:
    """The newest first; after a version was made of them none waits."""
    line = CatalogueLine(server, "Glass")
    assert line.get("/staged") == {"total": 0, "newest": None, "images": []}
    added = [line.add("Glass", seed)["image"]["sha256"] for seed in (1, 2, 3)]

    staged = line.get("/staged", limit=2)
    line.post("/versions", 201, json={"from": "staged"})

    assert (staged["total"], [one["sha256"] for one in staged["images"]]) == (3, [added[2], added[1]])
    assert line.get("/staged")["total"] == 0
