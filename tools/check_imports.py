"""Check that heavy and optional packages are imported only inside the functions that need them.

``import-linter`` knows which module imports what; it cannot tell an import at the top of a module, which
everybody pays for, from one inside a function.  Usage: ``python tools/check_imports.py [PACKAGE_FOLDER]``.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

#: Packages that no module may import when it is itself imported.
LAZY = {"pandas", "polars", "matplotlib", "plotly", "pyarrow", "dask", "IPython", "PIL"}
#: Modules that stay light: nothing of these when the module is imported.
LIGHT = {
    "__init__.py": {"numba", "sklearn", "scipy", "numpy", "rich", "typer"},
    "exceptions.py": {"numba", "sklearn", "scipy", "rich", "typer"},
    "protocols.py": {"numba", "sklearn", "scipy", "rich", "typer"},
}
#: Folders whose every module stays light.
LIGHT_FOLDERS = {"cli": {"numba", "sklearn", "scipy", "numpy"}}
#: Modules of them that are imported by a command when it runs.
HEAVY = {"cli/inputs.py", "cli/models.py"}


def imported(node: ast.stmt) -> list[str]:
    """Top-level package names of an import statement."""
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        return [node.module.partition(".")[0]]
    return []


def eager(body: list[ast.stmt]) -> Iterator[tuple[int, str]]:
    """Line and package of the imports that run when the module is imported."""
    for node in body:
        for name in imported(node):
            yield node.lineno, name
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from eager(node.orelse)
            continue
        for field in ("body", "orelse", "finalbody"):
            yield from eager(getattr(node, field, []))
        for handler in getattr(node, "handlers", []):
            yield from eager(handler.body)


def findings(package: Path) -> Iterator[str]:
    """One line per import that should stand inside a function."""
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        folder = set() if name in HEAVY else LIGHT_FOLDERS.get(name.partition("/")[0], set())
        forbidden = LAZY | LIGHT.get(name, set()) | folder
        for line, module in eager(ast.parse(path.read_text(encoding="utf-8")).body):
            if module in forbidden:
                yield f"{path}:{line}: {module} belongs inside the function that needs it, not at the top of the module"


def main() -> int:
    """Print the findings; 1 where there are some."""
    package = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1] / "src" / "steepest"
    found = list(findings(package))
    print("\n".join(found) if found else "imports: nothing found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
