"""Every batch method on every problem of the catalogue: certified optimum, monotone values, same bits, warm start."""

import numpy as np
import pytest

from steepest.problems.rowspan import RowSpanProblem
from steepest.solvers.catalogue import CATALOGUE, LINE_SEARCHES, STOCHASTIC, make

PROBLEMS = [
    "logistic", "logistic_sparse", "logistic_float32", "logistic_weights", "logistic_wide", "logistic_means",
    "squared", "squared_scales", "huber", "squared_hinge", "poisson", "softmax", "softmax_sparse",
]  # fmt: skip

# name, options, tolerance of the relative suboptimality, rounds that are enough
SETTINGS = {
    "gd_fixed": ("gradient_descent", {"line_search": "fixed", "step": 0.02}, 1e-2, 20_000),
    "gd_1/L": ("gradient_descent", {"line_search": "1/L"}, 1e-4, 20_000),
    "gd_exact": ("gradient_descent", {"line_search": "exact"}, 1e-4, 20_000),
    "gd_armijo": ("gradient_descent", {"line_search": "armijo"}, 1e-4, 20_000),
    "gd_wolfe": ("gradient_descent", {"line_search": "wolfe"}, 1e-4, 20_000),
    "gd_diagonal": ("gradient_descent", {"line_search": "armijo", "metric": "diagonal"}, 1e-4, 5000),
    "lbfgs": ("lbfgs", {}, 1e-9, 300),
    "lbfgs_armijo": ("lbfgs", {"line_search": "armijo"}, 1e-9, 300),
    "lbfgs_exact": ("lbfgs", {"line_search": "exact"}, 1e-9, 300),
    "bfgs": ("bfgs", {}, 1e-9, 300),
    "newton-cholesky": ("newton-cholesky", {}, 1e-12, 30),
    "newton-cholesky_exact": ("newton-cholesky", {"line_search": "exact"}, 1e-12, 30),
    "newton-cg": ("newton-cg", {}, 1e-12, 40),
    "newton-cg_diagonal": ("newton-cg", {"metric": "diagonal"}, 1e-12, 40),
    "closed_form": ("closed_form", {}, 1e-11, 2),
}


# pairs that the catalogue refuses, as tested in test_catalogue.py
REFUSED = {("gd_1/L", "poisson")} | {
    ("closed_form", case) for case in PROBLEMS if case not in ("squared", "squared_scales")
}
PAIRS = [(s, c) for s in SETTINGS for c in PROBLEMS if (s, c) not in REFUSED]


def test_the_lists_are_complete(catalogue):
    assert set(PROBLEMS) == set(catalogue)
    assert {name for name, *_ in SETTINGS.values()} == set(CATALOGUE) - set(STOCHASTIC)
    assert {options.get("line_search", "wolfe") for _, options, *_ in SETTINGS.values()} == set(LINE_SEARCHES)


@pytest.mark.parametrize(("setting", "case"), PAIRS)
def test_reaches_the_certified_optimum(setting, case, catalogue, make_problem, run):
    settings = catalogue[case]
    name, options, tol, most = SETTINGS[setting]
    if case == "poisson" and setting == "gd_fixed":
        options = options | {"step": 0.005}
    problem = make_problem(**settings)
    done = run(make(name, problem, **options), problem, tol=tol, most=most)
    assert done.relative <= tol, (done.relative, len(done.rounds), done.notes)
    # decreases, but for rounding
    slack = 1e-12 * np.abs(done.values[:-1])
    assert np.all(done.values[1:] <= done.values[:-1] + slack)


@pytest.mark.parametrize("setting", SETTINGS)
def test_threads_do_not_change_a_bit(setting, make_problem, run):
    name, options, _, _ = SETTINGS[setting]
    case = {"loss": "squared" if name == "closed_form" else "logistic", "n": 8000, "d": 100}
    results = []
    for jobs in (1, 2):
        problem = make_problem(jobs=jobs, **case)
        assert len(problem.source.shards) > 1
        results.append(run(make(name, problem, **options), problem, tol=1e-6, most=5))
        problem.source.pool.close()
    np.testing.assert_array_equal(results[0].at.w, results[1].at.w)
    np.testing.assert_array_equal(results[0].values, results[1].values)


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_start_at_the_optimum_is_recognised_at_once(setting, make_problem, run):
    name, options, _, _ = SETTINGS[setting]
    problem = make_problem(loss="squared" if name == "closed_form" else "logistic")
    best = run(make("newton-cholesky", problem), problem, tol=1e-14, most=50).at
    done = run(make(name, problem, **options), problem, best.w, tol=1e-10)
    assert len(done.rounds) == 1
    if name != "closed_form":
        np.testing.assert_array_equal(done.at.w, best.w)


@pytest.mark.parametrize("setting", [s for s in SETTINGS if s not in ("closed_form", "gd_fixed", "gd_1/L")])
@pytest.mark.parametrize("case", ["logistic", "squared", "logistic_float32", "softmax"])
def test_at_the_level_of_rounding_a_search_ends_in_peace(setting, case, catalogue, make_problem, run):
    """No error, no NaN, no step that loses more than rounding; and the optimum stays."""
    name, options, _, _ = SETTINGS[setting]
    problem = make_problem(**catalogue[case])
    best = run(make("newton-cholesky", problem), problem, tol=0.0, most=60)
    assert best.relative < 1e-14  # the bound contains the rounding of the objective
    done = run(make(name, problem, **options), problem, best.at.w, tol=0.0, most=30)
    assert np.isfinite(done.values).all()
    assert np.all(np.abs(done.values - best.at.value) <= 1e-11 * best.at.value)
    assert done.relative < 1e-14


@pytest.mark.parametrize("setting", ["gd_armijo", "gd_exact", "gd_1/L", "lbfgs"])
def test_on_the_span_of_the_rows_the_same_optimum_is_found(setting, make_problem, run):
    name, options, tol, most = SETTINGS[setting]
    case = {"n": 30, "d": 60, "l2": 0.1}
    span = RowSpanProblem(make_problem(**case))
    done = run(make(name, span, **options), span, tol=tol, most=most)
    assert done.relative <= tol
    plain = make_problem(**case)
    best = run(make("newton-cholesky", plain), plain, tol=1e-14).at
    assert done.at.value <= best.value * (1.0 + 2.0 * tol)
    assert done.at.value >= best.value * (1.0 - 1e-12)
