"""Networks on what nobody gives them on purpose: odd numbers, odd shapes, changed parameters, threads, signals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest import Dense, LogisticRegression, MLPClassifier, MLPRegressor
from steepest.exceptions import DataError, IncompatibleError, InvalidParameterError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5))
TWO = (X[:, 0] > 0).astype(int)
THREE = np.array(["a", "b", "c"])[np.digitize(X[:, 0] + 0.5 * X[:, 1], [-0.5, 0.5])]
ONE = X @ np.arange(5.0)
FAST = {"max_iter": 3, "tol": None, "curvature": False}
NORMAL = [Dense(4, batch_norm=True)]
RICH = [Dense(6, batch_norm=True, dropout=0.3), Dense(5, "maxout")]


def classifier(**how):
    return MLPClassifier((4,), **{**FAST, **how})


def regressor(**how):
    return MLPRegressor("squared_error", (4,), **{**FAST, **how})


def same(a, b):
    return all(np.array_equal(u, v) for u, v in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_, strict=True))


def finite(model):
    assert all(np.isfinite(w).all() for w in model.coefs_ + model.intercepts_)
    return model


def refusal(call):
    """What is wrong with the data; empty where nothing is."""
    try:
        call()
    except DataError as error:
        return str(error)
    return ""


# --------------------------------------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("how", "error", "said"),
    [
        ({"activation": "rellu"}, InvalidParameterError, "^activation: .* got 'rellu'. Try"),
        ({"output_activation": "sgmoid"}, InvalidParameterError, "^output_activation: .* got 'sgmoid'"),
        ({"init": "xavier"}, InvalidParameterError, "^init: .* got 'xavier'. Try"),
        ({"solver": None}, InvalidParameterError, "^solver: .*'adam'.* got None. Try 'adam'"),
        ({"solver": "adm"}, InvalidParameterError, "'solver' .* Got 'adm' instead. Did you mean 'adam'"),
        ({"optimizer": 3}, InvalidParameterError, "^optimizer: .* got 3"),
        ({"optimizer": "ftrl"}, IncompatibleError, "^optimizer: 'ftrl' begins at zero weights"),
        ({"optimizer": "adagrad_full"}, IncompatibleError, "^optimizer: 'adagrad_full' couples all weights"),
        ({"learning_rate": "cosin"}, InvalidParameterError, "^learning_rate: expected a number .* 'cosine'"),
        ({"learning_rate": -1.0}, InvalidParameterError, "^learning_rate: expected a name or a number > 0"),
        ({"learning_rate_init": 0}, InvalidParameterError, "'learning_rate_init' .* Got 0"),
        ({"layers": "relu"}, InvalidParameterError, "^layers: expected a list of layers, got 'relu'. Write"),
        ({"layers": {}}, InvalidParameterError, "^layers: expected a list of layers, got {}. Write"),
        ({"layers": [0]}, InvalidParameterError, "^layers: .* at least 1.* got 0"),
        ({"layers": [2.5]}, InvalidParameterError, "^layers: .* got 2.5"),
        ({"layers": [-3]}, InvalidParameterError, "^layers: .* got -3"),
        ({"hidden_layer_sizes": (3, "a")}, InvalidParameterError, "hidden_layer_sizes"),
        ({"batch_size": 0}, InvalidParameterError, "'batch_size' .* Got 0"),
        ({"batch_size": 1, "layers": NORMAL}, InvalidParameterError, "^batch_size: .* got 1. Use batch_size=2"),
        ({"n_iter_no_change": 0}, InvalidParameterError, "'n_iter_no_change'"),
        ({"max_time": 0.0}, InvalidParameterError, "'max_time'"),
        ({"alpha": np.nan}, InvalidParameterError, "'alpha'"),
        ({"loss": "hing"}, InvalidParameterError, "^loss: .* Did you mean 'hinge'"),
        ({"loss": [(0.0, "hinge")]}, InvalidParameterError, "^loss: expected a weight above zero"),
        ({"class_weight": {5: 1.0}}, InvalidParameterError, "class_weight"),
        ({"solver": "lbfgs", "layers": NORMAL}, IncompatibleError, "batch_norm of layer 0 .* leave batch_norm out"),
        ({"solver": "lbfgs", "layers": [Dense(3, dropout=0.5)]}, IncompatibleError, "leave dropout out"),
    ],
)
def test_errors_name_the_parameter_what_came_and_a_cure(how, error, said):
    model = classifier().set_params(**how)
    with pytest.raises(error, match=said):
        model.fit(X, TWO)
    assert not hasattr(model, "coefs_")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"dropout": 1.0}, "^dropout: .* below 1, got 1.0. Try 0.2"),
        ({"width": 0}, "^width: .* got 0"),
        ({"width": 2.5}, "^width: .* got 2.5"),
        ({"batch_norm": "yes"}, "^batch_norm: .* got 'yes'"),
        ({"activation": "rellu"}, "^activation: .* got 'rellu'"),
    ],
)
def test_layers_check_themselves(how, said):
    with pytest.raises(InvalidParameterError, match=said):
        Dense(**{"width": 4, **how})


def test_few_rows():
    with pytest.raises(InvalidParameterError, match=r"^X: batch normalisation .* got 1. Give more rows"):
        MLPRegressor(layers=NORMAL, **FAST).fit(X[:1], ONE[:1])
    with pytest.raises(InvalidParameterError, match=r"^X: batch normalisation"):
        MLPClassifier(layers=NORMAL).partial_fit(X[:1], TWO[:1], classes=[0, 1])
    assert finite(regressor().fit(X[:1], ONE[:1])).predict(X).shape == (60,)
    assert finite(classifier().fit(X[:2], [0, 1])).predict(X).shape == (60,)
    finite(MLPClassifier(layers=NORMAL, batch_size=20, **FAST).fit(X[:41], TWO[:41]))  # the last batch has one row
    for size in (1, 7, 59, 60, 61, 10**9):
        finite(classifier(batch_size=size).fit(X, THREE))
    with pytest.raises(DataError, match=r"validation_fraction=0\.1: the rows cannot be split"):
        classifier(early_stopping=True).fit(X[:2], [0, 1])
    assert classifier(early_stopping=True, max_iter=40).fit(X[:20], [0, 1] * 10).best_validation_score_ <= 1.0


@pytest.mark.parametrize("activation", ["relu", "logistic", "maxout"])
def test_thirty_layers_and_one_unit(activation):
    finite(MLPClassifier((10,) * 30, activation, **FAST).fit(X, THREE))
    finite(MLPClassifier((1, 1, 1), activation, **FAST).fit(X, THREE))


def test_no_layers_are_the_linear_model():
    """The optimum of `LogisticRegression`, whose intercept is free too."""
    alpha = 0.7
    model = MLPClassifier(layers=[], solver="lbfgs", alpha=alpha, tol=1e-10, max_iter=1000, curvature=True)
    model.fit(X, TWO)
    exact = LogisticRegression(C=1.0 / alpha, tol=1e-12).fit(X, TWO)
    np.testing.assert_allclose(model.coefs_[0].ravel(), exact.coef_.ravel(), atol=2e-6)
    np.testing.assert_allclose(model.intercepts_[0], exact.intercept_, atol=2e-6)
    assert model.certificate_.evidence["verdict"] == "minimum to second order"


# --------------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("size", [1e300, 1e150, 1e30, 1e-30, 1e-150, 1e-300])
def test_standard_scaling_knows_no_size(size, form):
    """Squares of such numbers are zero or infinite; a column is no constant for that."""
    odd = X.copy()
    odd[:, 1] *= size
    how = {"scale": "standard", "dtype": "float64", **FAST}
    model, plain = MLPClassifier((4,), **how).fit(form(odd), THREE), MLPClassifier((4,), **how).fit(form(X), THREE)
    np.testing.assert_allclose(model.predict_proba(form(odd)), plain.predict_proba(form(X)), rtol=1e-9)


def test_scales_that_no_number_holds():
    with pytest.raises(DataError, match=r"^X: expected columns whose scale has an inverse in float64"):
        classifier(scale="standard", dtype="float64").fit(X * 1e-310, THREE)
    with pytest.raises(DataError, match=r"in float32.* use dtype='float64'"):
        classifier(scale="range", dtype="float32").fit(X * 1e-40, THREE)
    with pytest.raises(DataError, match="range of float32"):
        classifier(scale="standard", dtype="float32").fit(X * 1e150, THREE)


@pytest.mark.parametrize("scale", [None, "standard", "range"])
@pytest.mark.parametrize("size", [1e30, 1e-30])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_and_small_numbers(scale, size, dtype):
    model = finite(classifier(scale=scale, dtype=dtype).fit(X * size, THREE))
    assert np.isfinite(model.predict_proba(X * size)).all()


@pytest.mark.parametrize("scale", [None, "standard", "range"])
def test_constant_columns(scale):
    for value in (0.0, 1.0, 1e200, -(2.0**63)):
        model = finite(classifier(scale=scale, dtype="float64").fit(np.full((60, 3), value), TWO))
        assert np.isfinite(model.predict_proba(np.full((2, 3), value))).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predictions_are_finite_or_an_error(dtype):
    model = classifier(dtype=dtype).fit(X, THREE)
    model.coefs_[0][:] = 10.0
    far = X.copy()
    far[7] = 0.0, 0.0, float(np.finfo(dtype).max) / 2.0, 0.0, 0.0
    for form in (np.asarray, sp.csr_array):
        for call in (model.predict, model.predict_proba, model.decision_function):
            with pytest.raises(DataError, match=f"the scores of 1 row.* the first is row 7: .* in {dtype}. Scale"):
                call(form(far))
    np.testing.assert_array_equal(model.predict(X), model.predict(X.copy()))
    with pytest.raises(DataError, match="dtype='float64'"):
        classifier(dtype="float32").fit(X, THREE).predict(1e300 * X)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("size", [1e30, 1e-30, 0.0])
def test_targets_of_any_size(solver, size):
    model = regressor(solver=solver, on_unconverged="ignore")
    said = refusal(lambda: model.fit(X, size * ONE))
    if said:
        assert size == 1e30
        assert "the training exploded" in said
    else:
        assert np.isfinite(finite(model).predict(X)).all()


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("rate", [1e10, 1e38])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("early", [False, True])
def test_absurd_rates(solver, rate, dtype, early):
    """An error that names the rate, or finite parameters; never NaN."""
    model = classifier(solver=solver, learning_rate_init=rate, dtype=dtype, early_stopping=early, max_iter=20)
    said = refusal(lambda: model.set_params(on_unconverged="ignore").fit(X, THREE))
    if said:
        assert said.startswith(f"learning_rate_init={rate:g}: the training exploded")
        assert not hasattr(model, "coefs_")
        return
    finite(model)
    said = refusal(lambda: model.predict_proba(X))
    assert "scores of" in said if said else np.isfinite(model.predict_proba(X)).all()


# ---------------------------------------------------------------------------------------------------- forms


def stored():
    """One sparse matrix in many forms, and as an array."""
    base = sp.csr_array(np.where(np.abs(X) > 1.0, X, 0.0))
    wide, back = base.copy(), base.copy()
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    for row in range(60):
        piece = slice(back.indptr[row], back.indptr[row + 1])
        back.indices[piece], back.data[piece] = back.indices[piece][::-1].copy(), back.data[piece][::-1].copy()
    back.has_sorted_indices = False
    twice = sp.csr_array((np.repeat(base.data / 2, 2), np.repeat(base.indices, 2), base.indptr * 2), shape=base.shape)
    ends = np.append(base.indptr[:-1], base.indptr[-1] + 2)
    zeros = sp.csr_array((np.append(base.data, [0.0, 0.0]), np.append(base.indices, [0, 1]), ends), shape=base.shape)
    forms = {"int64": wide, "unsorted": back, "twice": twice, "zeros": zeros, "csc": base.tocsc(), "coo": base.tocoo()}
    return {**forms, "bsr": base.tobsr(), "lil": base.tolil(), "dia": sp.dia_array(base)}, base.toarray()


@pytest.mark.parametrize("form", stored()[0])
def test_sparse_forms(form):
    forms, dense = stored()
    A = forms[form]
    before = (A.nnz, A.dtype)
    model, plain = classifier(batch_size=7).fit(A, THREE), classifier(batch_size=7).fit(dense, THREE)
    assert same(model, plain)
    np.testing.assert_array_equal(model.predict_proba(A), plain.predict_proba(dense))
    assert (A.nnz, A.dtype) == before


def test_arrays_that_cannot_be_written_or_lie_backwards():
    locked, labels = X.copy(), THREE.copy()
    locked.flags.writeable = labels.flags.writeable = False
    weights = np.broadcast_to(1.0, 60)
    plain = classifier(batch_size=7).fit(X, THREE)
    assert same(plain, classifier(batch_size=7).fit(locked, labels, weights))
    back = np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1]
    assert back.strides[0] < 0
    assert same(plain, classifier(batch_size=7).fit(back, THREE))
    assert same(plain, classifier(batch_size=7).fit(X.astype(object), THREE.astype(object)))
    np.testing.assert_array_equal(plain.predict_proba(back), plain.predict_proba(X))


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (np.zeros(60), "only one class"),
        (np.where(TWO == 0, np.nan, 1.0), "NaN"),
        (ONE, "Unknown label type: continuous"),
        (np.array(["a", 1] * 30, object), "labels must be of one kind"),
        (np.array(["a", None] * 30, object), "labels must be of one kind"),
        (ONE * 1j, "Complex"),
        (None, "requires y"),
        (TWO[:5], "inconsistent numbers of samples"),
        (pd.Series(["a", "b", None] * 20, dtype="string"), "contains NaN: 20 label"),
    ],
)
def test_labels_that_are_none(y, said):
    with pytest.raises(ValueError, match=said):
        classifier().fit(X, y)


def test_targets_that_are_sparse():
    with pytest.raises(DataError, match=r"^y: expected an array, got a sparse matrix. Use"):
        regressor().fit(X, sp.csr_array(ONE[:, None]))


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (np.zeros(60), "only zeros"),
        (-np.ones(60), "weights >= 0"),
        (np.full(60, np.nan), "NaN"),
        (np.ones(59), "sample_weight.shape"),
        ((TWO == 1) * 1.0, "only one class with a weight above zero"),
    ],
)
def test_weights_that_are_none(weights, said):
    with pytest.raises(DataError, match=said):
        classifier().fit(X, TWO, weights)
    with pytest.raises(DataError, match=said):
        classifier().partial_fit(X, TWO, sample_weight=weights)


@pytest.mark.parametrize("size", [1e-300, 1e300])
def test_weights_of_any_size_are_shares(size):
    plain = classifier(alpha=0.0).fit(X, TWO)
    np.testing.assert_allclose(
        classifier(alpha=0.0).fit(X, TWO, np.full(60, size)).predict_proba(X), plain.predict_proba(X), rtol=1e-9
    )


def test_columns_of_labels():
    sets = np.column_stack([TWO, np.ones(60, int), np.zeros(60, int)])
    model = finite(classifier(max_iter=60, learning_rate_init=0.1).fit(X, sets))
    assert model.predict(X)[:, 1:].tolist() == [[1, 0]] * 60
    with pytest.raises(InvalidParameterError, match="sum 1"):
        classifier(loss="kl").fit(X, RNG.random((60, 3)))
    with pytest.raises(DataError, match="loss='kl'"):
        classifier().fit(X, RNG.random((60, 3)))


# --------------------------------------------------------------------------------------------- properties


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), units=st.sampled_from(["relu", "tanh", "maxout", "elu"]))
def test_columns_have_no_order(seed, units):
    rng = np.random.default_rng(seed)
    A, order = rng.normal(size=(30, 6)), rng.permutation(6)
    y = rng.integers(0, 2, 30)
    y[:2] = 0, 1
    how = {"activation": units, "batch_size": 8, "dtype": "float64", "random_state": seed, **FAST}
    start = MLPClassifier((4,), **{**how, "max_iter": 0}).fit(A, y)
    coefs = [start.coefs_[0][order], *start.coefs_[1:]]
    one = MLPClassifier((4,), **how).fit(A, y)
    other = MLPClassifier((4,), **how).fit(A[:, order], y, coefs_init=coefs, intercepts_init=start.intercepts_)
    np.testing.assert_allclose(one.predict_proba(A), other.predict_proba(A[:, order]), rtol=1e-8)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), steps=st.integers(1, 5), rate=st.floats(0.01, 1.0), alpha=st.floats(0.0, 1.0))
def test_a_batch_of_all_rows_is_gradient_descent(seed, steps, rate, alpha):
    rng = np.random.default_rng(seed)
    A, y = rng.normal(size=(20, 3)), rng.integers(0, 2, 20)
    y[:2] = 0, 1
    how = {"optimizer": "sgd", "learning_rate_init": rate, "alpha": alpha, "batch_size": 20, "dtype": "float64"}
    how |= {"random_state": seed, "tol": None, "curvature": False, "layers": []}
    start = MLPClassifier(**how, max_iter=0).fit(A, y)
    w, b = start.coefs_[0].copy(), start.intercepts_[0].copy()
    for _ in range(steps):
        r = 1.0 / (1.0 + np.exp(-(A @ w + b))) - y[:, None]
        w, b = w - rate * (A.T @ r + alpha * w) / 20, b - rate * r.mean(axis=0)
    model = MLPClassifier(**how, max_iter=steps).fit(A, y)
    np.testing.assert_allclose(model.coefs_[0], w, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(model.intercepts_[0], b, rtol=1e-10, atol=1e-12)


@settings(max_examples=10, deadline=None)
@given(counts=st.lists(st.integers(0, 3), min_size=20, max_size=20), seed=st.integers(0, 100))
def test_weights_are_repetitions_of_a_full_batch(counts, seed):
    counts = np.array([1, 1, *counts])
    rng = np.random.default_rng(seed)
    A, y = rng.normal(size=(22, 3)), np.r_[0, 1, rng.integers(0, 2, 20)]
    how = {"batch_size": 10**6, "dtype": "float64", "random_state": seed, **FAST}
    weighted = MLPClassifier((4,), **how).fit(A, y, counts)
    repeated = MLPClassifier((4,), **how).fit(np.repeat(A, counts, axis=0), np.repeat(y, counts))
    np.testing.assert_allclose(weighted.predict_proba(A), repeated.predict_proba(A), rtol=1e-7)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 100))
def test_the_form_of_numbers_is_no_matter(seed):
    counts = np.random.default_rng(seed).integers(0, 200, size=(24, 4)).astype(np.uint8)
    y = np.arange(24) % 3
    how = {"batch_size": 7, "scale": "range", "dtype": "float32", "random_state": seed, **FAST}
    plain = MLPClassifier((4,), **how).fit(counts.astype(float), y)
    for form in (counts, counts.astype(np.float32), sp.csr_array(counts)):
        assert same(plain, MLPClassifier((4,), **how).fit(form, y))
