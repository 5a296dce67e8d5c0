"""How the command line speaks: lines, errors, exit codes, and the bar while a file is read."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer

from steepest.cli.checks import BAD_INPUT, NOT_CERTIFIED

PLAIN_EVERY = 10.0  # seconds between two lines about reading, where no terminal shows a bar


def say(text: str, style: str | None = None) -> None:
    """A line on standard output; colours only where it is a terminal."""
    from rich.console import Console

    Console(file=sys.stdout, highlight=False, soft_wrap=True).print(text, style=style, markup=False)


def silent(text: str, style: str | None = None) -> None:
    """Say nothing."""


def fail(message: str, code: int = BAD_INPUT) -> NoReturn:
    """End with an error on standard error."""
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(code)


@contextmanager
def errors(spelt: Callable[[str], str] = str) -> Iterator[None]:
    """What goes wrong in a known way ends in one line and an exit code; warnings become lines at once.

    ``spelt`` puts the names of options in place of those of parameters (`steepest.cli.spelling`).
    """
    from steepest.exceptions import NotConvergedError, SteepestError

    def show(message: Warning | str, *rest: Any, **more: Any) -> None:
        typer.echo(f"warning: {spelt(str(message))}", err=True)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show
        try:
            yield
        except NotConvergedError as error:
            fail(spelt(str(error)), NOT_CERTIFIED)
        except SteepestError as error:
            fail(spelt(str(error)))
        except KeyboardInterrupt:
            fail("interrupted", 130)


@contextmanager
def reading(name: str, *, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A callback ``progress(bytes_done, bytes_total)`` that shows how far a file is read.

    A terminal gets a bar that vanishes at the end; a pipe or a log a line every ten seconds.
    """
    if quiet:
        yield None
        return
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal or console.is_dumb_terminal:
        last = [time.monotonic()]

        def line(done: int, total: int) -> None:
            if time.monotonic() - last[0] >= PLAIN_EVERY:
                last[0] = time.monotonic()
                typer.echo(f"reading {name}: {done / 1e6:,.0f} of {total / 1e6:,.0f} MB", err=True)

        yield line
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("reading {task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
