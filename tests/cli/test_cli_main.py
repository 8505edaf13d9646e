"""The command line as a whole: version, help, one line for each error, nothing heavy loaded in vain."""

import subprocess
import sys

import pytest

from sortline import __version__
from tests.cli.conftest import Sortline


def test_version_is_the_packages(sortline: Sortline) -> None:
    """`sortline --version` prints name and version."""
    assert sortline("--version").stdout == f"sortline {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "variables", "told"),
    [
        (("lines", "default", "nix"), {}, "there is no line 'nix'"),
        (("lines", "create", "No Slug"), {}, "cannot name a line"),
        (("lines", "create", "zwei", "--bundle", "nix"), {}, "there is no bundle nix"),
        (("classify", "--bundle", "nix", "a.jpg"), {}, "bundles in the package: waste"),
        (("bundles", "show", "nix"), {}, "known: waste"),
        (("up", "--trust", "10.0.0.0/8"), {}, "it does not say what the range may do"),
        (("serve",), {"SORTLINE_RATE_LIMIT": "many"}, "write it as 600/minute"),
        (("up", "--host", "192.0.2.1", "--insecure"), {}, "no address of this machine"),
        (("serve", "--port", "99999"), {}, "--port is not valid"),
        (("serve",), {"PORT": "http"}, "PORT is not valid"),
        (("up",), {"SORTLINE_LOG_LEVEL": "loud"}, "SORTLINE_LOG_LEVEL is not valid"),
        (("lines", "list"), {"SORTLINE_DATABASE_URL": "mysql://a/b"}, "use sqlite:///FILE"),
    ],
)
def test_an_error_is_one_line_that_says_what_to_do(
    sortline: Sortline, arguments: tuple[str, ...], variables: dict[str, str], told: str
) -> None:
    """What a user can act on is one line on stderr and exit code 1, never a traceback."""
    result = sortline(*arguments, **variables)
    assert result.returncode == 1
    assert told in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_server_and_commands_load_no_training_library() -> None:
    """Importing the server and the command line loads neither torch nor anything else that only training needs."""
    program = (
        "import sys, sortline.api.app, sortline.cli.main, sortline.cli.server, sortline.cli.checks\n"
        "print(*{'torch', 'timm', 'ray', 'scipy', 'sklearn', 'dbos', 'croniter'} & set(sys.modules), end='')"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("", "")


def test_help_needs_no_engine() -> None:
    """The command line itself loads neither engine nor web server, so that help and version come at once."""
    program = (
        "import sys, sortline.cli.main\n"
        "print(*{'numpy', 'sqlalchemy', 'fastapi', 'uvicorn'} & set(sys.modules), end='')"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("", "")


@pytest.mark.parametrize(
    "command", [("runs", "list"), ("models", "list"), ("review", "stats"), ("data", "versions")], ids=" ".join
)
def test_the_only_line_is_meant_where_none_is_named(sortline: Sortline, command: tuple[str, ...]) -> None:
    """As soon as there are two, the command asks which, and names them."""
    assert sortline(*command).returncode == 0
    assert sortline("lines", "create", "returns").returncode == 0
    asked = sortline(*command)
    assert (asked.returncode, asked.stdout) == (1, "")
    assert "--line NAME; there are returns, waste" in asked.stderr
    assert sortline(*command, "--line", "returns").returncode == 0
