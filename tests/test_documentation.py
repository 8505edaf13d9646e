"""What the documents say is so: every setting and command stands in them, and the README's example runs."""

import re
import runpy
from pathlib import Path

import pytest
import typer.main

from sortline.cli.main import build
from sortline.settings import Settings
from tests.pictures import photo

ROOT = Path(__file__).parents[1]


def test_every_setting_is_documented_with_its_default() -> None:
    """The table in docs/configuration.md is the settings' own: names, defaults, meanings, in their order."""
    rows = re.findall(
        r"^\| `(SORTLINE_\w+)` \| (.+?) \| (.+) \|$", _read("docs/configuration.md"), re.MULTILINE
    )
    expected = [
        (f"SORTLINE_{name.upper()}", _default(field.default), field.description)
        for name, field in Settings.model_fields.items()
    ]
    assert rows == expected


def test_every_command_is_documented() -> None:
    """docs/cli.md has a section for each command, and no other."""
    sections = re.findall(r"^## `sortline ([a-z ]+?)(?: [A-Z…]+)?`$", _read("docs/cli.md"), re.MULTILINE)
    assert sorted(sections) == sorted(_commands())


def test_every_option_of_classify_is_documented() -> None:
    """The options people script with stand in its section."""
    section = _read("docs/cli.md").split("## `sortline classify")[1].split("\n## ")[0]
    command = typer.main.get_command(build()).commands["classify"]  # type: ignore[attr-defined]  # it is a group
    options = {name for parameter in command.params for name in parameter.opts if name.startswith("--")}
    assert options - {"--help"} <= set(re.findall(r"--[a-z-]+", section))


def test_python_example_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The three lines, as they stand there, name a class and its confidence."""
    (example,) = re.findall(r"```python\n(.+?)```", _read("README.md"), re.DOTALL)
    (tmp_path / "photo.jpg").write_bytes(photo(400, 300))
    (tmp_path / "example.py").write_text(example)
    monkeypatch.chdir(tmp_path)
    runpy.run_path("example.py")
    assert re.fullmatch(r"[A-Z][\w ]+ 0\.\d+ (True|False)\n", capsys.readouterr().out)


@pytest.mark.parametrize("document", ["README.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))])
def test_links_between_documents_lead_somewhere(document: str) -> None:
    """A relative link names a file or folder that is there."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)", _read(document))
    assert [link for link in links if not (ROOT / document).parent.joinpath(link).exists()] == []


def test_architecture_names_every_package() -> None:
    """A newcomer finds each package of the house in docs/architecture.md."""
    text = _read("docs/architecture.md")
    packages = {p.parent.name for p in (ROOT / "src/sortline").glob("*/__init__.py")}
    assert {name for name in packages if f"`{name}/`" not in text} == set()


@pytest.mark.parametrize("record", sorted((ROOT / "docs/decisions").glob("*.md")), ids=lambda p: p.stem)
def test_decision_records_are_short(record: Path) -> None:
    """At most 40 lines: context, decision, consequences."""
    text = record.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 40
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _default(value: object) -> str:
    if value is None or value == ():
        return "unset"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _commands() -> list[str]:
    """Every command as it is typed; a group that does something by itself counts as one."""
    root = typer.main.get_command(build())
    found = []
    for name, command in root.commands.items():  # type: ignore[attr-defined]  # it is a group
        inner = getattr(command, "commands", None)
        if inner is None or command.invoke_without_command:
            found.append(name)
        found += [f"{name} {sub}" for sub in inner or ()]
    return found
