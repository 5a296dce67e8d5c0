"""The documentation is true: its code prints what it shows, its pointers lead somewhere, nothing is left out."""

from __future__ import annotations

import ast
import contextlib
import csv
import doctest
import importlib
import importlib.util
import io
import re
import runpy
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

import steepest
from steepest.solvers.auto import SOLVERS

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.glob("*.rst") if not path.stem.startswith("sg_"))  # written by sphinx-gallery
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
EXAMPLES = sorted((ROOT / "examples").glob("plot_*.py"))


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# -------------------------------------------------------------------------------------------------- readme


def test_the_readme_shows_what_its_example_prints():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"```python\n(.*?)```\s*```text\n(.*?)```", text, re.DOTALL)
    assert found is not None
    code, shown = found.groups()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    assert printed.getvalue() == shown


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_of_the_front_pages_lead_to_files(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in target]
    assert [target for target in targets if not (ROOT / target).exists()] == []
    if name == "README.md":
        assert len(targets) > 5


def test_make_has_the_targets_that_are_named():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for name in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert set(re.findall(r"(?:^    |`)make ([a-z-]+)", text, re.MULTILINE)) <= targets, name


# ------------------------------------------------------------------------------------------------- gallery


def test_every_method_has_a_row_and_every_row_leads_somewhere():
    assert list(load(ROOT / "tools" / "check_gallery.py").findings(ROOT)) == []


def test_every_example_is_the_page_of_a_method():
    with (DOCS / "gallery" / "methods.csv").open(encoding="utf-8", newline="") as stream:
        pointed = {page for row in csv.DictReader(stream) for page in row["page"].split()}
    assert {f"examples/{path.name}" for path in EXAMPLES} <= pointed


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_run(path):
    import matplotlib as mpl

    before = mpl.get_backend()
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            runpy.run_path(str(path), run_name="__main__")
        assert plt.get_fignums()
    finally:
        plt.close("all")
        mpl.use(before)
    assert printed.getvalue()


# --------------------------------------------------------------------------------------------------- pages


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_sessions_in_the_pages_are_true(path, tmp_path, monkeypatch):
    for file in (DOCS / "data").iterdir():
        shutil.copy(file, tmp_path)
    monkeypatch.chdir(tmp_path)
    failed, _ = doctest.testfile(str(path), module_relative=False, optionflags=FLAGS)
    assert failed == 0


def test_some_pages_have_sessions():
    text = {path.stem: path.read_text(encoding="utf-8") for path in PAGES}
    assert all(">>> " in text[name] for name in ("certificates", "from_scikit_learn"))


def test_every_page_is_reached_from_the_index():
    reached, ahead = set(), ["index"]
    while ahead:
        page = ahead.pop()
        reached.add(page)
        if (DOCS / f"{page}.rst").is_file():
            text = (DOCS / f"{page}.rst").read_text(encoding="utf-8")
            listed = re.findall(r"^\.\. toctree::\n((?:    .*\n|\n)+)", text, re.MULTILINE)
            names = [line.strip() for block in listed for line in block.splitlines() if re.match(r"    [a-z]", line)]
            ahead += [name for name in names if name not in reached]
    assert {path.stem for path in PAGES} - reached == set()


@pytest.mark.parametrize("room", ["", "losses", "networks", "penalties", "readers", "persistence", "report"])
def test_every_public_name_is_in_the_list(room):
    text = (DOCS / "api.rst").read_text(encoding="utf-8")
    module = importlib.import_module(f"steepest.{room}".rstrip("."))
    names = [name for name in module.__all__ if name != "__version__"]
    assert names
    assert [name for name in names if not re.search(rf"\b{name}\b", text)] == []


def test_every_name_in_the_list_exists():
    resolves = load(ROOT / "tools" / "check_gallery.py").resolves
    module, missing = "steepest", []
    for line in (DOCS / "api.rst").read_text(encoding="utf-8").splitlines():
        if line.startswith(".. currentmodule::"):
            module = line.split()[-1]
        name = re.fullmatch(r"    ([\w.]+)", line) or re.fullmatch(r"\.\. autoclass:: ([\w.]+)", line)
        if name and not resolves(f"{module}.{name[1]}"):
            missing.append(name[1])
    assert missing == []


