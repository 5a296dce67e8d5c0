"""The repository keeps its own rules, and the tools that check them find planted faults."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import steepest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "steepest"


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


# ------------------------------------------------------------------------------------- this repository


def test_files_keep_the_rules():
    assert list(tool("check_files").findings(ROOT)) == []


def test_heavy_packages_are_imported_lazily():
    assert list(tool("check_imports").findings(PACKAGE)) == []


def test_every_layer_is_a_room_that_exists():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    layers = config["tool"]["importlinter"]["contracts"][0]["layers"]
    named = {name.strip(" ()") for layer in layers for name in layer.split("|")}
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert rooms - {"__init__"} <= named


# ------------------------------------------------------------------------------- the tools find faults


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.py", "x = 1\n" * 501, "has 501 lines"),
        ("a.py", "# TO" + "DO: later\n", "open end without a reason"),
        ("a.py", "# FIX" + "ME(no): x\n", "open end without a reason"),
        ("a.md", "see /" + "home/someone/notes\n", "a path of one machine"),
        ("a.md", "see ../sha" + "red/data\n", "a path outside the repository"),
        ("a.toml", "x = '--extra-" + "index-url'\n", "the address of a package registry"),
        ("a.rst", "as asked in iss" + "ue 12\n", "an issue number"),
        ("a.py", "x = 1  # see (#" + "7)\n", "an issue number"),
        ("a.py", "<<<<" + "<<< HEAD\n", "a merge marker"),
    ],
)
def test_check_files_finds(tmp_path, name, text, expected):
    found = list(tool("check_files").findings(write(tmp_path, {name: text})))
    assert len(found) == 1
    assert expected in found[0]
    assert found[0].startswith(f"{name}:")


def test_check_files_passes_clean_files(tmp_path):
    clean = {
        "a.py": "x = 1\n" * 500 + "",
        "b.py": "# TODO(numba has no scalar fma yet): use it\ncolor = '#123456'\n",
        "d.css": "a { color: #000; --b: #1234; }\n",
        "c.md": "An issue is a thing to discuss; see https://example.org/work/page and 2/3.\n",
    }
    assert list(tool("check_files").findings(write(tmp_path, clean))) == []


@pytest.mark.parametrize(
    "text",
    [
        "import pandas as pd\n",
        "try:\n    from matplotlib import pyplot\nexcept ImportError:\n    pyplot = None\n",
        "class A:\n    import dask.array\n",
        "if True:\n    import pyarrow\n",
    ],
)
def test_check_imports_finds(tmp_path, text):
    found = list(tool("check_imports").findings(write(tmp_path, {"sub/a.py": text})))
    assert len(found) == 1
    assert "belongs inside the function" in found[0]


def test_check_imports_passes_lazy_imports(tmp_path):
    text = (
        "from typing import TYPE_CHECKING\nimport numpy\nif TYPE_CHECKING:\n    import pandas\n"
        "def f():\n    import pandas\n    return pandas\n"
    )
    assert list(tool("check_imports").findings(write(tmp_path, {"a.py": text}))) == []
    assert len(list(tool("check_imports").findings(write(tmp_path, {"__init__.py": "import numba\n"})))) == 1


def test_check_gallery_finds_missing_rows_and_dead_ends(tmp_path):
    header = "id,method,api,test,page\n"
    good = "A1,squared loss,steepest.get_loss,tests/test_a.py::test_one,docs/a.rst\n"
    files = {"tests/test_a.py": "def test_one():\n    pass\n", "docs/a.rst": "A\n"}
    check = tool("check_gallery").findings

    def run(text: str) -> list[str]:
        return list(check(write(tmp_path, files | {"docs/gallery/methods.csv": text}), ["A1"]))

    assert run(header + good) == []
    assert "no row for A1" in run(header)[0]
    assert "2 rows" in run(header + good + good)[0]
    assert "no public name steepest.nothing" in run(header + good.replace("get_loss", "nothing"))[0]
    assert "no public name steepest.losses.x.y" in run(header + good.replace("get_loss", "losses.x.y"))[0]
    assert "no test tests/test_a.py::test_two" in run(header + good.replace("test_one", "test_two"))[0]
    assert "no page docs/b.rst" in run(header + good.replace("a.rst", "b.rst"))[0]
    assert "names no test" in run(header + "A1,squared loss,steepest.get_loss,,docs/a.rst\n")[0]
    assert "columns must be" in run("id,method\n")[0]


# ------------------------------------------------------------------------------------------ public names


def test_import_is_light():
    code = (
        "import sys, steepest\n"
        "heavy = {'numba', 'sklearn', 'scipy', 'numpy', 'pandas', 'matplotlib', 'rich', 'typer'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert steepest.__version__\n"
        "assert steepest.Status.CERTIFIED == 'certified'\n"
        "heavy = {'numba', 'sklearn', 'scipy', 'pandas', 'matplotlib', 'rich', 'typer'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_public_name_can_be_had():
    for name in steepest.__all__:
        assert getattr(steepest, name) is not None, name
        assert name in dir(steepest)
    star: dict[str, object] = {}
    exec("from steepest import *", star)
    assert set(steepest.__all__) <= set(star)


def test_unknown_name_is_an_attribute_error_that_lists_the_known():
    with pytest.raises(AttributeError, match=r"'Rigde'.*Ridge"):
        steepest.Rigde  # noqa: B018
    assert not hasattr(steepest, "__wrapped__")


def test_type_checkers_see_the_same_names():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.asname: node.module if f"{node.module}.{alias.name}" != f"steepest.{alias.name}" else None
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    homes = steepest._HOMES
    assert set(seen) == set(homes)
    for name, module in seen.items():
        assert homes[name] == (module or f"steepest.{name}")


def test_version_is_the_one_of_the_project():
    assert steepest.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
