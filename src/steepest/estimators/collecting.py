"""Certificates of many fits, and one warning in place of hundreds.

Within ``collect_certificates()`` every fit hands in its certificate in place of a warning, and one warning sums up at
the end.  Without it, a search warns once and says how to see the rest.

The way back from worker processes: scikit-learn sends the filters of ``warnings`` along with the work (1.7 and later),
so a filter whose message names a folder tells a worker where to leave its certificates.  Backends whose workers see
another file system, and other libraries' pools, cannot: fits there warn by themselves, as ever.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import threading
import uuid
import warnings
import weakref
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from types import FrameType
from typing import Any, overload

from steepest.estimators.warnings import ConvergenceWarning
from steepest.protocols import Certificate, Status

_MARK = "steepest certificates are left in "
_LOCK = threading.Lock()
_OPEN: list[CollectedFits] = []


@dataclass(frozen=True, slots=True)
class CollectedFit:
    """One fit: which estimator, with which parameters, and what was proven.

    ``quiet`` says that the estimator was told to ignore a failure, by ``on_unconverged``.
    """

    estimator: str
    parameters: dict[str, Any]
    certificate: Certificate
    quiet: bool = False


class CollectedFits(Sequence[CollectedFit]):
    """The fits of a block, in the order in which they ended; those of worker processes come at its end."""

    def __init__(self) -> None:
        self._fits: list[CollectedFit] = []
        self._owner = os.getpid()

    @overload
    def __getitem__(self, index: int) -> CollectedFit: ...
    @overload
    def __getitem__(self, index: slice) -> list[CollectedFit]: ...
    def __getitem__(self, index: int | slice) -> CollectedFit | list[CollectedFit]:
        return self._fits[index]

    def __len__(self) -> int:
        return len(self._fits)

    @property
    def failed(self) -> list[CollectedFit]:
        """Fits without the proof that was asked for."""
        return [fit for fit in self._fits if not fit.certificate.passed]

    def summary(self) -> str:
        """How many are certified, why the others are not, and the worst of them."""
        failed = self.failed
        if not failed:
            return f"all {len(self)} fits are certified"
        kinds = Counter(f"'{fit.certificate.status}'" for fit in failed)
        reasons = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        gaps = [fit for fit in failed if fit.certificate.bounds == "suboptimality"]
        text = f"{len(failed)} of {len(self)} fits are not certified: {reasons}"
        if gaps:
            worst = max(gaps, key=lambda fit: fit.certificate.relative)
            text += (
                f". The worst proven relative gap is {worst.certificate.relative:.3g}, "
                f"where tol={worst.certificate.tol:g} was asked"
            )
        return text

    def to_frame(self) -> Any:
        """A pandas DataFrame: estimator, parameters, status, passed, relative gap, tol, reason."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "estimator": fit.estimator,
                    **fit.parameters,
                    "status": str(fit.certificate.status),
                    "passed": fit.certificate.passed,
                    "relative_gap": fit.certificate.relative,
                    "tol": fit.certificate.tol,
                    "reason": fit.certificate.reason,
                }
                for fit in self._fits
            ]
        )

    def __repr__(self) -> str:
        return f"<{self.summary()}>"


