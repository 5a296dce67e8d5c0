"""What a network is taught: labels, sets of labels, shares or numbers, as its objective takes them, and back again.

==========  ==========================  ===================================  ================================
sort        y                           scores                               prediction
==========  ==========================  ===================================  ================================
classes     labels (n,)                 1 for two classes and a loss of one  the class of the highest score
                                        score, else one a class
sets        0 and 1, (n, k)             k                                    0 and 1, (n, k)
shares      rows of sum 1, (n, k)       k                                    the class of the largest share
numbers     (n,) or (n, t)              t                                    numbers of that shape
==========  ==========================  ===================================  ================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.special import expit
from sklearn.utils.validation import column_or_1d

from steepest.estimators.links import LINKS, log_expit, log_softmax
from steepest.estimators.targets import Labels, encode
from steepest.exceptions import DataError, IncompatibleError, InvalidParameterError
from steepest.networks.loss_terms import as_terms
from steepest.networks.targets_loss import Objective
from steepest.networks.units import get_unit
from steepest.protocols import AnyArray

CLASSES, SETS, SHARES, NUMBERS = "classes", "sets", "shares", "numbers"


@dataclass(eq=False)
class Meaning:
    """What the scores of a network stand for.

    Attributes
    ----------
    sort : {"classes", "sets", "shares", "numbers"}
    n_outputs : int
    terms : tuple of (weight, name or loss)
        Of the objective.
    classes : array or None
    link : str
        From scores to probabilities: "softmax", "logistic"; "unit" where outputs are probabilities; "log" (to numbers);
        else none.
    middle : float
        Above which a score stands for the second of two classes, or for a label of a set.
    flat : bool
        Whether numbers were given as (n,).
    sparse : bool
        Whether sets were given as a sparse matrix.
    """

    sort: str
    n_outputs: int
    terms: tuple[Any, ...]
    classes: Any = None
    link: str = "identity"
    middle: float = 0.0
    flat: bool = True
    sparse: bool = False

    def objective(self) -> Objective:
        """The objective of the terms."""
        return Objective(list(self.terms), self.n_outputs)


class Taught(NamedTuple):
    """Targets as the objective takes them, what they mean, and the classes of rows where each has one."""

    y: AnyArray
    meaning: Meaning
    labels: Labels | None


def pairs(loss: Any, auto: str) -> tuple[Any, ...]:
    """``loss`` as (weight, name or value) pairs, "auto" replaced."""
    if isinstance(loss, str) and loss == "auto":
        loss = auto
    if isinstance(loss, list | tuple) and not hasattr(loss, "_fields"):
        as_terms(loss)  # says what is wrong with it
        return tuple((float(weight), auto if isinstance(one, str) and one == "auto" else one) for weight, one in loss)
    return ((1.0, loss),)


def is_auto(loss: Any) -> bool:
    """Whether the loss goes by the targets."""
    return isinstance(loss, str) and loss == "auto"


def _own_unit(output_activation: Any) -> Any:
    try:
        return get_unit("identity" if output_activation is None else output_activation)
    except InvalidParameterError as error:
        raise InvalidParameterError(f"output_{error}") from None


def check_output(objective: Objective, output_activation: Any) -> None:
    """Raises where the outputs pass through a unit that the loss has inside."""
    unit = _own_unit(output_activation)
    if unit.name != "identity" and objective.link not in ("identity", "sign"):
        raise IncompatibleError(
            f"output_activation: the loss '{objective.name}' takes sums and applies its own link, '{objective.link}', "
            f"got '{unit.name}' before it. Leave output_activation out, or use loss='squared_error'."
        )


# ------------------------------------------------------------------------------------------------- to the objective


def teach_labels(model: Any, y: Any, s: Any, classes: Any = None, known: Meaning | None = None) -> Taught:
    """Targets of a classifier.

    Parameters
    ----------
    model : estimator
        Its ``loss`` and ``output_activation`` are read.
    y : array of shape (n,) or (n, k), or sparse
    s : array of shape (n,) or None
        Sample weights: a class of weight zero is none.
    classes : array-like, optional
        All classes, in place of those of y.
    known : Meaning, optional
        That of earlier rows, which these must have too.
    """
    if sp.issparse(y) or (y.ndim == 2 and y.shape[1] > 1):
        _check_loss(model, known)
        return _teach_columns(model, y, classes, known)
    if y.ndim == 2:
        y = column_or_1d(y, warn=True)
    _check_loss(model, known)
    if known is not None and known.sort != CLASSES:
        raise DataError(f"y: expected shape (n, {known.n_outputs}) as before, got {y.shape}. Pass the same columns.")
    labels = _labels_of(model, y, s, classes if known is None else known.classes)
    k = len(labels.classes)
    meaning = known if known is not None else _meaning_of_classes(model, labels.classes)
    return Taught(codes_as_targets(meaning, model.output_activation, labels.codes, k), meaning, labels)


def _check_loss(model: Any, known: Meaning | None) -> None:
    """Raises where the loss is not that of the network so far."""
    if known is None or is_auto(model.loss):
        return
    terms, before = as_terms(list(pairs(model.loss, str(known.terms[0][1])))), as_terms(list(known.terms))
    if terms != before:
        raise DataError(
            f"loss: expected that of the network so far, {[term.name for term in before]}, got {model.loss!r:.100}. "
            "Set it back, or fit a new model."
        )


def _labels_of(model: Any, y: AnyArray, s: Any, classes: Any) -> Labels:
    name = type(model).__name__
    if classes is None:
        return encode(y, s, name)
    given = np.asarray(classes)
    known = np.unique(given)
    odd = given.dtype.kind == "f" and not np.isfinite(given).all()
    if len(known) < 2 or given.ndim != 1 or odd:
        raise DataError(f"classes: expected at least 2 labels in a list, none missing, got {classes!r:.100}.")
    new = sorted(set(y.tolist()) - set(known.tolist()), key=str)
    if new:
        raise DataError(
            f"y: {new[:5]} {'is' if len(new) == 1 else 'are'} not among the classes, {known.tolist()[:20]}. "
            "Name all classes in the first call of partial_fit, or fit a new model."
        )
    codes = np.searchsorted(known, y.astype(known.dtype)).astype(np.int64)
    mass = np.bincount(codes, weights=s, minlength=len(known)).astype(np.float64)
    return Labels(known, codes, mass)


def _meaning_of_classes(model: Any, classes: AnyArray) -> Meaning:
    k = len(classes)
    terms = pairs(model.loss, "log_loss" if k == 2 else "cross_entropy")
    n_outputs = k if k > 2 or not all(term.by_entry for term in as_terms(list(terms))) else 1
    objective = Objective(list(terms), n_outputs)
    if objective.targets_kind == "nonnegative":
        raise IncompatibleError(f"loss: '{objective.name}' is for counts, not for classes. Use MLPRegressor.")
    check_output(objective, model.output_activation)
    link, middle = _link(objective, model.output_activation)
    return Meaning(CLASSES, n_outputs, terms, classes, link, middle)


def _link(objective: Objective, output_activation: Any) -> tuple[str, float]:
    """From scores to probabilities, and the score in the middle of two classes."""
    unit = _own_unit(output_activation)
    if objective.targets_kind == "real" and unit.limits == (0.0, 1.0):
        return "unit", 0.5
    if objective.targets_kind == "real" and unit.limits[0] == 0.0:
        return "none", 0.5
    return (objective.link if objective.link in ("softmax", "logistic") else "none"), 0.0


def codes_as_targets(meaning: Meaning, output_activation: Any, codes: AnyArray, k: int) -> AnyArray:
    """Class codes as the objective takes them: codes, or a column for each score."""
    kind = meaning.objective().targets_kind
    if kind == "class":
        return codes.astype(np.int64, copy=False)
    if meaning.n_outputs == 1:
        hit = (codes == 1)[:, None]
    else:
        hit = codes[:, None] == np.arange(k)
    low = 0.0 if kind in ("unit", "shares") or meaning.middle > 0.0 else -1.0
    return np.where(hit, 1.0, low)


def _teach_columns(model: Any, y: Any, classes: Any, known: Meaning | None) -> Taught:
    """Sets of labels, or shares."""
    sparse = sp.issparse(y)
    Y = np.asarray(y.toarray() if sparse else y)
    k = Y.shape[1]
    if known is not None and (known.sort == CLASSES or known.n_outputs != k):
        wanted = "labels (n,)" if known.sort == CLASSES else f"(n, {known.n_outputs})"
        raise DataError(f"y: expected {wanted} as before, got shape {Y.shape}. Pass the same columns.")
    if known is not None:
        return Taught(_columns_as_targets(known, known.objective(), Y), known, None)
    named = np.arange(k) if classes is None else np.asarray(classes)
    if len(named) != k:
        raise DataError(f"classes: expected a name for each of the {k} columns of y, got {len(named)}.")
    soft = not is_auto(model.loss) and any(term.targets == "shares" for term in as_terms(list(pairs(model.loss, "kl"))))
    terms = pairs(model.loss, "log_loss")
    if not soft:
        _check_indicator(Y)
    objective = Objective(list(terms), k)
    if not soft and objective.targets_kind in ("class", "nonnegative"):
        raise IncompatibleError(
            f"loss: '{objective.name}' takes one label a row, got an indicator of shape {Y.shape}. "
            "Use 'log_loss', or pass y.argmax(axis=1)."
        )
    check_output(objective, model.output_activation)
    link, middle = _link(objective, model.output_activation)
    meaning = Meaning(SHARES if soft else SETS, k, terms, named, link, middle, sparse=sparse)
    return Taught(_columns_as_targets(meaning, objective, Y), meaning, None)


def _columns_as_targets(meaning: Meaning, objective: Objective, Y: AnyArray) -> AnyArray:
    """Shares as they are; indicators of 0 and 1, for losses of signs and numbers as -1 and 1."""
    values = _columns(Y)
    if meaning.sort == SETS:
        _check_indicator(Y)
        if objective.targets_kind == "sign" or (objective.targets_kind == "real" and meaning.middle == 0.0):
            values = 2.0 * values - 1.0
    return objective.targets(values)


def _check_indicator(Y: AnyArray) -> None:
    if not np.isin(_columns(Y), (0.0, 1.0)).all():
        raise DataError(
            f"y: Unknown label type: {'continuous' if Y.dtype.kind == 'f' else 'multiclass'}-multioutput. Expected "
            "labels (n,), or an indicator (n, k) of 0 and 1. Use loss='kl' for rows of shares; MLPRegressor for numbers"
        )


def _columns(Y: AnyArray) -> AnyArray:
    try:
        return np.ascontiguousarray(Y, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(
            "y: Unknown label type: unknown. Expected labels (n,), or numbers in columns. Use MultiLabelBinarizer for "
            "lists of labels."
        ) from None


def teach_numbers(model: Any, y: AnyArray, known: Meaning | None = None) -> Taught:
    """Targets of a regressor."""
    if sp.issparse(y):
        raise DataError("y: expected an array, got a sparse matrix. Use y.toarray().")
    _check_loss(model, known)
    flat = y.ndim == 1
    Y = np.ascontiguousarray(y, dtype=np.float64).reshape(len(y), -1)
    if known is not None and known.n_outputs != Y.shape[1]:
        raise DataError(f"y: expected {known.n_outputs} target(s) a row as before, got {Y.shape[1]}. Pass the same.")
    if known is None:
        terms = pairs(model.loss, "squared_error")
        objective = Objective(list(terms), Y.shape[1]) if Y.shape[1] > 1 else _one_output(terms)
        if objective.targets_kind in ("class", "shares", "sign"):
            raise IncompatibleError(f"loss: '{objective.name}' is for classes, not for numbers. Use MLPClassifier.")
        check_output(objective, model.output_activation)
        known = Meaning(NUMBERS, Y.shape[1], terms, None, objective.link, 0.0, flat)
    return Taught(known.objective().targets(Y), known, None)


def _one_output(terms: tuple[Any, ...]) -> Objective:
    for term in as_terms(list(terms)):
        if not term.by_entry:
            raise IncompatibleError(f"loss: '{term.name}' is for classes, not for numbers. Use MLPClassifier.")
    return Objective(list(terms), 1)


# ----------------------------------------------------------------------------------------------- from the scores


def labels_of(meaning: Meaning, scores: AnyArray) -> Any:
    """Predicted classes (n,) or sets (n, k)."""
    if meaning.sort == SETS:
        found = (scores > meaning.middle).astype(np.int64)
        return sp.csr_array(found) if meaning.sparse else found
    codes = scores.argmax(axis=1) if meaning.n_outputs > 1 else (scores[:, 0] > meaning.middle).astype(np.intp)
    return meaning.classes[codes]


def gives_probabilities(model: Any, meaning: Meaning | None) -> bool:
    """Whether scores stand for probabilities; before a fit, whether those of its loss would."""
    if meaning is not None:
        return meaning.link in ("softmax", "logistic", "unit")
    if is_auto(model.loss):
        return True
    return _link(Objective(list(pairs(model.loss, "log_loss")), 2), model.output_activation)[0] != "none"


def probabilities(meaning: Meaning, scores: AnyArray) -> AnyArray:
    """Probabilities of classes (n, k); of sets each label's own."""
    if meaning.link == "softmax":
        return LINKS["softmax"](scores)  # type: ignore[no-any-return]
    q = expit(scores) if meaning.link == "logistic" else scores
    if meaning.sort == SETS:
        return q
    if meaning.n_outputs == 1:
        other = expit(-scores) if meaning.link == "logistic" else 1.0 - q
        return np.hstack([other, q])
    total = q.sum(axis=1, keepdims=True)
    even = q.dtype.type(1.0 / q.shape[1])
    return np.where(total > 0.0, q / np.where(total > 0.0, total, 1.0), even)


def log_probabilities(meaning: Meaning, scores: AnyArray) -> AnyArray:
    """Logarithms of `probabilities`; finite for finite scores under a link."""
    if meaning.link == "softmax":
        return log_softmax(scores)
    if meaning.link == "unit":
        with np.errstate(divide="ignore"):
            return np.log(probabilities(meaning, scores))
    q = log_expit(scores)
    if meaning.sort == SETS:
        return q
    if meaning.n_outputs == 1:
        return np.hstack([log_expit(-scores), q])
    return q - np.logaddexp.reduce(q, axis=1, keepdims=True)


def numbers_of(meaning: Meaning, scores: AnyArray) -> AnyArray:
    """Predicted numbers of the shape that y had."""
    values = scores
    if meaning.link == "log":
        values = np.exp(np.minimum(scores, np.log(np.finfo(scores.dtype).max)))
    elif meaning.link == "logistic":
        values = expit(scores)
    return values[:, 0] if meaning.flat else values
