"""`sortline users` and `sortline keys`, and the link that a first start on another address prints."""

import re
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from sortline.accounts.store import audit, keys, people
from sortline.accounts.store.people import password_of
from sortline.accounts.tokens import digest
from sortline.cli.main import build
from sortline.db.engine import connect
from sortline.db.session import reading
from sortline.errors import SortlineError
from tests.cli.test_cli_worker import running

PASSWORD = "correct horse battery"  # noqa: S105 - of people that are made here


class Here:
    """The command line in this process, on a data folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._options = ["--data-dir", str(folder)]
        self.database = f"sqlite:///{folder / 'sortline.db'}"

    def run(self, *arguments: str, given: str | None = None) -> Result:
        """What the command said; an error of ours is raised."""
        result = CliRunner().invoke(build(), [*arguments, *self._options], input=given)
        if isinstance(result.exception, SortlineError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result


@pytest.fixture
def here(tmp_path: Path) -> Here:
    """An installation that nobody has started yet."""
    return Here(tmp_path / "data")


def test_people_are_added_changed_and_removed(here: Here) -> None:
    """The password is asked for twice, or read from standard input; each change is in the audit log."""
    assert (
        "can sign in as admin"
        in here.run("users", "add", "Ada", "--role", "admin", given=f"{PASSWORD}\n{PASSWORD}\n").output
    )
    here.run("users", "add", "bob", "--password-stdin", given=PASSWORD)
    assert "bob is trainer now" in here.run("users", "role", "bob", "trainer").output
    before = here.run("users", "list").output
    assert re.search(r"bob +trainer .*not signed in", before)
    here.run("users", "password", "bob", "--password-stdin", given="another long password")
    for words, arguments in {
        "is the only admin": ("users", "remove", "ada"),
        "viewer, operator, trainer, admin": ("users", "role", "bob", "boss"),
        "nobody named": ("users", "role", "eve", "viewer"),
        "is shorter than": ("users", "password", "bob", "--password-stdin"),
    }.items():
        with pytest.raises(SortlineError, match=words):
            here.run(*arguments, given="short")
    here.run("users", "remove", "bob")
    engine = connect(here.database)
    with reading(engine) as session:
        assert [person.name for person in people.list_people(session)] == ["ada"]
        assert password_of(session, "bob") is None
        events = audit.list_events(session).items
    engine.dispose()
    assert [(e.who, e.route, e.target) for e in events][:2] == [
        ("cli", "sortline users remove", "bob"),
        ("cli", "sortline users password", "bob"),
    ]


def test_a_key_is_printed_once_listed_and_revoked(here: Here) -> None:
    """Alone on standard output, so that a script can keep it."""
    made = here.run("keys", "create", "camera-3", "--scope", "classify", "--scope", "review", "--days", "30")
    secret = made.stdout.strip()
    assert re.fullmatch(r"sl_[\w-]{43}", secret)
    assert "camera-3 may classify, review" in made.stderr
    engine = connect(here.database)
    with reading(engine) as session:
        found = keys.find_key(session, digest(secret))
    assert found is not None
    assert found.expires_at is not None
    listed = here.run("keys", "list").output
    assert secret not in listed
    assert secret[:9] in listed
    here.run("keys", "revoke", "camera-3")
    with reading(engine) as session:
        assert keys.list_keys(session, revoked=False) == []
    engine.dispose()
    with pytest.raises(SortlineError, match="no key 'camera-3'"):
        here.run("keys", "revoke", "camera-3")


def test_a_first_start_on_another_address_prints_the_link_that_makes_the_admin(tmp_path: Path) -> None:
    """Nobody gets in before; a restart prints none once there is an admin."""
    with running(tmp_path, "serve", "--host", "0.0.0.0", "--port", "0") as server:
        assert server.stdout is not None
        told = server.stdout.readline() + server.stdout.readline()
        ((url, token),) = re.findall(r"set up +(http://127\.0\.0\.1:\d+)/setup#token=(\S+)", told)
        assert httpx.get(f"{url}/classes").status_code == 401
        new = {"token": token, "name": "ada", "password": PASSWORD}
        with httpx.Client(base_url=url, headers={"Origin": url}) as browser:
            assert browser.post("/api/v1/session/link", json=new).json()["role"] == "admin"
            assert browser.get("/classes").status_code == 200
    link = CliRunner().invoke(
        build(), ["users", "link", "--host", "0.0.0.0", "--data-dir", str(tmp_path / "data")]
    )
    assert (link.exit_code, link.stdout) == (1, "")
    assert "There is an admin already" in link.stderr
