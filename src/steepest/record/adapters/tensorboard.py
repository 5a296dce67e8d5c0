"""Rounds as TensorBoard scalars."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from steepest.protocols import Certificate, FloatArray
from steepest.record.adapters.scalars import of_certificate, of_round


def _writer_class() -> Any:
    """``SummaryWriter`` of tensorboardX, or of PyTorch."""
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ImportError(
                "TensorBoard: needs a package that writes event files, found none. Run: pip install tensorboardX"
            ) from None
    return SummaryWriter


class TensorBoard:
    """A factory of observers that write event files.

    Every fit has a folder of its own, ``FOLDER/Ridge-1``, ``FOLDER/Ridge-2``; so has every target of a fit of several.

    Parameters
    ----------
    folder : str or path-like, default="runs"
    every : int, default=1
        Write each ``every``-th round.  The certificate is always written.

    Examples
    --------
    >>> import steepest
    >>> from steepest.record.adapters import TensorBoard
    >>> with steepest.observe(TensorBoard("runs")):  # doctest: +SKIP
    ...     steepest.Ridge().fit(X, y)
    """

    def __init__(self, folder: str | os.PathLike[str] = "runs", *, every: int = 1) -> None:
        if every < 1:
            raise ValueError(f"every: expected a number of rounds >= 1, got {every}. Use 1 for every round.")
        _writer_class()  # a missing package is told before any work
        self.folder = os.fspath(folder)
        self.every = int(every)

    def observer(self) -> TensorBoardObserver:
        """An observer for one fit."""
        return TensorBoardObserver(Path(self.folder), self.every)


class TensorBoardObserver:
    """Writes the rounds of one fit; made by `TensorBoard`."""

    def __init__(self, folder: Path, every: int) -> None:
        self.folder, self.every = folder, every
        self.path: Path | None = None
        self._writer: Any = None
        self._rounds = 0

    def begin(self, info: dict[str, Any]) -> None:
        """Opens a folder that no other fit has."""
        self.close()
        name = re.sub(r"[^\w.-]+", "_", str(info.get("title", "fit")))
        self.folder.mkdir(parents=True, exist_ok=True)
        number = 1
        while True:
            path = self.folder / f"{name}-{number}"
            try:
                path.mkdir()
                break
            except FileExistsError:  # of another fit, perhaps of another process at this moment
                number += 1
        self.path, self._rounds = path, 0
        self._writer = _writer_class()(str(path))
        self._writer.add_text("settings", "  \n".join(f"{key}: {value}" for key, value in sorted(info.items())), 0)

    def round(self, row: dict[str, float], w: FloatArray) -> None:
        """One point of every curve."""
        if self._rounds % self.every == 0:
            for name, value in of_round(row).items():
                self._writer.add_scalar(name, value, self._rounds)
        self._rounds += 1

    def end(self, certificate: Certificate) -> None:
        """The certificate, in numbers and words."""
        last = max(self._rounds - 1, 0)
        for name, value in of_certificate(certificate).items():
            self._writer.add_scalar(name.replace("_", "/", 1), value, last)
        self._writer.add_text("certificate", f"{certificate.status}: {certificate.reason}", last)
        self.close()

    def close(self) -> None:
        """Writes what is left; harmless when called twice."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
