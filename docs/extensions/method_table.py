"""The directive ``method-table``: a CSV of methods as a table whose cells are links."""

import csv
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

WIDTHS = "6 26 23 29 16"


def page_link(page: str) -> str:
    """A reference to the page that a script or a source file becomes."""
    path = Path(page)
    if path.parts[0] == "examples":
        return f":doc:`/gallery/generated/{path.stem}`"
    return f":doc:`/{path.relative_to('docs').with_suffix('').as_posix()}`"


class MethodTable(SphinxDirective):
    """Rows ``id, method, api, test, page`` with one reference or several in the last three."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        relative, absolute = self.env.relfn2path(self.arguments[0])
        self.env.note_dependency(relative)
        with Path(absolute).open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        if not rows:
            return []
        table = [["id", "method", "call", "shown by", "page"]]
        for row in rows:
            calls = " ".join(f":py:obj:`~{name}`" for name in row["api"].split())
            tests = " ".join(f"``{name.rpartition('::')[2]}``" for name in row["test"].split())
            pages = " ".join(page_link(name) for name in row["page"].split())
            table.append([row["id"], row["method"], calls, tests, pages])
        lines = [".. list-table::", "    :header-rows: 1", f"    :widths: {WIDTHS}", "    :class: methods", ""]
        for cells in table:
            lines += [("      - " if number else "    * - ") + cell for number, cell in enumerate(cells)]
        node = nodes.container()
        self.state.nested_parse(StringList(lines, source=absolute), self.content_offset, node)
        return node.children


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("method-table", MethodTable)
    return {"version": "1", "parallel_read_safe": True}
