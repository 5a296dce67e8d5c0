"""Check every tracked text file: length, open ends, and what has no place in a public repository.

Usage: ``python tools/check_files.py [ROOT]``; prints one line per finding, exits 1 where there is one.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

MAX_LINES = 500
SUFFIXES = {".py", ".md", ".rst", ".toml", ".yaml", ".yml", ".csv", ".cfg", ".html", ".css", ".js", ".txt", ""}
EXEMPT = {"tools/check_files.py", ".ci/run"}  # the patterns themselves; the place where a machine is prepared

# An open end must say why it is open: "TODO(reason that a reader can act on): ...".
OPEN_END = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b(?!\([^)]{8,}\):)")

UNWANTED = {
    "a path of one machine": re.compile(r"(?<![\w.:/~])/(?:home|root|work|Users|mnt|opt|media)/\w"),
    "a path outside the repository": re.compile(r"(?<![\w-])shared/|\.\./\.\./\.\./"),
    "the address of a package registry": re.compile(
        r"--(?:extra-)?index-url|--find-links|files\.pythonhosted\.org|pypi\.org/simple|https?://[^\s\"')]*/simple/"
    ),
    "an issue number": re.compile(r"\bissues? #?\d|(?:^|[\s(])#\d{1,2}\b(?![0-9a-fA-F])"),
    "a merge marker": re.compile(r"^(?:<{7}|>{7}) "),
    "a credential": re.compile(
        r"(?i)\b(?:api[_-]?key|secret|password|token)\s*=\s*[\"'][^\"']{8,}[\"']|BEGIN [A-Z ]*PRIVATE KEY"
    ),
}


def tracked(root: Path) -> list[Path]:
    """Files that git tracks or would add, as paths relative to the root; all but hidden ones without git."""
    command = ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        found = (path.relative_to(root) for path in root.rglob("*"))
        listed = [str(path) for path in found if not path.parts[0].startswith(".")]
    return sorted(Path(name) for name in set(listed) if (root / name).is_file())


def findings(root: Path) -> Iterator[str]:
    """One line per finding, as ``path:line: what``."""
    for path in tracked(root):
        if path.suffix not in SUFFIXES:
            continue
        try:
            text = (root / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            if path.suffix:
                yield f"{path}:1: is not UTF-8"
            continue
        lines = text.splitlines()
        if path.suffix == ".py" and len(lines) > MAX_LINES:
            yield f"{path}:{MAX_LINES}: has {len(lines)} lines, at most {MAX_LINES} are allowed; split it by idea"
        if path.as_posix() in EXEMPT:
            continue
        for number, line in enumerate(lines, 1):
            if path.suffix == ".py" and OPEN_END.search(line):
                yield f"{path}:{number}: an open end without a reason; write 'TODO(why it is open): what'"
            for what, pattern in UNWANTED.items():
                if pattern.search(line):
                    yield f"{path}:{number}: holds {what}: {line.strip()[:80]}"


def main() -> int:
    """Print the findings; 1 where there are some."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1]
    found = list(findings(root))
    print("\n".join(found) if found else "files: nothing found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
