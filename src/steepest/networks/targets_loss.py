"""What a network is trained for: a weighted sum of losses of its outputs and the targets.

    objective = Objective([(1.0, "squared_error"), (0.1, "absolute_error")], n_outputs=2)
    y, s = objective.inputs(128, np.float32)
    cost = objective.node(network.scores, y, s)          (1/m) sum_i s_i sum_t weight_t loss_t(z_i, y_i)

Losses of one score are summed over the outputs of a row, as the gradient that scikit-learn's networks follow.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.kernels.network_losses import entry_values, row_values
from steepest.networks.costs import EntryLoss, RowLoss, softmax_cross_entropy
from steepest.networks.elementwise import add, multiply
from steepest.networks.fused import MeanCrossEntropy, mean_cross_entropy
from steepest.networks.loss_terms import (
    PIECES,
    DivergencePass,
    EntryPass,
    PieceLoss,
    PieceRows,
    TargetConstants,
    Term,
    as_terms,
    constants,
)
from steepest.networks.node import Input, Node
from steepest.networks.reductions import mean
from steepest.networks.reductions import sum as summed
from steepest.networks.shaping import reshape
from steepest.protocols import AnyArray, FloatArray

_MERGED = {
    frozenset({"unit", "sign"}): "unit",
    frozenset({"real", "nonnegative"}): "nonnegative",
    frozenset({"real", "unit"}): "unit",
    frozenset({"shares", "unit"}): "shares",
    frozenset({"shares", "real"}): "shares",
}
_MEANS = {
    "class": "integer labels 0 to {last}",
    "shares": "rows of {k} shares, not negative, with sum 1",
    "unit": "numbers from 0 to 1",
    "sign": "-1 or 1",
    "real": "finite numbers",
    "nonnegative": "finite numbers >= 0",
}


class Objective:
    """``(1/m) sum_i s_i sum_t weight_t loss_t(z_i, y_i)`` (A12, F8).

    Parameters
    ----------
    terms : str, loss, or sequence of (weight, loss)
        Losses by name or value; see `steepest.networks.loss_terms`.  Losses of one score are summed over the outputs.
        "kl" is the Kullback-Leibler divergence of shares from the softmax, "poisson" half the deviance with mean
        ``exp(z)``: both are zero for a perfect fit.
    n_outputs : int
        Scores a row.

    Attributes
    ----------
    terms : tuple of Term
    targets_kind : str
        "class": labels as int64 of shape (n,).  Else floats of shape (n, n_outputs): "shares", "unit" (0 to 1), "sign"
        (-1, 1), "real", "nonnegative".  Losses of signs beside losses of units take ``2 y - 1``.
    link : str
        Of the first term, from score to prediction: "softmax", "argmax", "logistic", "sign", "log" or "identity".
    kinks : tuple of str
        The losses whose slope jumps.
    has_curvature : bool
        Whether all losses have second derivatives, those of their straight pieces included.
    lower : float
        A lower bound of the objective, from those that the losses state; minus infinity where one states none.

    Raises
    ------
    InvalidParameterError
        For losses that are not known or have no slope, and for weights that are not finite, negative, or all zero.
    IncompatibleError
        For losses that take different targets, and for those of several classes with one output.

    Examples
    --------
    >>> both = Objective([(1.0, "squared_error"), (0.5, "absolute_error")], 1)
    >>> both.name, both.values(np.array([[1.0], [3.0]]), np.array([[0.0], [3.0]])).tolist()
    ('1 squared_error + 0.5 absolute_error', [1.0, 0.0])
    >>> Objective("kl", 2).values(np.zeros((1, 2)), np.array([[1.0, 0.0]])).round(4).tolist()
    [0.6931]
    """

    def __init__(self, terms: Any, n_outputs: int) -> None:
        self.terms: tuple[Term, ...] = as_terms(terms)
        self.n_outputs = int(n_outputs)
        kind = self.terms[0].targets
        for term in self.terms[1:]:
            kind = self._merged(kind, term)
        self.targets_kind = kind
        for term in self.terms:
            if not term.by_entry and self.n_outputs < 2:
                raise IncompatibleError(
                    f"loss: '{term.name}' compares the scores of classes and needs at least 2 outputs, got "
                    f"{self.n_outputs}. Use 'log_loss' for one output."
                )

    def _merged(self, kind: str, term: Term) -> str:
        if kind == term.targets:
            return kind
        merged = _MERGED.get(frozenset({kind, term.targets}))
        if merged is None:
            raise IncompatibleError(
                f"loss: '{self.terms[0].name}' and '{term.name}' take different targets ({self._said(kind)}; "
                f"{self._said(term.targets)}). Combine losses of one sort."
            )
        return merged

    # ------------------------------------------------------------------------------------------------------ facts

    @property
    def name(self) -> str:
        """The terms as people write them."""
        if len(self.terms) == 1 and self.terms[0].weight == 1.0:
            return self.terms[0].name
        return " + ".join(f"{term.weight:g} {term.name}" for term in self.terms)

    @property
    def link(self) -> str:
        """From score to prediction, of the first term."""
        return self.terms[0].link

    @property
    def kinks(self) -> tuple[str, ...]:
        """Losses whose slope jumps, by name."""
        return tuple(term.name for term in self.terms if term.kinks and term.weight > 0.0)

    @property
    def has_curvature(self) -> bool:
        """Whether second derivatives exist."""
        return all(term.has_curvature for term in self.terms if term.weight > 0.0)

    @property
    def lower(self) -> float:
        """A lower bound of the objective."""
        least = 0.0
        for term in self.terms:
            own = 0.0 if term.loss.name == "poisson" else float(getattr(term.loss, "lower", 0.0))
            least += term.weight * own * self.n_outputs if term.weight > 0.0 and own != 0.0 else 0.0
        return least

    # ---------------------------------------------------------------------------------------------------- targets

    def _said(self, kind: str) -> str:
        return _MEANS[kind].format(k=self.n_outputs, last=self.n_outputs - 1)

    def targets(self, y: Any) -> AnyArray:
        """Targets as the objective takes them: int64 labels (n,), or float64 (n, n_outputs); checked.

        Raises
        ------
        InvalidParameterError
            Naming the first row that does not fit.
        """
        given = np.asarray(y)
        if given.dtype.kind not in "fiub" or given.ndim not in (1, 2) or len(given) == 0:
            cure = "Give a target for each row" if given.dtype.kind in "fiub" else "Encode labels as integers"
            raise InvalidParameterError(
                f"y: expected {self._said(self.targets_kind)} for the loss '{self.name}', got {given.dtype} of shape "
                f"{given.shape}. {cure}."
            )
        if self.targets_kind == "class":
            labels = given.ravel() if given.ndim == 1 or given.shape[1] == 1 else None
            if labels is None:
                raise InvalidParameterError(
                    f"y: expected labels of shape (n,) for the loss '{self.name}', got {given.shape}. "
                    "Use loss='kl' for rows of shares, 'log_loss' for several labels a row."
                )
            self._refuse((labels < 0) | (labels >= self.n_outputs) | (labels != np.floor(labels)), labels)
            return labels.astype(np.int64)
        values = np.ascontiguousarray(given, dtype=np.float64)
        values = values.reshape(-1, 1) if values.ndim == 1 else values
        if values.shape[1] != self.n_outputs:
            raise InvalidParameterError(
                f"y: expected {self.n_outputs} column(s), one for each output, got {values.shape[1]}. Reshape y."
            )
        bad = ~np.isfinite(values)
        if self.targets_kind in ("unit", "shares"):
            bad |= (values < 0.0) | (values > 1.0)
        elif self.targets_kind == "sign":
            bad |= np.abs(values) != 1.0
        elif self.targets_kind == "nonnegative":
            bad |= values < 0.0
        rows = bad.any(axis=1)
        if self.targets_kind == "shares":
            rows |= np.abs(values.sum(axis=1) - 1.0) > 1e-6
        self._refuse(rows, values)
        return values

    def _refuse(self, rows: Any, values: AnyArray) -> None:
        found = np.flatnonzero(rows)
        if len(found):
            raise InvalidParameterError(
                f"y: expected {self._said(self.targets_kind)} for the loss '{self.name}', got "
                f"{values[found[0]].tolist()} in row {int(found[0])} ({len(found)} such row(s)). Encode the targets, "
                "or choose another loss."
            )

    def inputs(self, rows: int, dtype: Any) -> tuple[Input, Input]:
        """Inputs for the targets and the row weights of a batch."""
        if self.targets_kind == "class":
            return Input((rows,), "y", np.int64), Input((rows,), "s", dtype)
        return Input((rows, self.n_outputs), "y", dtype), Input((rows,), "s", dtype)

    # ------------------------------------------------------------------------------------------------- evaluation

    def node(self, scores: Node, y: Node, s: Node | None = None, *, fused: bool = True) -> Node:
        """The objective of a batch, ``(1/m) sum_i s_i loss_i``.

        Parameters
        ----------
        scores : Node of shape (m, n_outputs)
        y, s : Node
            As `inputs` makes them; weights have mean 1 over all the rows.  None: all 1.
        fused : bool
            Whether losses may be computed in one pass, for first derivatives only.
        """
        total: Node | None = None
        for term in self.terms:
            if term.weight == 0.0:  # 0 times infinity would be NaN
                continue
            one = self._mean(term, scores, y, s, fused)
            one = one if term.weight == 1.0 else multiply(one, term.weight)
            total = one if total is None else add(total, one)
        assert total is not None
        return total

    def _mean(self, term: Term, scores: Node, y: Node, s: Node | None, fused: bool) -> Node:
        if fused and s is not None and term.name == "cross_entropy":
            return mean_cross_entropy(scores, y, s)
        if fused and s is not None and term.targets == "shares":
            return MeanCrossEntropy()(DivergencePass()(scores, y, s), scores)
        if fused and s is not None and term.by_entry:
            factor, shift = self._meaning(term)
            one = MeanCrossEntropy()(EntryPass(term.loss, factor, shift)(scores, y, s), scores)
            more = self._constants(term, y)
            return one if more is None else add(one, mean(multiply(more, s)))
        each = self._rows(term, scores, y)
        return mean(each if s is None else multiply(each, s))

    def _rows(self, term: Term, scores: Node, y: Node) -> Node:
        """The loss of each row."""
        if term.loss.name == "softmax":
            each = softmax_cross_entropy(scores, y)
        elif not term.by_entry:
            each = (PieceRows if term.has_curvature else RowLoss)(term.loss)(scores, y)
        else:
            factor, shift = self._meaning(term)
            wanted = y if factor == 1.0 else add(multiply(y, factor), shift)
            entries = (PieceLoss if term.loss.name in PIECES else EntryLoss)(term.loss)(scores, wanted)
            each = reshape(entries, entries.shape[:1]) if self.n_outputs == 1 else summed(entries, -1)
        more = self._constants(term, y)
        return each if more is None else add(each, more)

    def _meaning(self, term: Term) -> tuple[float, float]:
        """What makes the term's targets of y: signs of zeros and ones, or nothing."""
        return (2.0, -1.0) if term.targets == "sign" and self.targets_kind != "sign" else (1.0, 0.0)

    def _constants(self, term: Term, y: Node) -> Node | None:
        has_some = term.targets == "shares" or term.loss.name == "poisson"
        return TargetConstants(term)(y) if has_some else None

    def values(self, scores: AnyArray, y: AnyArray) -> FloatArray:
        """The loss of each row in float64, without weights.

        Parameters
        ----------
        scores : array of shape (n, n_outputs)
        y : array
            As `targets` returns it.
        """
        z = np.ascontiguousarray(scores, dtype=np.float64)
        total = np.zeros(len(z))
        for term in self.terms:
            if term.weight > 0.0:
                total += term.weight * self._values(term, z, y)
        return total

    def _values(self, term: Term, z: FloatArray, y: AnyArray) -> FloatArray:
        out = np.empty(len(z))
        if term.loss.name == "softmax":
            top = z.max(axis=1)
            with np.errstate(all="ignore"):
                each = np.log(np.exp(z - top[:, None]).sum(axis=1))
                if term.targets == "class":
                    out = each - (z[np.arange(len(z)), y] - top)
                else:
                    out = np.sum(np.where(y > 0.0, y * (each[:, None] - (z - top[:, None])), 0.0), axis=1)
        elif not term.by_entry:
            row_values(term.loss, z, y, np.empty(z.shape[1]), np.empty(z.shape[1]), out)
        else:
            factor, shift = self._meaning(term)
            wanted = factor * y + shift
            entries = np.empty(z.size)
            entry_values(term.loss, z.ravel(), np.ascontiguousarray(wanted, dtype=np.float64).ravel(), entries)
            out = entries.reshape(z.shape).sum(axis=1)
        more = constants(term, y)
        return out if more is None else out + more
