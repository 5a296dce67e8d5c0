"""Console sessions of the pages: every ``steepest`` command is run, and what it shows is what it prints."""

from __future__ import annotations

import doctest
import re
import shlex
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from steepest.cli import app

DOCS = Path(__file__).resolve().parents[1] / "docs"
SHOWN_ONLY = {"git", "pip", "make", "python"}  # commands that set up a machine


def sessions(path: Path) -> list[tuple[str, str]]:
    """Commands and what is shown below each, in the order of the page."""
    found: list[tuple[str, str]] = []
    text = path.read_text(encoding="utf-8")
    for block in re.findall(r"^\.\. code-block:: console\n\n((?:    .*\n|\n)+)", text, re.MULTILINE):
        lines = [line[4:] for line in block.splitlines()]
        command: str | None = None
        shown: list[str] = []
        for line in [*lines, "$ "]:
            if not line.startswith("$ "):
                shown.append(line)
                continue
            if command is not None:
                found.append((command, "\n".join(shown).strip("\n")))
            command, shown = line[2:], []
            while command.endswith("\\"):
                raise AssertionError(f"{path}: commands stand on one line: {command}")
    return found


PAGES = [path for path in sorted(DOCS.glob("*.rst")) if sessions(path)]


def run(command: str, codes: list[int]) -> str:
    """What a command prints; the few of the shell that pages use are done here."""
    words = shlex.split(command)
    into = None
    if ">" in words:
        into, words = words[words.index(">") + 1], words[: words.index(">")]
    if words == ["echo", "$?"]:
        return str(codes[-1])
    if words[0] == "head":
        return "\n".join(Path(words[3]).read_text(encoding="utf-8").splitlines()[: int(words[2])])
    if words[0] == "cut":  # cut -d, -f1-5 file
        upto = int(words[2].removeprefix("-f1-"))
        lines = Path(words[3]).read_text(encoding="utf-8").splitlines()
        printed = "".join(",".join(line.split(",")[:upto]) + "\n" for line in lines)
    else:
        assert words[0] == "steepest", command
        result = CliRunner(env={"COLUMNS": "200"}).invoke(app, words[1:])
        assert result.exception is None or isinstance(result.exception, SystemExit), (command, result.exception)
        codes.append(result.exit_code)
        printed = result.stdout if into or result.stdout else result.stderr  # a terminal shows a bar for a while
    if into is not None:
        Path(into).write_text(printed, encoding="utf-8")
        return ""
    return printed


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_commands_print_what_the_page_shows(path, tmp_path, monkeypatch):
    for file in (DOCS / "data").iterdir():
        shutil.copy(file, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    codes = [0]
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    for command, shown in sessions(path):
        if shlex.split(command)[0] in SHOWN_ONLY:
            continue
        before = len(codes)
        printed = run(command, codes)
        if shown:
            assert doctest.OutputChecker().check_output(shown + "\n", printed + "\n", flags), f"$ {command}\n{printed}"
        else:
            failed = codes[before:] and codes[-1] not in (0, 3)
            assert not failed, f"$ {command}\n{printed}"


def test_the_pages_with_sessions_are_these():
    assert {path.stem for path in PAGES} >= {"command_line", "index", "quickstart"}
    assert sum(command.startswith("steepest fit") for path in PAGES for command, _ in sessions(path)) >= 5


def test_commands_of_the_readme_run(tmp_path, monkeypatch):
    text = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^    (steepest .*)$", text, re.MULTILINE)
    assert len(commands) >= 2
    shutil.copytree(DOCS / "data", tmp_path / "docs" / "data")
    monkeypatch.chdir(tmp_path)
    codes: list[int] = []
    for command in commands:
        printed = run(command, codes)
        assert codes[-1] == 0, f"$ {command}\n{printed}"
    assert {"rent.skops", "rent.html", "predicted.csv"} <= {path.name for path in tmp_path.iterdir()}
