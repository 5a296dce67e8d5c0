"""A race runs what fits, says what does not, and measures all by one proven bound."""

from __future__ import annotations

import io
import os
import signal
import threading

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_iris, make_regression

import steepest
from steepest import functions
from steepest.exceptions import DataError, IncompatibleError, InvalidParameterError
from steepest.protocols import Status
from steepest.racing.live import Live
from steepest.racing.race import _entrants, _run
from steepest.racing.tracks import DataTrack, guess_loss
from steepest.solvers.auto import SOLVERS
from steepest.solvers.choice_function import EVERY_METHOD

IRIS = load_iris(return_X_y=True)
BATCH = ["auto", "lbfgs", "newton-cg"]


@pytest.fixture(scope="module")
def iris():
    return steepest.race(*IRIS, alpha=1e-2, solvers=[*BATCH, "closed_form"], verbose=0)


def test_solvers_that_do_not_fit_have_a_reason():
    X, y = make_regression(60, 4, noise=5.0, random_state=0)
    names = ["auto", "coordinate", "fista", "lbfgs", "newton-cholesky", "bfgs", "closed_form", "dual_coordinate"]
    found = steepest.race(X, y, penalty="l1", alpha=1.0, solvers=names, max_iter=3, repeat=1, verbose=0)
    assert [run.name for run in found.runs] == ["auto", "coordinate", "fista"]
    assert [*found.skipped] == names[3:]
    for name in ("lbfgs", "newton-cholesky", "bfgs"):
        assert found.skipped[name].startswith("needs a penalty without an l1 part")
    assert not any("Use " in why or why.endswith(".") for why in found.skipped.values())


def test_the_catalogue_says_who_takes_part():
    track = DataTrack(*IRIS, None, "auto", {})
    assert [entrant.name for entrant in _entrants(track, None)] == ["auto", *SOLVERS]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["squared, l1", "softmax, l2", "hinge, sparse"])
def test_every_solver_is_in_the_race_or_has_a_reason(case):
    X, y = make_regression(60, 4, noise=5.0, random_state=0)
    given = {
        "squared, l1": (X, y, {"penalty": "l1", "alpha": 1.0}),
        "softmax, l2": (*IRIS, {"alpha": 1e-2}),
        "hinge, sparse": (sp.csr_array(X), y > 0.0, {"loss": "hinge", "alpha": 1e-2, "fit_intercept": False}),
    }[case]
    found = steepest.race(*given[:2], **given[2], max_iter=3, repeat=1, verbose=0)
    names = [run.name for run in found.runs]
    assert {*names, *found.skipped} == {"auto", *SOLVERS}
    assert not {*names} & {*found.skipped}
    assert len(names) > 3
    for run in found.runs:
        assert np.all(found.suboptimality(run) >= -1e-10)


def test_all_are_measured_from_the_best_proven_bound(iris):
    proven = [run.certificate.dual for run in iris.runs]
    assert iris.lower == max(proven)
    assert iris.upper == min(run.certificate.primal for run in iris.runs)
    assert iris.lower <= iris.upper
    for run in iris.runs:
        curve = iris.suboptimality(run)
        assert len(curve) == len(run.history)
        assert np.all(curve >= -1e-12)
        assert curve[-1] < curve[0]
        assert iris.relative_gap(run) <= run.certificate.relative + 1e-12  # never weaker than its own
        np.testing.assert_allclose(iris.gap(run), run.objective - iris.lower, atol=1e-15)


@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
def test_no_curve_is_below_the_bound(penalty):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(80, 5)) * np.geomspace(1.0, 30.0, 5)
    y = X[:, 0] - X[:, 3] + rng.normal(size=80)
    found = steepest.race(
        X, y, penalty=penalty, alpha=0.1, solvers=["auto", "fista", "proximal_gradient"], max_iter=40, verbose=0
    )
    assert len(found.runs) == 3
    for run in found.runs:
        assert np.all(found.suboptimality(run) >= -1e-10)
        assert found.lower <= run.objective * (1 + 1e-12)


