"""What can go wrong, named.

Every message says what was asked, what is allowed, what came, and one fix.
"""

from __future__ import annotations

from typing import Any


class SteepestError(Exception):
    """Base of all errors of steepest."""


class DataError(SteepestError, ValueError):
    """Data that cannot be read or used: names the file, line or argument."""


class PersistenceError(DataError):
    """A model file that cannot be written, read or trusted: names the file and the reason."""


class InvalidParameterError(SteepestError, ValueError, TypeError):
    """A parameter outside its allowed values."""


class IncompatibleError(SteepestError, ValueError):
    """A solver, loss and penalty that do not fit together: names the missing trait and what fits."""


class NotConvergedError(SteepestError):
    """Raised with ``on_unconverged="raise"``; carries the certificate and the fitted estimator."""

    def __init__(self, message: str, certificate: Any = None, estimator: Any = None) -> None:
        super().__init__(message)
        self.certificate = certificate
        self.estimator = estimator


class GradientWarning(UserWarning):
    """A gradient that differences of the function contradict: names the worst variable."""
