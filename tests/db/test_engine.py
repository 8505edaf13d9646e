"""What the database behind a URL promises, and what it says when it cannot."""

import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, Table, insert, select, text
from sqlalchemy.exc import IntegrityError, StatementError

from sortline.db.base import Hex, UtcDateTime
from sortline.db.engine import BadDatabaseUrl, DatabaseUnavailable, DatabaseUnreachable, connect
from sortline.db.session import Session, reading, writing
from sortline.lines import store as lines
from sortline.lines.line import LineExists


def test_a_sqlite_file_is_durable_and_checks_references(tmp_path: Path) -> None:
    """A new file and its folders are made, in WAL mode, with every commit on the disk."""
    engine = connect(f"sqlite:///{tmp_path / 'deep' / 'er' / 'sortline.db'}")
    with reading(engine) as session:
        found = {
            name: session.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    engine.dispose()


def test_leaving_the_block_commits_and_an_exception_rolls_back(engine: Engine) -> None:
    """One block is one transaction, all or nothing."""
    with writing(engine) as session:
        lines.create_line(session, "kept")
    with pytest.raises(LineExists), writing(engine) as session:
        _create(session, "lost", "kept")
    with reading(engine) as session:
        assert [line.name for line in lines.list_lines(session)] == ["kept"]


def _create(session: Session, *names: str) -> None:
    for name in names:
        lines.create_line(session, name)


def test_a_write_while_reading_fails(engine: Engine) -> None:
    """What was declared as reading loses no write silently; the same connection can write afterwards."""
    with pytest.raises(DatabaseUnavailable, match=r"read-?only"), reading(engine) as session:
        lines.create_line(session, "lost")
    with writing(engine) as session:
        lines.create_line(session, "kept")


def test_a_fault_of_ours_stays_what_it_is(engine: Engine) -> None:
    """A broken constraint is no outage."""
    with pytest.raises(IntegrityError), writing(engine) as session:
        lines.add_classes(session, 12345, ["glass"])


def test_writers_wait_for_each_other_and_readers_do_not(engine: Engine) -> None:
    """Eight threads that read, then write, all succeed; a reader beside a writer answers at once."""
    with writing(engine) as session:
        line = lines.create_line(session, "waste")

    def add(number: int) -> None:
        with writing(engine) as session:
            lines.list_classes(session, line.id)
            lines.add_classes(session, line.id, [f"class {number}"])

    with writing(engine) as session:
        lines.add_classes(session, line.id, ["held"])
        threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        with reading(engine) as other:
            assert lines.list_classes(other, line.id) == []  # it would wait for ever
    for thread in threads:
        thread.join()
    with reading(engine) as session:
        assert [label.position for label in lines.list_classes(session, line.id)] == list(range(9))


def test_moments_come_back_aware_in_utc(engine: Engine) -> None:
    """Any zone goes in, UTC comes out, to the microsecond; a moment without a zone is refused."""
    moments = Table("moments", MetaData(), Column("id", Integer, primary_key=True), Column("at", UtcDateTime))
    at = datetime(2026, 3, 29, 2, 30, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    with writing(engine) as session:
        moments.create(session)
        session.execute(insert(moments), {"at": at})
        found = session.execute(select(moments.c.at)).scalar_one()
        assert session.execute(select(moments.c.id).where(moments.c.at == at)).scalar_one()
    assert found == at
    assert found.tzinfo is UTC
    with pytest.raises(StatementError, match="no time zone"), writing(engine) as session:
        session.execute(insert(moments), {"at": datetime(2026, 1, 1)})


def test_hex_sorts_and_compares_as_text_would(engine: Engine) -> None:
    """A hash goes in and out as hex; the order of the bytes is the order of the text."""
    hashes = Table("hashes", MetaData(), Column("hash", Hex, primary_key=True))
    names = ["00ff", "0100", "7fff", "8000", "ff00"]
    with writing(engine) as session:
        hashes.create(session)
        session.execute(insert(hashes), [{"hash": name} for name in reversed(names)])
        assert list(session.scalars(select(hashes.c.hash).order_by(hashes.c.hash))) == names
        assert set(session.scalars(select(hashes.c.hash).where(hashes.c.hash > "7fff"))) == {"8000", "ff00"}


@pytest.mark.parametrize(
    "url",
    ["nonsense", "mysql://localhost/x", "sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory"],
)
def test_a_url_we_do_not_speak_is_refused(url: str) -> None:
    """The refusal names the URLs that work."""
    with pytest.raises(BadDatabaseUrl, match="sqlite:///FILE"):
        connect(url)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_no_server_is_unreachable_and_keeps_the_password_secret(scheme: str) -> None:
    """A refused connection says where, without the password."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # and does not listen
        url = f"{scheme}://ana:s3cret@127.0.0.1:{deaf.getsockname()[1]}/sortline"
        with pytest.raises(DatabaseUnreachable, match="check that it runs there") as caught:
            connect(url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("path", ["/proc/sortline/x.db", "/dev/null/x.db", "/etc/passwd"])
def test_a_file_that_cannot_be_a_database_is_unreachable(path: str) -> None:
    """A folder that cannot be made, and a file that is something else."""
    with pytest.raises(DatabaseUnreachable):
        connect(f"sqlite:///{path}")


def test_a_full_disk_is_unavailable(tmp_path: Path) -> None:
    """A commit that the disk cannot hold fails with a typed error, and what was committed before stays."""
    program = """
import resource, sys
from sortline.db.engine import DatabaseUnavailable, connect
from sortline.db.session import reading, writing
engine = connect(sys.argv[1])
with writing(engine) as session:
    session.exec_driver_sql("CREATE TABLE t (x BLOB)")
    session.exec_driver_sql("INSERT INTO t VALUES (zeroblob(10))")
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with writing(engine) as session:
        session.exec_driver_sql("INSERT INTO t VALUES (zeroblob(1000000))")
except DatabaseUnavailable as error:
    print(error.reason)
with reading(engine) as session:
    print(session.exec_driver_sql("SELECT count(*) FROM t").scalar())
"""
    run = subprocess.run(
        [sys.executable, "-c", program, f"sqlite:///{tmp_path / 'x.db'}"],
        capture_output=True,
        text=True,
        check=True,
    )
    reason, rows = run.stdout.splitlines()
    assert "disk" in reason
    assert rows == "1"


def test_a_held_write_lock_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that waited in vain is told so."""
    monkeypatch.setattr("sortline.db.engine.BUSY_TIMEOUT_S", 0.05)
    engine = connect(f"sqlite:///{tmp_path / 'x.db'}")
    with writing(engine), pytest.raises(DatabaseUnavailable, match="locked"), writing(engine):
        pass
    engine.dispose()


def test_a_connection_lost_under_way_is_unavailable_once(empty_database_url: str) -> None:
    """A server that cuts a connection costs that transaction; the next one works."""
    if empty_database_url.startswith("sqlite"):
        pytest.skip("SQLite has no server to lose")
    engine = connect(empty_database_url)
    with pytest.raises(DatabaseUnavailable), writing(engine) as session:
        session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    with writing(engine) as session:
        assert session.scalar(text("SELECT 1")) == 1
    engine.dispose()
