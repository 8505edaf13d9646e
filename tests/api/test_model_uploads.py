"""Bundles sent over HTTP."""

from tests.api.catalogue import CatalogueLine, zipped
from tests.running import RunningServer


def test_a_downloaded_model_becomes_a_candidate_of_another_line(server: RunningServer) -> None:
    """It could serve there, and nothing is promoted; what is no bundle is refused and leaves nothing."""
    line = CatalogueLine(server)
    (waste,) = [one for one in server.client.get("/api/v1/lines").json()["lines"] if one["default"]]
    archive = server.client.get(f"/api/v1/lines/{waste['name']}/models/live/download").content

    sent = line.post("/models", 201, files={"file": ("waste.zip", archive)})
    refused = line.post("/models", 422, files={"file": ("other.zip", zipped({"a.txt": b"none"}))})

    assert (sent["hash"], sent["state"]) == (waste["model"]["hash"], "candidate")
    (listed,) = line.get("/models")["models"]
    assert (listed["hash"], listed["serving"]) == (sent["hash"], False)
    assert refused["detail"].startswith("other.zip is no bundle that can be used: ")
