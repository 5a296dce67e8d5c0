"""What SVRG and SAGA share: the optimum, coordinates, draws, steps and refusals."""

import math

import numpy as np
import pytest
import scipy.sparse as sp

import steepest
from steepest.data.source import as_source
from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.losses import get_loss
from steepest.penalties import L1, L2, ElasticNet
from steepest.problems.linear import LinearProblem
from steepest.problems.rowspan import RowSpanProblem
from steepest.solvers.catalogue import make
from steepest.solvers.variance import coordinates, draw

BOTH = ("svrg", "saga")


@pytest.fixture
def solved(make_problem, run):
    """The last point of a method on a problem of the catalogue, and the driver's record."""

    def solve(name, problem, tol=1e-9, most=400, **options):
        return run(make(name, problem, **options), problem, tol=tol, most=most)

    return solve


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    "setting",
    ["logistic", "logistic_sparse", "logistic_float32", "logistic_weights", "logistic_means", "squared",
     "squared_hinge", "poisson", "softmax", "softmax_sparse"],
)  # fmt: skip
def test_the_optimum_is_that_of_lbfgs(name, setting, catalogue, make_problem, solved, run):
    got = solved(name, make_problem(**catalogue[setting]))
    problem = make_problem(**catalogue[setting])
    best = run(make("lbfgs", problem), problem, tol=1e-11, most=500)
    assert got.relative <= 1e-9
    assert got.at.value == pytest.approx(best.at.value, rel=1e-8)
    np.testing.assert_allclose(got.at.w, best.at.w, atol=2e-4)


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("kind", ["csr", "dense"])
@pytest.mark.parametrize("penalty", [L1(0.01), ElasticNet(0.01, 0.02)], ids=["l1", "elastic_net"])
def test_l1_solutions_are_those_of_coordinate_descent(name, kind, penalty, make_problem):
    q = make_problem(n=200, d=12, kind=kind, noise=2.0)

    def fit(solver):
        alpha, ratio = penalty.l1 + penalty.l2, penalty.l1 / (penalty.l1 + penalty.l2)
        X = q.source.matrix if kind == "csr" else q.source.X
        model = steepest.LinearClassifier(
            "logistic", penalty="elasticnet", alpha=alpha, l1_ratio=ratio, solver=solver, tol=1e-9, max_iter=3000
        )
        return model.fit(X, q.y)

    got, best = fit(name), fit("coordinate")
    assert got.certificate_.passed
    np.testing.assert_allclose(got.coef_, best.coef_, atol=2e-4)
    np.testing.assert_array_equal(got.coef_ == 0.0, best.coef_ == 0.0)


@pytest.mark.parametrize("name", BOTH)
def test_weights_are_repetitions(name, make_problem):
    q = make_problem(kind="csr", n=80)
    counts = np.random.default_rng(1).integers(0, 4, 80)
    again = np.repeat(np.arange(80), counts)
    X = q.source.matrix
    one = steepest.LinearClassifier("logistic", alpha=0.01, solver=name, tol=1e-10, max_iter=2000)
    weighted = steepest.LinearClassifier("logistic", alpha=0.01, solver=name, tol=1e-10, max_iter=2000)
    weighted.fit(X, q.y, counts.astype(float))
    one.fit(X[again], q.y[again])
    np.testing.assert_allclose(weighted.coef_, one.coef_, atol=1e-4)
    assert weighted.certificate_.primal == pytest.approx(one.certificate_.primal, rel=1e-9)


@pytest.mark.parametrize("name", BOTH)
def test_the_gap_falls_geometrically(name, make_problem, solved):
    problem = make_problem(n=400, d=10, l2=0.1, noise=1.0)
    got = solved(name, problem, tol=1e-12, most=60, inner=1.0, step=0.25 / float(problem.source.square_norms().max()))
    best = min(got.values)
    gaps = got.values - (got.at.value - got.relative * abs(got.at.value))
    falling = np.log10(np.maximum(gaps, 1e-13 * best))
    rounds = np.arange(len(falling))
    assert got.relative <= 1e-12
    # a straight line from end to end: the second half falls no slower than a third of the first
    half = len(rounds) // 2
    first, second = np.polyfit(rounds[:half], falling[:half], 1)[0], np.polyfit(rounds[half:], falling[half:], 1)[0]
    assert first < -0.1
    assert second < first / 3.0


@pytest.mark.parametrize("name", BOTH)
def test_the_seed_decides(name, make_problem, solved):
    def values(seed):
        return solved(name, make_problem(), most=6, seed=seed).values

    np.testing.assert_array_equal(values(3), values(3))
    assert np.any(values(3) != values(4))


