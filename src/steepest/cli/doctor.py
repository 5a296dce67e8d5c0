"""``steepest doctor``: what this machine has, and what to mend."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from steepest.cli.saying import errors, say

PACKAGES = ("steepest", "numpy", "scipy", "numba", "scikit-learn", "skops", "threadpoolctl", "rich", "typer")
EXTRAS = {
    "pyarrow": ("arrow", "CSV and Parquet files"),
    "matplotlib": ("plot", "displays"),
    "dask": ("dask", "clusters"),
}
SLOW = 0.5  # seconds that a fit of nothing may take once its code is loaded


class Finding(NamedTuple):
    """Something to mend: what is, why it matters, what to do."""

    what: str
    remedy: str


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only what is to be mended.")] = False,
) -> None:
    """Look at this machine and say what to mend.

    Packages, processors and threads, the cache of compiled code, and how long a first fit takes.

    Exit code 0: all is well.  1: something is to be mended.
    """
    with errors():
        facts = _facts()
        findings = list(_findings(facts))
    if as_json:
        typer.echo(json.dumps({"facts": facts, "findings": [finding._asdict() for finding in findings]}))
    else:
        if not quiet:
            for title, values in facts.items():
                say(title, style="bold")
                for name, value in values.items():
                    say(f"  {name}: {value}")
        for finding in findings:
            say(f"! {finding.what}", style="bold yellow")
            say(f"  {finding.remedy}")
        if not findings and not quiet:
            say("All is well.", style="bold green")
    raise typer.Exit(1 if findings else 0)


def _facts() -> dict[str, dict[str, Any]]:
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, Any] = {"python": platform.python_version(), "platform": platform.platform()}
    for name in (*PACKAGES, *EXTRAS):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return {"packages": found, "processors": _processors(), "compiled code": _cache(), "a first fit": _fit()}


def _processors() -> dict[str, Any]:
    import numpy.linalg  # noqa: F401  (loads the BLAS that is asked about)
    from threadpoolctl import threadpool_info

    from steepest.parallel import effective_jobs

    affinity = getattr(os, "sched_getaffinity", None)
    libraries = [
        f"{lib['internal_api']} {lib.get('version') or ''}, {lib['num_threads']} threads".replace(" ,", ",")
        for lib in threadpool_info()
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if hasattr(os, "sysconf") else None
    return {
        "cores": os.cpu_count(),
        "this process may use": len(affinity(0)) if affinity is not None else os.cpu_count(),
        "threads of a fit": effective_jobs(None),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "not set"),
        "libraries with threads": "; ".join(dict.fromkeys(libraries)) or "none",
        "memory": "unknown" if memory is None else f"{memory:.1f} GiB",
    }


def _cache() -> dict[str, Any]:
    import numba

    from steepest.jit import cache_directory

    folder = cache_directory()
    files = [] if folder is None else [path for path in Path(folder).rglob("*") if path.is_file()]
    sizes = []
    for path in files:
        try:
            sizes.append(path.stat().st_size)
        except OSError:  # another process may tidy up meanwhile
            continue
    return {
        "folder": "none can be written to" if folder is None else str(folder),
        "pieces": sum(path.suffix == ".nbc" for path in files),
        "size": f"{sum(sizes) / 2**20:.1f} MiB",
        "compiler": "switched off by NUMBA_DISABLE_JIT" if numba.config.DISABLE_JIT else "on",
    }


def _fit() -> dict[str, Any]:
    """A tiny fit, twice: the first loads or compiles, the second does the work alone."""
    import numpy as np

    import steepest

    X = np.random.default_rng(0).standard_normal((200, 5))
    y = (X[:, 0] > 0).astype(int)
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        model = steepest.LogisticRegression(on_unconverged="ignore").fit(X, y)
        seconds.append(time.perf_counter() - began)
    return {
        "seconds": round(seconds[0], 3),
        "seconds of a second one": round(seconds[1], 4),
        "certified": bool(model.certificate_.passed),
    }


def _findings(facts: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    packages, processors = facts["packages"], facts["processors"]
    for name, (extra, what) in EXTRAS.items():
        if packages[name] == "not installed" and name == "pyarrow":
            yield Finding(f"{name} is not installed: {what} cannot be read", f'pip install "steepest[{extra}]"')
    if facts["compiled code"]["folder"].startswith("none"):
        yield Finding(
            "compiled code cannot be kept, so every process compiles anew",
            "set NUMBA_CACHE_DIR to a folder that can be written to",
        )
    if facts["compiled code"]["compiler"] != "on":
        yield Finding("NUMBA_DISABLE_JIT is set: every pass over the data runs in Python", "unset NUMBA_DISABLE_JIT")
    allowed, used = processors["this process may use"], processors["threads of a fit"]
    if used < allowed:
        yield Finding(
            f"OMP_NUM_THREADS={processors['OMP_NUM_THREADS']} limits a fit to {used} of {allowed} cores",
            "unset OMP_NUM_THREADS, or give n_jobs",
        )
    if not facts["a first fit"]["certified"]:
        yield Finding("a tiny fit was not certified", "reinstall steepest; if it happens again, report it")
    if facts["a first fit"]["seconds of a second one"] > SLOW:
        yield Finding(
            f"a tiny fit takes {facts['a first fit']['seconds of a second one']:.2g} s",
            "look for other work on this machine, or a processor limit of its container",
        )
