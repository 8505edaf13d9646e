"""`sortline data forget`: asks, deletes, tells."""

from pathlib import Path

import pytest
import typer.main
from click.testing import CliRunner

from sortline.cli.main import build
from sortline.db.session import writing
from sortline.lines.store import get_line
from sortline.monitoring import store as monitoring
from sortline.settings import Settings
from sortline.wiring import installation
from tests.monitoring.test_monitoring_store import prediction


def test_forgetting_a_source_asks_first_and_tells_what_went(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No keeps everything; yes deletes what came from there and nothing else."""
    monkeypatch.setenv("SORTLINE_DATA_DIR", str(tmp_path / "data"))
    with installation(Settings(data_dir=tmp_path / "data")) as ready, writing(ready.engine) as session:
        line = get_line(session, "waste").id
        monitoring.record(session, [prediction(line, source="belt-3"), prediction(line, source="belt-4")])
    command, runner = typer.main.get_command(build()), CliRunner()
    asked = ["data", "forget", "--source", "belt-3"]
    refused = runner.invoke(command, asked, input="n\n")
    assert refused.exit_code == 1
    assert "all lines" in refused.output
    done = runner.invoke(command, [*asked, "--line", "waste", "--yes"])
    assert (done.exit_code, done.output) == (
        0,
        "waste: deleted 0 pictures and 1 predictions from 'belt-3'; 0 pictures were deleted before.\n",
    )
    again = runner.invoke(command, [*asked, "--yes"])
    assert "0 predictions" in again.output
