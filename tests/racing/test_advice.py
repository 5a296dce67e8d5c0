"""The sentence is about the right solver, for every way in which a race can end."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from steepest.protocols import Certificate, Status
from steepest.racing.result import Race, Run
from steepest.record.history import History


def run(name, seconds, objective=1.0, *, status=Status.CERTIFIED, lower=1.0, solver=None, success=None, reason=""):
    passed = status is Status.CERTIFIED if success is None else success
    gap = objective - lower
    bounds = "suboptimality" if math.isfinite(lower) else "nothing"
    proof = Certificate("duality_gap", gap, gap, 1e-6, passed, bounds, objective, lower, status, reason)
    history = History()
    history.append(iteration=0, passes=1.0, seconds=0.0, objective=3.0)
    history.append(iteration=1, passes=9.0, seconds=seconds, objective=objective)
    return Run(name, solver or name, {}, passed, proof, seconds, 0.0, 9.0, 1, history, None, (seconds,))


def race(*runs, kind="data", **more):
    return Race(kind, "P(w)", "9 rows x 1 features", 1e-6, 10.0, list(runs), **more)


def test_the_fastest_certified_one_is_recommended():
    found = race(run("auto", 2.0, solver="coordinate"), run("lbfgs", 0.5), run("fista", 0.1, 1.5, status=Status.BUDGET))
    assert found.best.name == "lbfgs"
    assert found.advice == (
        "Use 'lbfgs': certified to 1e-06 in 500 ms and 9 passes; the next, 'auto' (coordinate), took 4.0 times as "
        "long; 'fista' was 5e-01 above the bound when its budget ended."
    )


@pytest.mark.parametrize(
    ("auto", "other", "best"),
    [(1.15, 1.0, "auto"), (1.3, 1.0, "newton-cg"), (0.012, 0.005, "auto"), (0.9, 1.0, "auto")],
)
def test_auto_is_preferred_where_it_is_hardly_slower(auto, other, best):
    assert race(run("auto", auto, solver="lbfgs"), run("newton-cg", other)).best.name == best


def test_auto_is_preferred_to_what_it_chose_and_is_no_rival_of_it():
    found = race(run("auto", 3.0, solver="lbfgs"), run("lbfgs", 1.0), run("bfgs", 9.0))
    assert found.best.name == "auto"
    assert "the next, 'bfgs', took 3.0 times as long" in found.advice
    assert "'lbfgs'" not in found.advice


def test_nothing_certified():
    found = race(run("sgd", 10.0, 1.002, status=Status.BUDGET), run("adam", 10.0, 1.5, status=Status.STALLED))
    assert found.best.name == "sgd"
    assert found.advice == (
        "No solver was certified to 1e-06. Nearest came 'sgd': objective 1.002, at most 2e-03 above the optimum after "
        "10.0 s and 9 passes (budget); use it with a larger max_time or max_iter, or ask for a larger tol."
    )


def test_nothing_finite():
    found = race(run("sgd", 1.0, math.nan, status=Status.DIVERGED, lower=math.nan, reason="the objective is nan"))
    assert found.advice.endswith("'sgd', whose objective is not finite: the objective is nan.")
    assert math.isnan(found.lower)
    assert "nan" in str(found)


def test_no_minimiser():
    found = race(run("lbfgs", 1.0, 0.1, status=Status.ILL_POSED, lower=math.nan, reason="the classes are separable"))
    assert found.advice == "Use none of them: the classes are separable."


def test_many_losers_are_counted():
    slow = [run(name, 10.0, 1.0 + shift, status=Status.BUDGET) for name, shift in (("a", 0.1), ("b", 0.01), ("c", 0.2))]
    found = race(run("lbfgs", 1.0), *slow)
    assert found.advice.endswith(
        "; 3 others were not certified, the nearest, 'b', 1e-02 above the bound when its budget ended."
    )
    gone = run("d", 1.0, math.inf, status=Status.DIVERGED, lower=math.nan)
    assert race(run("lbfgs", 1.0), gone).advice.endswith("; 'd' diverged.")
    assert [other.name for other in race(*slow, gone, run("lbfgs", 1.0)).ranking] == ["lbfgs", "b", "a", "c", "d"]


def test_of_two_minima_the_lower_one():
    high = run("newton", 0.1, 2.0, status=Status.APPROXIMATE, lower=math.nan, success=True)
    low = run("bfgs", 5.0, 1.0, status=Status.APPROXIMATE, lower=math.nan, success=True)
    found = race(high, low, kind="function")
    assert found.best.name == "bfgs"
    assert found.advice == (
        "Use 'bfgs': a minimum, 1, in 5.0 s and 9 calls; 'newton' found another, higher minimum, 2."
    )
    assert found.reference == 1.0
    assert found.scale == 2.0
    assert found.ended(low) == "minimum"


def test_the_bound_is_never_above_what_was_reached():
    found = race(run("a", 1.0, 1.0, lower=1.0 - 1e-9), run("b", 1.0, 1.0 + 1e-7, lower=1.0 + 1e-15))
    assert found.lower == found.upper == 1.0
    assert found.gap(found.runs[0]) == 0.0
    assert SimpleNamespace(**found.table[0]).relative_gap == 0.0