@pytest.mark.parametrize("name", BOTH)
def test_rounds_that_raise_the_objective_are_taken_back(name, make_problem):
    problem = make_problem(n=300, d=20)
    solver = make(name, problem)
    state = solver.start(problem, problem.start())
    solver.advance(state)
    state.multiple = 1e6
    values = [solver.advance(state).at.value for _ in range(60)]
    assert all(after <= before * (1.0 + 1e-11) for before, after in zip(values, values[1:], strict=False))
    assert state.multiple < 10.0
    assert values[-1] < 0.7 * values[0] or values[-1] < 0.6


@pytest.mark.parametrize("name", BOTH)
def test_the_choice_is_recorded(name, make_problem):
    problem = make_problem(kind="csr")
    solver = make(name, problem, inner=2.0)
    state = solver.start(problem, problem.start())
    solver.advance(state)
    before = problem.passes
    solver.advance(state)
    assert problem.passes - before >= 3.0
    assert solver.notes[0].startswith(f"{name}: 2 n steps a round, rows by weight and smoothness, columns as they are")


class TestCoordinates:
    def test_even_columns_stay(self, make_problem):
        problem = make_problem(kind="csr", d=15)
        space = coordinates(problem)
        assert space.trivial
        assert space.rows is problem.source.rows

    @pytest.mark.parametrize("kind", ["csr", "dense"])
    def test_there_and_back(self, kind):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((50, 4)) * (rng.random((50, 4)) < 0.7)
        X[:, 2] = 1e5 + 1e3 * rng.standard_normal(50)
        X[:, 3] = 7.0
        y = np.where(rng.random(50) < 0.5, 1.0, -1.0)
        source = as_source(X if kind == "dense" else sp.csr_array(X))
        problem = LinearProblem(source, y, np.full(50, 0.02), get_loss("logistic"), L2(0.1), True)
        space = coordinates(problem)
        w, b = rng.standard_normal(4), 0.3
        v, c = space.into(w, b)
        rows = (X - space.center) * space.unit
        w[3], b = 0.0, b + 7.0 * w[3]  # a constant column is the intercept's
        np.testing.assert_allclose(rows @ v + c, X @ w + b, rtol=1e-9)
        np.testing.assert_allclose(space.back(v, c)[0], w)
        assert space.back(v, c)[1] == pytest.approx(b, rel=1e-6)
        np.testing.assert_allclose(space.norms, (rows**2).sum(axis=1), rtol=1e-9)
        live = (rows**2).mean(axis=0)[:3]
        assert live.max() < 16.0 * live.min()
        assert set(np.log2(space.unit[:3]) % 1.0) == {0.0}


class TestDraws:
    def test_equal_rows_come_once_each(self):
        drawn = draw(np.full(10, 0.1), np.ones(10))
        assert drawn.smoothness == pytest.approx(1.0)
        assert sorted(drawn.order(np.random.default_rng(0), 10)) == list(range(10))
        assert len(drawn.order(np.random.default_rng(0), 25)) == 25

    def test_uneven_rows_come_in_proportion_and_unbiased(self):
        rng = np.random.default_rng(0)
        p, sizes = rng.random(30) ** 4, rng.random(30)
        p[5], sizes[7] = 0.0, 1e3
        p /= p.sum()
        drawn = draw(p, sizes)
        counts = np.zeros(30)
        for _ in range(400):
            order = drawn.order(rng, 30)
            assert len(order) == 30
            counts += np.bincount(order, minlength=30)
        assert counts[5] == 0
        np.testing.assert_allclose(counts / 400 / 30, drawn.q, atol=0.005)
        np.testing.assert_allclose((drawn.q * drawn.factors), p)
        assert drawn.smoothness <= 2.0 * float(p @ sizes) * (1.0 + 1e-12)


class TestWrongUse:
    @pytest.mark.parametrize("name", BOTH)
    @pytest.mark.parametrize(
        "options",
        [{"step": 0.0}, {"step": "long"}, {"step": math.inf}, {"step": True}, {"inner": 0.0}, {"inner": "n"},
         {"inner": True}, {"seed": -1}, {"seed": 1.5}],
        ids=str,
    )  # fmt: skip
    def test_options(self, name, options, make_problem):
        with pytest.raises(InvalidParameterError, match=f"{next(iter(options))}: expected"):
            make(name, make_problem(), **options)

    @pytest.mark.parametrize("name", BOTH)
    def test_kinks_and_spans(self, name, make_problem):
        with pytest.raises(IncompatibleError, match="smooth loss"):
            make(name, make_problem(loss="hinge"))
        with pytest.raises(IncompatibleError, match="span of the rows"):
            make(name, RowSpanProblem(make_problem(loss="squared", n=10, d=20)))