def test_a_run_that_proves_little_gets_the_bound_of_one_that_proves_much():
    X, y = make_regression(80, 6, noise=10.0, random_state=1)
    found = steepest.race(X, y, alpha=1e-3, solvers=["gradient_descent", "closed_form"], max_iter=3, verbose=0)
    slow = found.runs[0]
    assert slow.status is Status.BUDGET
    assert found.lower == found.runs[1].certificate.dual
    assert found.relative_gap(slow) <= slow.certificate.relative
    assert found.best.name == "closed_form"
    assert "'gradient_descent' was" in found.advice
    assert "when its budget ended" in found.advice


def test_the_models_are_kept_and_equal_those_of_a_fit(iris):
    alone = steepest.LinearClassifier("softmax", alpha=1e-2, solver="newton-cg", tol=1e-6).fit(*IRIS)
    raced = next(run for run in iris.runs if run.name == "newton-cg")
    np.testing.assert_array_equal(raced.result.coef_, alone.coef_)
    assert raced.passes == alone.fit_record_.passes
    np.testing.assert_array_equal(raced.history["objective"], alone.history_["objective"])
    assert np.all(np.diff(raced.history["seconds"]) >= 0.0)
    assert iris.objective == alone.objective_


def test_repetitions_are_counted_and_the_fastest_kept():
    found = steepest.race(*IRIS, alpha=1e-2, solvers="newton-cg", repeat=3, verbose=0)
    assert len(found.runs[0].times) == 3
    assert found.runs[0].seconds == min(found.runs[0].times)


def test_options_make_entrants_of_their_own():
    found = steepest.race(
        *IRIS,
        alpha=1e-1,
        solvers=[
            "lbfgs",
            ("lbfgs", {"memory": 3, "line_search": "armijo"}),
            ("gradient_descent", {"line_search": "1/L"}),
        ],
        max_iter=5,
        repeat=1,
        verbose=0,
    )
    names = [run.name for run in found.runs]
    assert names == ["lbfgs", "lbfgs(memory=3, line_search=armijo)", "gradient_descent(line_search=1/L)"]
    assert found.runs[1].options == {"memory": 3, "line_search": "armijo"}
    mapped = _entrants(DataTrack(*IRIS, None, "auto", {}), {"lbfgs": {"memory": 3}, "auto": None})
    assert [(entrant.name, entrant.options) for entrant in mapped] == [("lbfgs(memory=3)", {"memory": 3}), ("auto", {})]


def test_sparse_rows_weights_and_labels_in_words():
    X, y = IRIS
    two = y != 1
    words = np.array(["no", "no", "yes"])[y[two]]
    weights = np.linspace(0.5, 1.5, two.sum())
    common = {"alpha": 1e-2, "solvers": ["lbfgs"], "sample_weight": weights, "repeat": 1, "verbose": 0}
    dense = steepest.race(X[two], words, **common)
    sparse = steepest.race(sp.csr_array(X[two]), words, **common)
    assert dense.runs[0].success
    assert dense.runs[0].objective == pytest.approx(sparse.runs[0].objective, rel=1e-6)
    assert "log(1 + exp(-y_i z_i))" in dense.objective
    assert dense.runs[0].result.classes_.tolist() == ["no", "yes"]


def test_warm_code_on_some_of_many_rows():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(5000, 600)), np.zeros(5000, dtype=int)
    y[4321], y[17] = 1, 2  # classes of one row each are among those that warm up
    track = DataTrack(X, y, None, "auto", {})
    rows = track._rows()
    assert 2000 <= len(rows) < 2010
    assert set(y[rows]) == {0, 1, 2}
    assert DataTrack(X[:100], y[:100], None, "auto", {})._rows() is None


def test_targets_are_guessed():
    assert guess_loss(np.arange(51)) == "squared"
    assert guess_loss(np.arange(50) % 40) == "softmax"
    assert guess_loss(np.array([True, False])) == "logistic"
    assert guess_loss(np.array(["a", "b", "c"], dtype=object)) == "softmax"
    assert guess_loss(np.array([0.0, 1.0, np.nan])) == "squared"


def test_no_minimiser_is_said():
    X = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    found = steepest.race(X, [0, 0, 1, 1], penalty="none", solvers=["lbfgs"], max_time=1.0, repeat=1, verbose=0)
    assert not found.best.success
    assert found.advice.startswith("Use none of them: the classes are separable")


