"""The scanner of LIBSVM text: one pass over the bytes, no objects.

It stops at the first byte that does not fit and tells where; `steepest.readers.libsvm` puts it in words.
"""

from __future__ import annotations

import numpy as np

from steepest.jit import inner, kernel

OK = 0
BAD_LABEL = 1
BAD_LABEL_END = 2
BAD_INDEX = 3
INDEX_ZERO = 4
INDEX_ORDER = 5
INDEX_RANGE = 6
NO_COLON = 7
BAD_VALUE = 8
BAD_VALUE_END = 9
NOT_FINITE = 10
BAD_QID = 11
QID_MISSING = 12
QID_UNEXPECTED = 13

_EXACT, _AWKWARD, _BAD, _NOT_FINITE = 0, 1, 2, 3
_POWERS = np.array([10.0**k for k in range(23)])
_MANTISSA = 1 << 53


@inner
def _space(byte):
    return byte == 32 or byte == 9 or byte == 13


@inner
def _digit(byte):
    return 48 <= byte <= 57


@inner
def _end(byte):
    return byte == 32 or byte == 9 or byte == 13 or byte == 10 or byte == 35


@inner
def _number(text, at):
    """A decimal number at ``at``: (value, position after it, state).

    The value is exact to the last bit where the digits fit 2**53 and the power of ten 10**22: one product or
    quotient of two exact doubles rounds once.  Any other number is awkward and left to the caller.
    """
    size = text.size
    sign = 1.0
    if at < size and (text[at] == 43 or text[at] == 45):
        if text[at] == 45:
            sign = -1.0
        at += 1
    if at < size:
        letter = text[at] | 32
        if letter == 110 or letter == 105:  # nan, inf
            return 0.0, at, _NOT_FINITE
    mantissa = np.int64(0)
    kept = 0
    digits = 0
    power = 0
    awkward = False
    while at < size and _digit(text[at]):
        digits += 1
        if kept < 18:
            mantissa = mantissa * 10 + (np.int64(text[at]) - 48)
            if mantissa > 0:
                kept += 1
        else:
            awkward = True
        at += 1
    if at < size and text[at] == 46:
        at += 1
        while at < size and _digit(text[at]):
            digits += 1
            if kept < 18:
                mantissa = mantissa * 10 + (np.int64(text[at]) - 48)
                if mantissa > 0:
                    kept += 1
                power -= 1
            else:
                awkward = True
            at += 1
    if digits == 0:
        return 0.0, at, _BAD
    if at < size and (text[at] | 32) == 101:
        at += 1
        minus = False
        if at < size and (text[at] == 43 or text[at] == 45):
            minus = text[at] == 45
            at += 1
        if at >= size or not _digit(text[at]):
            return 0.0, at, _BAD
        exponent = 0
        while at < size and _digit(text[at]):
            if exponent < 100000:
                exponent = exponent * 10 + (np.int64(text[at]) - 48)
            at += 1
        power += -exponent if minus else exponent
    if awkward or mantissa > _MANTISSA or power > 22 or power < -22:
        return 0.0, at, _AWKWARD
    if power < 0:
        return sign * (np.float64(mantissa) / _POWERS[-power]), at, _EXACT
    return sign * (np.float64(mantissa) * _POWERS[power]), at, _EXACT


@kernel
def scan(text, limit, labels, qids, indptr, indices, data, slow_at, slow_slot):
    """Fill labels, qids, indptr, indices (from 0) and data from ``text``, an array of bytes.

    ``limit`` is the largest index allowed.  Numbers that need more care are listed as byte position and slot
    (entry of data, or ``-1 - row`` for a label) as far as the lists reach.  Returns (code, position, rows,
    entries, slow numbers, largest index, whether there are query ids).
    """
    size = text.size
    at = 0
    row = 0
    entry = 0
    slow = 0
    largest = np.int64(0)
    has_qid = False
    indptr[0] = 0
    while at < size:
        while at < size and _space(text[at]):
            at += 1
        if at < size and text[at] != 10 and text[at] != 35:
            value, after, state = _number(text, at)
            if state == _BAD:
                return BAD_LABEL, at, row, entry, slow, largest, has_qid
            if state == _NOT_FINITE:
                return NOT_FINITE, at, row, entry, slow, largest, has_qid
            if after < size and not _end(text[after]):
                return BAD_LABEL_END, after, row, entry, slow, largest, has_qid
            if state == _AWKWARD:
                if slow < slow_at.size:
                    slow_at[slow] = at
                    slow_slot[slow] = -1 - row
                slow += 1
            labels[row] = value
            at = after
            while at < size and _space(text[at]):
                at += 1
            found = False
            if at + 3 < size and text[at] == 113 and text[at + 1] == 105 and text[at + 2] == 100 and text[at + 3] == 58:
                start = at
                at += 4
                query = np.int64(0)
                first = at
                while at < size and _digit(text[at]) and at - first < 18:
                    query = query * 10 + (np.int64(text[at]) - 48)
                    at += 1
                if at == first or (at < size and not _end(text[at])):
                    return BAD_QID, at, row, entry, slow, largest, has_qid
                if row > 0 and not has_qid:
                    return QID_UNEXPECTED, start, row, entry, slow, largest, has_qid
                qids[row] = query
                has_qid = True
                found = True
            if has_qid and not found:
                return QID_MISSING, at, row, entry, slow, largest, has_qid
            last = np.int64(0)
            while True:
                while at < size and _space(text[at]):
                    at += 1
                if at >= size or text[at] == 10 or text[at] == 35:
                    break
                start = at
                index = np.int64(0)
                while at < size and _digit(text[at]):
                    if index < 1000000000000:
                        index = index * 10 + (np.int64(text[at]) - 48)
                    at += 1
                if at == start:
                    return BAD_INDEX, at, row, entry, slow, largest, has_qid
                if at >= size or text[at] != 58:
                    return NO_COLON, at, row, entry, slow, largest, has_qid
                if index == 0:
                    return INDEX_ZERO, start, row, entry, slow, largest, has_qid
                if index <= last:
                    return INDEX_ORDER, start, row, entry, slow, largest, has_qid
                if index > limit:
                    return INDEX_RANGE, start, row, entry, slow, largest, has_qid
                last = index
                at += 1
                value, after, state = _number(text, at)
                if state == _BAD:
                    return BAD_VALUE, at, row, entry, slow, largest, has_qid
                if state == _NOT_FINITE:
                    return NOT_FINITE, at, row, entry, slow, largest, has_qid
                if after < size and not _end(text[after]):
                    return BAD_VALUE_END, after, row, entry, slow, largest, has_qid
                if state == _AWKWARD:
                    if slow < slow_at.size:
                        slow_at[slow] = at
                        slow_slot[slow] = entry
                    slow += 1
                indices[entry] = index - 1
                data[entry] = value
                entry += 1
                at = after
            largest = max(largest, last)
            row += 1
            indptr[row] = entry
        while at < size and text[at] != 10:
            at += 1
        at += 1
    return OK, at, row, entry, slow, largest, has_qid