@contextmanager
def collect_certificates(*, warn: bool = True) -> Iterator[CollectedFits]:
    """Collect the certificate of every fit of this process, and of the workers of scikit-learn's searches.

    No fit inside warns by itself.

    Parameters
    ----------
    warn : bool, default=True
        One `ConvergenceWarning` at the end of the block, where a fit was not certified.

    Yields
    ------
    CollectedFits
        A sequence that grows; complete when the block has ended.

    Examples
    --------
    >>> import steepest
    >>> from sklearn.model_selection import GridSearchCV
    >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0.0, 1.0, 2.0, 3.5, 4.0, 5.0]
    >>> with steepest.collect_certificates() as fits:
    ...     search = GridSearchCV(steepest.Ridge(), {"alpha": [0.1, 1.0]}, cv=3).fit(X, y)
    >>> fits
    <all 7 fits are certified>
    """
    seen = CollectedFits()
    folder = Path(tempfile.mkdtemp(prefix="steepest-"))
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=_MARK + str(folder).encode().hex(), category=ConvergenceWarning)
            with _LOCK:
                _OPEN.append(seen)
            try:
                yield seen
            finally:
                with _LOCK:
                    _OPEN.remove(seen)
                left = sorted(folder.glob("*.json"), key=os.path.getmtime)
                seen._fits += [fit for path in left for fit in _read(path)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if warn and any(not fit.quiet for fit in seen.failed):
        warnings.warn(f"{seen.summary()}. Raise max_iter or max_time, or loosen tol.", ConvergenceWarning, stacklevel=3)


def hand_in(name: str, parameters: Mapping[str, Any], certificates: Iterable[Certificate], quiet: bool) -> bool:
    """Give the certificates of a fit to the blocks around it; False where there are none.

    Parameters
    ----------
    name : str
        The estimator's class name.
    parameters : mapping
    certificates : iterable of Certificate
        Several where one call of ``fit`` goes along a path.
    quiet : bool
        Whether the user asked not to be warned.
    """
    fits = [CollectedFit(name, dict(parameters), certificate, quiet) for certificate in certificates]
    with _LOCK:
        ours = [block for block in _OPEN if block._owner == os.getpid()]  # a forked child has copies
        for block in ours:
            block._fits += fits
    if ours:
        return True
    written = False
    for folder in _folders():
        plain = [
            {"estimator": name, "parameters": fit.parameters, "certificate": fit.certificate.to_dict(), "quiet": quiet}
            for fit in fits
        ]
        path = folder / f"{uuid.uuid4().hex}.part"
        try:
            path.write_text(json.dumps(plain, default=str, skipkeys=True), encoding="utf-8")
            path.rename(path.with_suffix(".json"))
        except OSError:  # a worker on another machine, or one that outlived the block
            continue
        written = True
    return written


def _folders() -> list[Path]:
    """Where blocks of the process that sent the work wait for certificates."""
    get = getattr(warnings, "_get_filters", None)
    found = []
    for _, message, category, *_ in warnings.filters if get is None else get():
        text = getattr(message, "pattern", message)
        if category is ConvergenceWarning and isinstance(text, str) and text.startswith(_MARK):
            found.append(Path(bytes.fromhex(text.removeprefix(_MARK)).decode()))
    return found


def _read(path: Path) -> Iterator[CollectedFit]:
    for item in json.loads(path.read_text(encoding="utf-8")):
        raw = item["certificate"]
        known = {field.name: raw[field.name] for field in fields(Certificate)}
        known.update(status=Status(raw["status"]), fallbacks=tuple(raw["fallbacks"]))
        yield CollectedFit(item["estimator"], item["parameters"], Certificate(**known), item["quiet"])


# ------------------------------------------------------------------------------ searches without such a block

_TOLD: weakref.WeakSet[Any] = weakref.WeakSet()
_TOLD_IDS: deque[Any] = deque(maxlen=256)
_MORE = (
    " Other fits of this search that are not certified are not reported: "
    "`with steepest.collect_certificates() as fits:` around it sums them up."
)


def warn_once_a_search(text: str, stacklevel: int) -> None:
    """A `ConvergenceWarning`; in a search only the first one, which then says how to see the others.

    A fit belongs to a search where scikit-learn fits clones for scores (``GridSearchCV``, ``cross_validate``).  Worker
    processes know the search by the identity of its callback context (scikit-learn 1.9) or, without one, only their
    batch of work; each process tells on its own.
    """
    key = _search()
    if key is not None:
        with _LOCK:
            if key in (_TOLD_IDS if isinstance(key, uuid.UUID) else _TOLD):
                return
        text += _MORE
    warnings.warn(text, ConvergenceWarning, stacklevel=stacklevel + 1)
    if isinstance(key, uuid.UUID):  # a warning that was turned into an error is told again
        _TOLD_IDS.append(key)
    elif key is not None:
        _TOLD.add(key)


def _search() -> Any:
    """What stands for the search that the caller's fit belongs to; None outside one, or where nothing stands for it."""
    frame: FrameType | None = sys._getframe(1)
    inside, key = False, None
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name == "sklearn.model_selection._validation" and frame.f_code.co_name == "_fit_and_score":
            inside = True
            key = getattr(frame.f_locals.get("callback_ctx"), "root_uuid", None)
        elif inside and not isinstance(key, uuid.UUID):
            if name.startswith("sklearn.model_selection."):
                key = frame.f_locals.get("parallel", key)
            elif name == "joblib.parallel" and key is None:
                key = frame.f_locals.get("self")
        frame = frame.f_back
    return key
