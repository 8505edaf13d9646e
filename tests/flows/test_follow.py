"""A server follows its database: what another process changes is served without a restart."""

import shutil
import time
from pathlib import Path

from sortline.db.session import writing
from sortline.flows.follow import INTERVAL
from sortline.flows.lines import create_line, register_folder
from sortline.lines import store as lines
from sortline.registry import store as registry
from tests.pictures import photo
from tests.running import RunningServer, run_server
from tests.waiting import soon


def served(server: RunningServer, name: str) -> bool:
    """Whether a line answers with a class."""
    answer = server.client.post(f"/lines/{name}/predict", files={"image": ("p.jpg", photo())})
    return answer.status_code == 200


def test_line_made_elsewhere_is_served(server: RunningServer) -> None:
    """A line that another process creates with a bundle classifies here."""
    with writing(server.services.engine) as session:
        folder = server.services.installation.bundles_dir
        create_line(session, folder, "elsewhere", bundle="waste", who="test", reason="test")
    soon(lambda: served(server, "elsewhere"))


def test_default_line_follows(tmp_path: Path) -> None:
    """The line behind the root's routes is the one that the database says is the default."""
    with run_server(tmp_path) as server:
        with writing(server.services.engine) as session:
            lines.create_line(session, "other", class_names=["a", "b"])
            lines.make_default(session, "other")
        soon(lambda: server.client.get("/classes").json()["classes"] == ["a", "b"])
        assert server.client.get("/health").status_code == 503


def test_broken_bundle_leaves_the_old_one_live(tmp_path: Path) -> None:
    """A promoted bundle that cannot be loaded is named as the problem, and the one before goes on serving."""
    with run_server(tmp_path) as server:
        installed = server.services.installation
        record = server.services.live["waste"]
        broken = tmp_path / "broken"
        shutil.copytree(installed.bundles_dir / record.model.bundle.hash, broken)
        with writing(installed.engine) as session:
            fresh = registry.register_bundle(
                session, hash="ab" * 32, name="broken", path=str(broken), classes=["x"], metrics={}
            )
            (broken / "model.onnx").write_bytes(b"not a network")
            registry.promote(session, record.id, fresh.hash, who="test", reason="test")
        soon(lambda: bool(server.client.get("/api/v1/lines/waste").json()["problem"]))
        assert "model.onnx" in server.client.get("/api/v1/lines/waste").json()["problem"]
        assert served(server, "waste")


def test_following_survives_what_nobody_thought_of(tmp_path: Path) -> None:
    """After an error that is none of ours, changes are followed as before."""
    with run_server(tmp_path) as server:
        engine = server.services.engine
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE lines RENAME TO away")
        time.sleep(2.5 * INTERVAL)
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE away RENAME TO lines")
        with writing(engine) as session:
            create_line(session, tmp_path / "bundles", "after", bundle="waste", who="test", reason="test")
        soon(lambda: served(server, "after"))


def test_registering_again_changes_nothing(tmp_path: Path) -> None:
    """A bundle is copied once, and stays whole when its first folder is gone."""
    with run_server(tmp_path / "data") as server:
        installed = server.services.installation
        first = server.services.live["waste"].model.bundle
        copy = Path(shutil.copytree(first.folder, tmp_path / "copy"))
        with writing(installed.engine) as session:
            record = register_folder(session, installed.bundles_dir, copy)
        shutil.rmtree(copy)
        assert record.hash == first.hash
        assert Path(record.path).is_dir()
