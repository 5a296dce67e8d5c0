"""LIBSVM and SVM-rank text: ``label [qid:q] index:value index:value ... [# comment]``, indices from 1.

Blank lines and comments are skipped.  Indices must increase within a row and start at 1, values must be
finite.  A compiled scanner reads the bytes once; at the first that does not fit it stops, and the error
names file, line, column, what was expected and what stands there.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from steepest.exceptions import DataError
from steepest.readers.dataset import Dataset
from steepest.readers.files import bare_name, read_bytes

_LARGEST = 2**31 - 1
_NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_TOKEN = re.compile(rb"[^\s#]*")


def read_libsvm(path: Path, raw: bytes | None = None, *, n_features: int | None = None) -> Dataset:
    """Rows of a LIBSVM text file as a CSR array of float64.

    Parameters
    ----------
    path : Path
    raw : bytes, optional
        The content, where the caller has it already.
    n_features : int, optional
        Width of X.  A test part that lacks the last features gets that of the train part; an index above it
        is an error.  By default the largest index of the file.

    Notes
    -----
    About 5 ns a byte.  Numbers are rounded correctly, as by Python's ``float``.
    """
    from scipy.sparse import csr_array

    if n_features is not None and not 1 <= n_features <= _LARGEST:
        raise DataError(f"n_features must be between 1 and {_LARGEST:,}, got {n_features}")
    raw = read_bytes(path) if raw is None else raw
    labels, qids, indptr, indices, data, largest = _scan(raw, path, n_features)
    width = n_features if n_features is not None else largest
    if width == 0:
        raise DataError(f"{path}: no row has any feature; expected index:value pairs after the labels")
    return Dataset(
        csr_array((data, indices, indptr), shape=(len(labels), width)),
        _whole(labels),
        name=bare_name(path),
        source=f"LIBSVM text {path}",
        qid=qids,
    )


def _scan(raw: bytes, path: Path, n_features: int | None) -> tuple[Any, ...]:
    from steepest.kernels import libsvm_text as text

    view = np.frombuffer(raw, np.uint8)
    rows = int(np.count_nonzero(view == ord("\n"))) + 1
    entries = raw.count(b":")
    labels, qids = np.empty(rows), np.empty(rows, np.int64)
    indptr, indices, data = np.empty(rows + 1, np.int64), np.empty(entries, np.int32), np.empty(entries)
    limit = _LARGEST if n_features is None else n_features
    reserve = 0
    while True:
        slow_at, slow_slot = np.empty(reserve, np.int64), np.empty(reserve, np.int64)
        code, at, n, nnz, slow, largest, has_qid = text.scan(
            view, limit, labels, qids, indptr, indices, data, slow_at, slow_slot
        )
        if code != text.OK:
            raise DataError(_words(raw, path, code, at, n_features))
        if slow <= reserve:
            break
        reserve = slow  # now that their number is known, list the numbers that need care
    for at, slot in zip(slow_at[:slow].tolist(), slow_slot[:slow].tolist(), strict=True):
        match = _NUMBER.match(raw, at)
        value = float(match.group()) if match is not None else math.nan
        if not math.isfinite(value):
            raise DataError(_words(raw, path, text.NOT_FINITE, at, n_features))
        if slot < 0:
            labels[-1 - slot] = value
        else:
            data[slot] = value
    if n == 0:
        raise DataError(f"{path}: no rows; expected lines 'label index:value ...', the file has {len(raw):,} bytes")
    if nnz <= _LARGEST:
        indptr = indptr.astype(np.int32)
    return labels[:n], qids[:n] if has_qid else None, indptr[: n + 1], indices[:nnz], data[:nnz], largest


def _whole(labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Labels as integers where all of them are."""
    if np.all(np.abs(labels) < 2.0**53):
        whole = labels.astype(np.int64)
        if np.array_equal(whole, labels):
            return whole
    return labels.copy()


def _words(raw: bytes, path: Path, code: int, at: int, n_features: int | None) -> str:
    """The error of the scanner as a sentence with file, line, column, expectation and finding."""
    from steepest.kernels import libsvm_text as text

    at = min(at, len(raw))
    start = raw.rfind(b"\n", 0, at) + 1
    line, column = raw.count(b"\n", 0, start) + 1, at - start + 1
    match = _TOKEN.match(raw, at)
    found = match.group()[:40].decode("utf-8", "backslashreplace") if match is not None else ""
    got = f"got {found!r}" if found else ("got the end of the file" if at == len(raw) else "got the end of the line")
    if at < len(raw) and not found and raw[at : at + 1] in b" \t#":
        got = f"got {raw[at : at + 1].decode()!r}"
    limit = f"{n_features:,}, the features of the train part" if n_features is not None else f"{_LARGEST:,}"
    expected = {
        text.BAD_LABEL: "expected a label (one number) at the start of the row",
        text.BAD_LABEL_END: "expected one label (a number) followed by a space",
        text.BAD_INDEX: "expected index:value with a whole number from 1 as index",
        text.INDEX_ZERO: "expected indices from 1, as LIBSVM text counts; number the features from 1",
        text.INDEX_ORDER: "expected the indices of a row in increasing order without repeats; sort the row",
        text.INDEX_RANGE: f"expected an index of at most {limit}",
        text.NO_COLON: "expected ':' after the feature index",
        text.BAD_VALUE: "expected a number after ':'",
        text.BAD_VALUE_END: "expected a space after the number",
        text.NOT_FINITE: "expected a finite number; remove or fill in missing values first",
        text.BAD_QID: "expected a whole number after 'qid:'",
        text.QID_MISSING: "expected 'qid:' after the label, as in the rows before",
        text.QID_UNEXPECTED: "expected no 'qid:', since the rows before have none",
    }[code]
    head, _, fix = expected.partition("; ")
    return f"{path}, line {line:,}, column {column}: {head}, {got}{'; ' + fix if fix else ''}"
