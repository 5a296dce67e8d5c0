"""``python -m steepest`` is the command ``steepest``."""

from steepest.cli import app

app(prog_name="steepest")