# --------------------------------------------------------------------------------------------- functions


def test_rosenbrock():
    f = functions.get("rosenbrock")
    found = steepest.race(f, f.start, grad=f.grad, max_iter=300, repeat=1, verbose=0)
    assert {*(run.name for run in found.runs), *found.skipped} == {*EVERY_METHOD}
    assert found.skipped["levenberg-marquardt"] == "needs the residuals of a sum of squares"
    assert found.lower == 0.0
    assert found.bound == "the known least value"
    for run in found.runs:
        assert np.all(found.suboptimality(run) >= 0.0)
        assert found.suboptimality(run)[0] == 1.0
    assert found.best.success
    np.testing.assert_allclose(found.best.result.x, [1.0, 1.0], atol=1e-5)
    slow = next(run for run in found.runs if run.name == "gradient_descent")
    assert not slow.success
    assert "minimum" in str(found)
    assert f"{sum(not run.success for run in found.runs)} others ended elsewhere, the nearest, '" in found.advice


def test_under_a_constraint():
    f = functions.get("rosenbrock")
    box = steepest.penalties.Box(-2.0, 0.5)
    given = {"constraint": box, "solvers": ["auto", "projected_gradient", "bfgs"], "max_iter": 500, "repeat": 1}
    found = steepest.race(f, f.start, grad=f.grad, verbose=0, **given)
    assert not np.isfinite(found.known)  # the least value is outside
    assert list(found.skipped) == ["bfgs"]
    assert found.skipped["bfgs"] == "does not keep to bounds or a constraint"
    np.testing.assert_allclose(found.best.result.x, [0.5, 0.25], atol=1e-5)
    X, y = IRIS
    held = steepest.race(X, y, alpha=1e-2, loss="softmax", constraint="nonnegative",
                         solvers=["auto", "newton-cg"], repeat=1, verbose=0)  # fmt: skip
    assert held.runs[0].result.coef_.min() >= 0.0
    assert "without a constraint" in held.skipped["newton-cg"]
    assert held.lower <= held.upper


def test_without_a_proven_bound_the_least_value_seen_is_the_measure():
    def double_well(x):
        return (x[0] ** 2 - 1.0) ** 2 + 0.1 * x[0]

    solvers = ["bfgs", ("gradient_descent", {"line_search": "fixed", "step": 0.6})]
    found = steepest.race(double_well, [0.5], solvers=solvers, max_iter=200, repeat=1, verbose=0)
    assert not np.isfinite(found.lower)
    assert found.reference <= found.upper
    assert found.best.objective == pytest.approx(found.upper, abs=1e-6 * found.scale)
    assert "no lower bound is proven" in found.bound


# -------------------------------------------------------------------------------------------- interruption


def test_ctrl_c_keeps_what_is_finished(interruptible):
    X, y = IRIS
    names = ["newton-cg", "gradient_descent", "lbfgs"]
    steepest.race(X, y, alpha=1e-2, solvers=names, max_iter=2, verbose=0)  # nothing is left to compile
    began = threading.Event()

    class Show:
        """Presses Ctrl-C in the tenth round of the second solver."""

        name, rounds = "", 0

        def open(self): ...
        def close(self): ...
        def done(self, run): ...
        def skip(self, name, why): ...

        def start(self, name):
            self.name, self.rounds = name, 0

        def round(self, row):
            self.rounds += 1
            if self.name == "gradient_descent" and self.rounds == 10 and not began.is_set():
                began.set()
                os.kill(os.getpid(), signal.SIGINT)

    track = DataTrack(X, y, None, "auto", {"alpha": 1e-2, "tol": 1e-12, "max_time": 60.0, "max_iter": None})
    found = _run(track, _entrants(track, names), 1e-12, 60.0, 1, Show())
    assert found.interrupted
    assert [run.name for run in found.runs] == ["newton-cg", "gradient_descent"]
    assert found.runs[1].status is Status.INTERRUPTED
    assert found.skipped == {"lbfgs": "interrupted"}
    assert found.best.name == "newton-cg"
    assert "interrupted" in str(found)