def test_every_room_is_in_the_architecture():
    text = (DOCS / "architecture.rst").read_text(encoding="utf-8")
    package = ROOT / "src" / "steepest"
    rooms = [path.parent.name for path in package.glob("*/__init__.py")]
    assert [name for name in rooms if f"``{name}``" not in text] == []
    files = re.findall(r"``([\w/]+\.py)``", text)
    assert [name for name in files if not (package / name).is_file()] == []


def test_every_status_and_kind_is_explained():
    from typing import get_args

    from steepest.protocols import Bounds, CertificateKind, Status

    text = (DOCS / "certificates.rst").read_text(encoding="utf-8")
    words = [*Status, *get_args(CertificateKind), *get_args(Bounds)]
    assert [str(word) for word in words if f"``{word}``" not in text] == []


# ---------------------------------------------------------------------------------------- doctests are run


def test_every_example_of_the_package_is_collected():
    """Modules whose doctests pytest would find: all that have some, in a folder that it is told to look into."""
    import tomllib

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
    assert "src" in settings["testpaths"]
    assert "--doctest-modules" in settings["addopts"]
    package = ROOT / "src" / "steepest"
    finder, found, hidden = doctest.DocTestFinder(exclude_empty=True), 0, []
    for path in package.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
        written = [
            node for node in ast.walk(tree) if isinstance(node, kinds) and ">>> " in (ast.get_docstring(node) or "")
        ]
        if not written:
            continue
        name = ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")
        tests = [test for test in finder.find(importlib.import_module(name)) if test.examples]
        if len(tests) != len(written):
            hidden.append(f"{name}: {len(written)} docstrings with examples, of which doctest finds {len(tests)}")
        found += len(tests)
    assert hidden == []
    assert found > 100


# ------------------------------------------------------------------------------------- tables made by asking


def test_the_tables_of_solvers_are_made(monkeypatch):
    pytest.importorskip("docutils")
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(str(DOCS / "extensions"))
    table = load(DOCS / "extensions" / "solver_table.py")
    rows, _ = table.SolverTable.rows(object.__new__(table.SolverTable))
    assert [row[0].strip("`") for row in rows[1:]] == list(SOLVERS)
    assert all(len(row) == len(rows[0]) for row in rows)
    assert all({"yes", "no intercept", "sparse"} & set(row[2:]) for row in rows[1:])
    chosen, _ = table.AutomaticChoice.rows(object.__new__(table.AutomaticChoice))
    assert {row[3].strip("`") for row in chosen[1:]} <= set(SOLVERS)
    assert "sphinx" in sys.modules


def test_the_tables_of_losses_penalties_and_commands_are_made(monkeypatch):
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(str(DOCS / "extensions"))
    table = load(DOCS / "extensions" / "fact_tables.py")
    losses, widths = table.LossTable.rows(None)
    shown = {re.match(r":py:obj:`(\w+) ", row[0])[1]: row for row in losses[1:]}
    known = {**steepest.losses.SCALAR_LOSSES, **steepest.losses.VECTOR_LOSSES}
    ours = {name for name, kind in known.items() if kind.__module__.startswith("steepest.")}
    assert set(shown) == ours - {"weighted_sum"}  # whose facts are those of its terms
    assert all(len(row) == len(widths.split()) for row in losses)
    assert shown["hinge"][-2:] == ["kinks", "duality gap"]
    assert shown["sigmoid"][4] == "no"
    penalties, _ = table.PenaltyTable.rows(None)
    assert [row[2:] for row in penalties[1:]] == [
        ["no", "yes"],
        ["yes", "not always"],
        ["yes", "yes"],
        ["no", "not always"],
    ]
    assert {"``--target``", "``--valid``", "``--json``"} <= {row[0] for row in table.options("fit")}
    page = (DOCS / "command_line.rst").read_text(encoding="utf-8")
    from steepest.cli import app

    commands = [command.callback.__name__ for command in app.registered_commands]
    assert [name for name in commands if f"``{name}``" not in page] == []
