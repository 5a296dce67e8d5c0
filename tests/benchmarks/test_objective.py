import numpy as np
import pytest
from benchmarks import cells, objective, reference
from benchmarks.objective import Problem
from scipy import optimize, sparse

SMALL = [name for name in cells.CELLS if name.startswith("small/")]


def naive(problem, w):
    """P(w), one row and one number at a time."""
    X = problem.X.toarray() if sparse.issparse(problem.X) else problem.X.astype(np.float64)
    total = 0.0
    for x, y in zip(X, problem.y, strict=True):
        z = x @ w
        if problem.loss == "logistic":
            total += np.log(1 + np.exp(-y * z))
        elif problem.loss == "squared":
            total += (y - z) ** 2 / 2
        elif problem.loss in ("hinge", "squared_hinge"):
            total += max(0.0, 1 - y * z) ** (2 if problem.loss == "squared_hinge" else 1)
        else:
            total += -np.log(np.exp(z[y]) / np.exp(z).sum())
    return total / len(X) + problem.l1 * sum(abs(v) for v in w.flat) + problem.l2 / 2 * sum(v * v for v in w.flat)


def tiny(loss, dtype=np.float64, csr=False, l1=0.03, l2=0.02):
    rng = np.random.default_rng(7)
    X = rng.standard_normal((40, 6)).astype(dtype)
    X[rng.random(X.shape) < 0.3] = 0
    y = {
        "squared": rng.standard_normal(40),
        "softmax": np.arange(40) % 3,
    }.get(loss, np.where(rng.random(40) < 0.5, 1.0, -1.0))
    w = rng.standard_normal((6, 3) if loss == "softmax" else 6)
    return Problem(sparse.csr_matrix(X) if csr else X, y, loss, l1, l2), w


@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", objective.LOSSES)
def test_value_and_gradient_are_the_formula(loss, dtype, csr, monkeypatch):
    problem, w = tiny(loss, dtype, csr)
    monkeypatch.setattr(objective, "BLOCK_BYTES", 8 * 6 * 7)  # seven rows a block
    at = objective.evaluate(problem, w)
    assert at.value == pytest.approx(naive(problem, w), rel=1e-13)
    assert objective.value(problem, w) == pytest.approx(at.value, rel=1e-14)
    step = 1e-6 * np.random.default_rng(1).standard_normal(w.shape)
    smooth = Problem(problem.X, problem.y, loss, 0.0, problem.l2)
    slope = objective.value(smooth, w + step) - objective.value(smooth, w - step)
    assert 2 * np.vdot(at.gradient, step) == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.1), (0.05, 0.0), (0.03, 0.05)])
@pytest.mark.parametrize("loss", ["logistic", "squared_hinge", "squared", "softmax"])
def test_the_bound_never_exceeds_the_optimum(loss, l1, l2):
    problem, start = tiny(loss, l1=l1, l2=l2)
    split = lambda v: (v[: start.size] - v[start.size :]).reshape(start.shape)  # noqa: E731  w = positive - negative part

    def parts(v):
        w = split(v)
        smooth = objective.evaluate(Problem(problem.X, problem.y, loss, 0.0, l2), w)
        pull = smooth.gradient.ravel()
        return smooth.value + l1 * v.sum(), np.concatenate([pull + l1, l1 - pull])

    best = optimize.minimize(
        parts,
        np.zeros(2 * start.size),
        jac=True,
        bounds=[(0, None)] * (2 * start.size),
        options={"maxiter": 5000, "gtol": 1e-10, "ftol": 1e-15},
    )
    for scale in (0.0, 0.1, 1.0, 10.0):
        assert objective.evaluate(problem, scale * start).bound <= best.fun + 1e-9
    near = objective.evaluate(problem, split(best.x))
    assert near.value - near.bound < 1e-5 * abs(near.value)