def test_ctrl_c_before_anything_ran_is_passed_on(interruptible):
    def dear(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        steepest.race(dear, [1.0], verbose=0)


# ------------------------------------------------------------------------------------------- what it shows


def test_the_table(iris):
    text = str(iris)
    assert text.endswith(iris.advice)
    assert "closed_form: not run: needs the squared loss" in text
    assert [row["name"] for row in iris.table] == [run.name for run in iris.ranking]
    assert all(row["status"] == "certified" for row in iris.table)
    frame = iris.to_frame()
    assert frame["relative_gap"].tolist() == [iris.relative_gap(run) for run in iris.ranking]
    assert iris.best.name in iris.advice
    assert iris.best.success


def test_plain_lines_where_no_terminal_shows_a_table(capsys):
    steepest.race(*IRIS, alpha=1e-2, solvers=["newton-cg", "closed_form"], repeat=2)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "race: 2 solvers on 150 rows x 4 features, at most 10.0 s each"
    assert lines[1].startswith("  newton-cg: certified in ")
    assert lines[2] == "  closed_form: not run: needs the squared loss"
    assert len(lines) == 3


def test_a_live_table_on_a_terminal():
    from rich.console import Console

    track = DataTrack(*IRIS, None, "auto", {"alpha": 1e-2, "tol": 1e-6, "max_time": 5.0, "max_iter": None})
    entrants = _entrants(track, ["newton-cg", "closed_form"])
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, color_system=None, _environ={})
    _run(track, entrants, 1e-6, 5.0, 1, Live(track, entrants, 5.0, console))
    shown = screen.getvalue()
    assert "newton-cg" in shown
    assert "waiting" in shown
    assert "running" in shown
    assert "certified" in shown
    assert "\x1b[?25h" in shown  # the cursor is there again


# -------------------------------------------------------------------------------------------------- errors


def test_errors_name_the_argument():
    X, y = IRIS
    quick = {"verbose": 0, "max_iter": 2, "repeat": 1}
    with pytest.raises(InvalidParameterError, match="X: expected rows or a function, got the estimator Ridge"):
        steepest.race(steepest.Ridge(), y)
    with pytest.raises(InvalidParameterError, match="grad: it belongs to a function"):
        steepest.race(X, y, grad=lambda x: x)
    with pytest.raises(InvalidParameterError, match="penalty: a function has none"):
        steepest.race(lambda x: x @ x, [1.0], penalty="l1")
    with pytest.raises(InvalidParameterError, match="repeat: expected an integer >= 1 or None, got 0"):
        steepest.race(X, y, repeat=0)
    with pytest.raises(InvalidParameterError, match="max_time: a race needs a limit"):
        steepest.race(X, y, max_time=None)
    with pytest.raises(InvalidParameterError, match="solvers: expected different solvers, got 'lbfgs' twice"):
        steepest.race(X, y, solvers=["lbfgs", "lbfgs"])
    with pytest.raises(InvalidParameterError, match="solvers: expected different solvers, got none"):
        steepest.race(X, y, solvers=[])
    with pytest.raises(InvalidParameterError, match=r"solver: expected .*Did you mean 'lbfgs'"):
        steepest.race(X, y, solvers="lbfg", **quick)
    with pytest.raises(InvalidParameterError, match=r"solver.options: 'lbfgs' takes"):
        steepest.race(X, y, solvers=[("lbfgs", {"memry": 3})], **quick)
    with pytest.raises(InvalidParameterError, match=r"got options 3\. Give a dict"):
        steepest.race(X, y, solvers=[("lbfgs", 3)], **quick)
    with pytest.raises(IncompatibleError, match="none of closed_form fits this problem; 'closed_form' needs"):
        steepest.race(X, y, solvers="closed_form", **quick)
    with pytest.raises(IncompatibleError, match="'hinge' with more than two classes is one problem a class"):
        steepest.race(X, y, loss="hinge")
    with pytest.raises(DataError, match="y: a race is about one problem"):
        steepest.race(X, np.ones((150, 2)))


def test_the_name_stays_a_function_after_its_package_is_imported():
    import steepest.racing.result

    assert callable(steepest.race)
    assert steepest.Race is steepest.racing.result.Race
