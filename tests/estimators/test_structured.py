"""StructuredSVM: equal to the machines it contains, steered from outside, and honest about its oracle."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from listed import Listed, Sign, listed
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from steepest import LinearSVC, Status, StructuredSVM, observe
from steepest.estimators import ConvergenceWarning
from steepest.exceptions import DataError, InvalidParameterError, NotConvergedError

SOLVERS = ["frank_wolfe", "cutting_planes"]


@pytest.fixture(scope="module")
def binary():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 5)) * np.array([1.0, 3.0, 0.3, 1.0, 1.0])
    y = np.where(X @ rng.standard_normal(5) + rng.standard_normal(120) > 0.0, 1, -1)
    return X, y, rng.integers(0, 4, 120).astype(float)


@pytest.fixture(scope="module")
def case():
    return listed(np.random.default_rng(1), n=40, labels=5)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0.3, 0.01])
def test_two_labels_are_the_binary_machine(binary, solver, weighted, alpha):
    X, y, s = binary
    s = s if weighted else None
    total = s.sum() if weighted else len(y)
    model = StructuredSVM(Sign(), alpha=alpha, solver=solver, tol=1e-6).fit(X, y, s)
    other = LinearSVC(loss="hinge", C=1.0 / (alpha * total), fit_intercept=False, tol=1e-9).fit(X, y, s)
    assert model.certificate_.passed
    assert model.certificate_.primal == pytest.approx(other.certificate_.primal, rel=2e-6)
    np.testing.assert_allclose(model.coef_, other.coef_.ravel(), atol=3e-2 * np.abs(other.coef_).max())
    agrees = np.abs(X @ other.coef_.ravel()) > 0.05
    np.testing.assert_array_equal(np.array(model.predict(X))[agrees], other.predict(X)[agrees])
    np.testing.assert_allclose(
        model.slacks_[s > 0.0 if weighted else slice(None)],
        np.maximum(0.0, 1.0 - y * (X @ model.coef_))[s > 0.0 if weighted else slice(None)],
        atol=1e-12,
    )


def test_both_solvers_reach_one_optimum(case):
    oracle, X, Y = case
    one, two = (StructuredSVM(oracle, alpha=0.02, solver=solver, tol=1e-6).fit(X, Y) for solver in SOLVERS)
    assert one.certificate_.primal == pytest.approx(two.certificate_.primal, rel=1e-6)
    for model in (one, two):
        gaps = model.history_["gap"]
        assert np.all(np.diff(gaps) <= 0.0)
        assert model.fit_record_.solver["name"] == model.solver
        assert model.n_oracle_calls_ >= 40 * model.n_iter_
        assert model.certificate_.primal == pytest.approx(
            model.slacks_.mean() + 0.01 * float(model.coef_ @ model.coef_), rel=1e-12
        )


def test_weights_count_examples(case):
    oracle, X, Y = case
    s = np.arange(40) % 3
    weighted = StructuredSVM(oracle, alpha=0.02, tol=1e-7).fit(X, Y, s)
    repeated = [i for i in range(40) for _ in range(s[i])]
    written = StructuredSVM(oracle, alpha=0.02, tol=1e-7).fit([X[i] for i in repeated], [Y[i] for i in repeated])
    by_C = StructuredSVM(oracle, C=1.0 / (0.02 * s.sum()), tol=1e-7).fit(X, Y, s)
    assert weighted.certificate_.primal == pytest.approx(written.certificate_.primal, rel=2e-7)
    np.testing.assert_allclose(by_C.coef_, weighted.coef_, rtol=1e-4)
    assert "s_i max_y" in weighted.objective_


def test_predictions_and_score(case):
    oracle, X, Y = case
    model = StructuredSVM(oracle, alpha=0.02).fit(X, Y)
    found = model.predict(X)
    assert found == [int(np.argmax(x @ model.coef_)) for x in X]
    losses = [oracle.losses[y, z] for y, z in zip(Y, found, strict=True)]
    assert model.score(X, Y) == pytest.approx(1.0 - np.mean(losses))
    s = np.arange(40.0)
    assert model.score(X, Y, s) == pytest.approx(1.0 - np.average(losses, weights=s))
    with pytest.raises(DataError, match="expected a label for each of the 40 examples"):
        model.score(X, Y[:3])
    with pytest.raises(NotFittedError):
        StructuredSVM(oracle).predict(X)


def test_sparse_rows_and_frames_are_sequences(binary):
    X, y, _ = binary
    pd = pytest.importorskip("pandas")

    class SparseSign(Sign):
        def size(self, X, Y):
            return X.shape[1]

        def joint_feature(self, x, y):
            return x.indices, x.data * (y / 2.0)

        def maximise(self, w, x, y_true=None):
            return super().maximise(w[x.indices], x.data, y_true)

    dense = StructuredSVM(Sign(), alpha=0.1).fit(X, y)
    for rows, labels, oracle in ((sp.csr_matrix(X), y, SparseSign()), (pd.DataFrame(X), pd.Series(y), Sign())):
        model = StructuredSVM(oracle, alpha=0.1).fit(rows, labels)
        np.testing.assert_allclose(model.coef_, dense.coef_, rtol=1e-6, atol=1e-9)
        assert model.predict(rows) == dense.predict(X)


def test_an_interrupt_keeps_what_there_is(case):
    oracle, X, Y = case
    seen = []

    def interrupt(row, w):
        seen.append(row["objective"])
        if len(seen) == 5:
            raise KeyboardInterrupt

    with observe(interrupt), pytest.warns(ConvergenceWarning, match="interrupted"):
        model = StructuredSVM(oracle, alpha=0.02, tol=1e-9).fit(X, Y)
    assert model.certificate_.status is Status.INTERRUPTED
    assert model.certificate_.kind == "duality_gap"
    assert model.certificate_.primal <= np.nanmin(seen) * (1.0 + 1e-12)
    assert 0.0 < model.certificate_.dual <= model.certificate_.primal


@pytest.mark.parametrize("solver", SOLVERS)
def test_an_interrupt_inside_the_oracle(case, solver):
    oracle, X, Y = case

    class Interrupted(Listed):
        calls = 0

        def maximise(self, w, x, y_true=None):
            Interrupted.calls += 1
            if Interrupted.calls == 200:
                raise KeyboardInterrupt
            return super().maximise(w, x, y_true)

    with pytest.warns(ConvergenceWarning, match="interrupted"):
        model = StructuredSVM(Interrupted(oracle.losses), alpha=0.02, solver=solver, tol=1e-9).fit(X, Y)
    assert model.certificate_.status is Status.INTERRUPTED
    assert 0.0 < model.certificate_.dual <= model.certificate_.primal


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_limit_of_time_ends_a_round_of_a_slow_oracle(solver):
    oracle, X, Y = listed(np.random.default_rng(2), n=400)
    with pytest.warns(ConvergenceWarning, match="max_time"):
        model = StructuredSVM(oracle, alpha=0.02, solver=solver, max_time=1e-9).fit(X, Y)
    assert model.certificate_.status is Status.BUDGET
    assert model.n_oracle_calls_ <= 64 + 2 * 400  # a part of a round, and the certificate
    np.testing.assert_array_equal(model.coef_, 0.0)


def test_a_limit_of_rounds(case):
    oracle, X, Y = case
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        model = StructuredSVM(oracle, alpha=0.02, max_iter=2).fit(X, Y)
    assert model.n_iter_ == 2
    with pytest.raises(NotConvergedError):
        StructuredSVM(oracle, alpha=0.02, max_iter=2, on_unconverged="raise").fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        StructuredSVM(oracle, alpha=0.02, max_iter=2, on_unconverged="ignore").fit(X, Y)


def test_bad_data_is_named(case):
    oracle, X, Y = case
    bad = [x.copy() for x in X]
    bad[17][Y[17], 2] = np.nan
    with pytest.raises(DataError, match=r"oracle.joint_feature: expected finite numbers.*example 17"):
        StructuredSVM(oracle).fit(bad, Y)
    with pytest.raises(DataError, match="each of the 0 examples, at least one"):
        StructuredSVM(oracle).fit([], [])
    with pytest.raises(DataError, match="each of the 40 examples, at least one, got 39"):
        StructuredSVM(oracle).fit(X, Y[1:])
    with pytest.raises(DataError, match="X: expected a sequence"):
        StructuredSVM(oracle).fit(iter(X), Y)
    with pytest.raises(DataError, match="sample_weight"):
        StructuredSVM(oracle).fit(X, Y, np.full(40, -1.0))


def test_bad_parameters_are_named(case):
    oracle, X, Y = case
    with pytest.raises(InvalidParameterError, match="'oracle' parameter of StructuredSVM must be an oracle"):
        StructuredSVM(object()).fit(X, Y)
    with pytest.raises(InvalidParameterError, match="Did you mean 'cutting_planes'"):
        StructuredSVM(oracle, solver="cutting_plane").fit(X, Y)
    with pytest.raises(InvalidParameterError, match="'alpha' parameter"):
        StructuredSVM(oracle, alpha=0.0).fit(X, Y)


def test_a_wrong_oracle_is_found_before_the_fit(case):
    oracle, X, Y = case

    class Forgets(Listed):
        def maximise(self, w, x, y_true=None):
            return super().maximise(w, x)

    with pytest.raises(DataError, match=r"oracle.maximise: maximise\(w, x, y_true\) gave"):
        StructuredSVM(Forgets(oracle.losses)).fit(X, Y)


@pytest.mark.parametrize("solver", SOLVERS)
def test_an_oracle_that_is_not_exact_proves_nothing(case, solver):
    oracle, X, Y = case

    class Hasty(Listed):
        exact = False

        def maximise(self, w, x, y_true=None):
            scores = x[:-1] @ w  # the last label is never looked at
            return int(np.argmax(scores if y_true is None else scores + self.losses[y_true][:-1]))

    with pytest.warns(ConvergenceWarning, match="states that it is not exact"):
        model = StructuredSVM(Hasty(oracle.losses), alpha=0.02, solver=solver, tol=1e-4).fit(X, Y)
    certificate = model.certificate_
    assert (certificate.kind, certificate.bounds, certificate.passed) == ("none", "nothing", False)
    assert certificate.status is Status.APPROXIMATE
    best = StructuredSVM(oracle, alpha=0.02, tol=1e-7).fit(X, Y).certificate_
    assert certificate.dual <= best.primal  # planes are true whoever found them
    assert np.isnan(model.history_["gap"]).all()


def test_a_warm_start_begins_where_the_last_fit_ended(case):
    oracle, X, Y = case
    model = StructuredSVM(oracle, alpha=0.02, tol=1e-6, warm_start=True).fit(X, Y)
    before = model.certificate_.primal
    model.fit(X, Y)
    assert model.history_["objective"][0] == pytest.approx(before, rel=1e-12)
    assert model.certificate_.passed


def test_the_oracle_given_is_left_alone(case):
    _, X, Y = case

    class Sizing(Listed):
        def size(self, X, Y):
            self.seen = len(X)
            return super().size(X, Y)

    oracle = Sizing(case[0].losses)
    model = StructuredSVM(oracle, alpha=0.1).fit(X, Y)
    assert model.oracle_.seen == 40
    assert not hasattr(oracle, "seen")


def test_models_are_cloned_and_pickled(case):
    oracle, X, Y = case
    model = StructuredSVM(oracle, alpha=0.1, average=True).fit(X, Y)
    again = pickle.loads(pickle.dumps(model))
    assert again.predict(X) == model.predict(X)
    assert again.certificate_ == model.certificate_
    assert clone(model).alpha == 0.1


def test_one_label_for_all_is_nothing_to_learn():
    oracle, X, _ = listed(np.random.default_rng(3), n=8, labels=1)
    model = StructuredSVM(oracle).fit(X, [0] * 8)
    assert model.certificate_.passed
    assert model.certificate_.primal == 0.0
    np.testing.assert_array_equal(model.coef_, 0.0)