def test_the_bound_of_the_hinge_holds_for_any_multipliers_and_meets_the_optimum():
    problem, start = tiny("hinge")
    problem = Problem(problem.X, problem.y, "hinge", 0.0, 0.02)
    found = reference.solve(problem)
    assert -1e-14 < found.gap < 1e-9
    for scale in (0.0, 0.1, 1.0, 10.0):
        assert objective.evaluate(problem, scale * start).bound <= found.value + 1e-12
        a = np.random.default_rng(3).random(40) ** scale
        assert objective.evaluate(problem, start, -problem.y * a).bound <= found.value + 1e-12


def test_an_unpenalised_problem_has_no_bound():
    problem, w = tiny("logistic", l1=0.0, l2=0.0)
    assert objective.evaluate(problem, w).bound == -np.inf


def test_unknown_loss_is_named():
    problem, w = tiny("logistic")
    with pytest.raises(ValueError, match="'absolute'"):
        objective.value(Problem(problem.X, problem.y, "absolute", 0.0, 0.0), w)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setattr("benchmarks.data.WORK", tmp_path_factory.getbasetemp() / "work")


@pytest.mark.parametrize("name", SMALL)
def test_references_are_proven(name):
    found = reference.solve(cells.load(name), max_seconds=60)
    assert -1e-14 < found.gap < 1e-9
    assert found.value == pytest.approx(objective.value(cells.load(name), found.w), rel=1e-12)


def test_strengths_become_the_mean_form():
    lasso = cells.load("small/lasso")
    lambda_max = np.abs(lasso.X.T @ lasso.y).max() / len(lasso.y)
    assert lasso.l1 == pytest.approx(0.05 * lambda_max)
    assert cells.load("small/logistic-l1").l1 == 5.0 / 2000
    assert cells.load("small/softmax").l2 == 1e-3
    assert cells.load("small/softmax").facts.k == 10


def test_generated_tables_have_the_shape_they_claim():
    from benchmarks import data

    X, y = data.dense_500k(n=3000, d=12)
    assert X.shape == (3000, 12)
    assert set(y) == {-1.0, 1.0}
    assert len(np.unique(X, axis=0)) <= 2000  # a third of the rows repeats others
    assert [len(np.unique(X[:, j])) for j in (1, 3, 5)] == [2, 2, 2]
    assert X.mean(axis=0) == pytest.approx(0.0, abs=1e-9)
    assert X.std(axis=0) == pytest.approx(1.0)


def test_the_narrow_table_has_three_decades_of_scales_and_a_thin_layer_between_the_classes():
    from benchmarks import data

    X, y = data.dense_narrow(n=4000, d=12)
    scales = np.sort(X[:, 0::2].std(axis=0))
    assert scales[-1] / scales[0] == pytest.approx(1000, rel=0.1)
    assert [len(np.unique(X[:, j])) for j in (1, 3, 5)] == [2, 2, 2]
    Z = np.column_stack([(X - X.mean(axis=0)) / X.std(axis=0), np.ones(len(X))])
    w = np.linalg.lstsq(Z, y, rcond=None)[0]
    assert np.mean(np.sign(Z @ w) == y) > 0.95


def test_groups_are_named_exactly_and_cells_by_their_start():
    assert {cells.CELLS[name].group for name in cells.named(["svm-hinge"])} == {"svm-hinge"}
    assert len(cells.named(["svm-hinge", "svm-sqhinge"])) == 18
    assert cells.named(["svm-sqhinge/w8a"]) == [f"svm-sqhinge/w8a-C{C}" for C in ("0.1", "1", "10")]
    assert cells.named(["logistic"]) == [name for name in cells.CELLS if name.startswith("logistic")]
    assert cells.named(["no such cell"]) == []


def test_cached_data_come_back_the_same():
    from benchmarks import data

    for name in ("small_sparse", "small_binary"):
        X, y = data.SETS[name]()
        again, labels = data.load(name)
        assert type(again) is (sparse.csr_matrix if sparse.issparse(X) else np.ndarray)
        assert np.array_equal(
            again.toarray() if sparse.issparse(X) else again, X.toarray() if sparse.issparse(X) else X
        )
        assert np.array_equal(labels, y)
