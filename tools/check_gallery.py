"""Check the method gallery: every built method has a row, and every row leads somewhere.

``docs/gallery/methods.csv`` has one line per method id: ``id, method, api, test, page``.  The api is a
dotted name, the test ``path`` or ``path::function``, the page a file of ``docs/`` or ``examples/``;
several are separated by a blank.  Usage: ``python tools/check_gallery.py [ROOT]``.
"""

from __future__ import annotations

import ast
import csv
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

#: Methods that users can reach today.
BUILT = [
    *("A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9", "A10", "A11", "A12", "A13"),
    *("B1", "B2", "B3"),
    *("C1", "C2", "C3", "C4", "C5", "C6"),
    *("D1", "D2", "D3", "D4", "D5", "D6"),
    *("E1", "E2", "E3", "E4", "E5", "E6", "E7", "E8", "E9", "E10", "E11", "E12", "E13", "E14", "E15"),
    *("F1", "F2", "F3", "F4", "F5", "F6", "F7", "F8", "F9", "F10"),
    *("G1", "G2", "G3", "G4"),
    *("H1", "H2", "H3", "H4", "H6"),
]
COLUMNS = ["id", "method", "api", "test", "page"]


def resolves(dotted: str) -> bool:
    """Whether ``package.module.Class.attribute`` can be imported."""
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for name in parts[cut:]:
            if not hasattr(found, name):
                return False
            found = getattr(found, name)
        return True
    return False


def test_exists(root: Path, reference: str) -> bool:
    """Whether ``path::function`` names a test that is there."""
    path, _, function = reference.partition("::")
    file = root / path
    if not (file.is_file() and path.startswith("tests/")):
        return False
    if not function:
        return any(name.startswith("test") for name in _functions(file))
    return function.startswith("test") and function in _functions(file)


def _functions(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def findings(root: Path, built: list[str] = BUILT) -> Iterator[str]:
    """One line per method without a row, and per row that leads nowhere."""
    table = root / "docs" / "gallery" / "methods.csv"
    with table.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        if reader.fieldnames != COLUMNS:
            yield f"{table}: the columns must be {', '.join(COLUMNS)}; they are {reader.fieldnames}"
            return
        rows = list(reader)
    ids = [row["id"] for row in rows]
    for missing in (name for name in built if name not in ids):
        yield f"{table}: no row for {missing}"
    for number, row in enumerate(rows, 2):
        where = f"{table}:{number}: {row['id']}"
        if ids.count(row["id"]) > 1:
            yield f"{where}: has {ids.count(row['id'])} rows, one is allowed"
        for column in COLUMNS[1:]:
            if not (row[column] or "").strip():
                yield f"{where}: names no {column}"
        yield from (f"{where}: no public name {name}" for name in (row["api"] or "").split() if not resolves(name))
        yield from (f"{where}: no test {name}" for name in (row["test"] or "").split() if not test_exists(root, name))
        for page in (row["page"] or "").split():
            if not ((root / page).is_file() and page.startswith(("docs/", "examples/"))):
                yield f"{where}: no page {page}"


def main() -> int:
    """Print the findings; 1 where there are some."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1]
    found = list(findings(root))
    print("\n".join(found) if found else "gallery: nothing found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
