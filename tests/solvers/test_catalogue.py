"""Names, options and refusals."""

import numpy as np
import pytest

from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.penalties import L1
from steepest.problems.linear import LinearProblem
from steepest.problems.rowspan import RowSpanProblem
from steepest.solvers.catalogue import CATALOGUE, EXPECTED, STOCHASTIC, make
from steepest.solvers.directions import LBFGS


def test_every_entry_says_what_to_expect():
    assert set(EXPECTED) == set(CATALOGUE)
    for name, factory in CATALOGUE.items():
        assert factory.__doc__
        assert factory.__name__ in (name, name.replace("-", "_"))


def test_names_and_options_reach_the_method(make_problem):
    problem = make_problem()
    solver = make("lbfgs", problem, memory=3)
    assert isinstance(solver.direction, LBFGS)
    assert solver.direction.memory == 3
    assert make("gradient_descent", problem, line_search="fixed", step=0.5).search.step == 0.5


class TestWrongUse:
    def test_unknown_name(self, make_problem):
        with pytest.raises(InvalidParameterError, match="Did you mean 'newton-cg'"):
            make("newton_cg", make_problem())

    def test_unknown_option(self, make_problem):
        with pytest.raises(InvalidParameterError, match=r"'lbfgs' takes .*'memory'.* got 'm'"):
            make("lbfgs", make_problem(), m=5)
        with pytest.raises(InvalidParameterError, match="takes none"):
            make("closed_form", make_problem(loss="squared"), step=1.0)

    def test_unknown_line_search(self, make_problem):
        with pytest.raises(InvalidParameterError, match=r"line_search: .*Did you mean 'armijo'"):
            make("gradient_descent", make_problem(), line_search="armjo")

    @pytest.mark.parametrize("step", [None, 0.0, -1.0, np.nan, np.inf])
    def test_fixed_needs_a_step(self, step, make_problem):
        with pytest.raises(InvalidParameterError, match=r"step: .*expects a finite step > 0"):
            make("gradient_descent", make_problem(), line_search="fixed", step=step)

    def test_others_take_no_step(self, make_problem):
        with pytest.raises(InvalidParameterError, match="only line_search='fixed' takes one"):
            make("gradient_descent", make_problem(), line_search="armijo", step=0.1)

    def test_one_over_l_in_a_metric(self, make_problem):
        with pytest.raises(InvalidParameterError, match="without a metric"):
            make("gradient_descent", make_problem(), line_search="1/L", metric="diagonal")


class TestRefusals:
    def test_one_over_l_needs_a_bound(self, make_problem):
        with pytest.raises(IncompatibleError, match="'poisson' has none"):
            make("gradient_descent", make_problem(loss="poisson"), line_search="1/L")

    @pytest.mark.parametrize("name", [n for n in CATALOGUE if n not in STOCHASTIC])
    def test_an_l1_part(self, name, make_problem):
        q = make_problem(loss="squared")
        problem = LinearProblem(q.source, q.y, q.p, q.loss, L1(0.1), True)
        with pytest.raises(IncompatibleError, match="l1 part"):
            make(name, problem)

    @pytest.mark.parametrize("name", [n for n in CATALOGUE if n != "closed_form" and n not in STOCHASTIC])
    def test_a_kink(self, name, make_problem):
        with pytest.raises(IncompatibleError, match="smooth loss"):
            make(name, make_problem(loss="hinge"))

    @pytest.mark.parametrize(("loss", "want"), [("logistic", "squared loss"), ("softmax", "squared loss")])
    def test_closed_form(self, loss, want, make_problem):
        with pytest.raises(IncompatibleError, match=want):
            make("closed_form", make_problem(loss=loss))

    @pytest.mark.parametrize("name", ["newton-cholesky", "newton-cg", "bfgs", "closed_form"])
    def test_the_span_of_the_rows(self, name, make_problem):
        with pytest.raises(IncompatibleError, match="span of the rows"):
            make(name, RowSpanProblem(make_problem(loss="squared", n=10, d=20)))

    @pytest.mark.parametrize("name", ["newton-cholesky", "bfgs"])
    def test_a_matrix_that_would_not_fit(self, name, make_problem):
        with pytest.raises(IncompatibleError, match=r"matrix of 7001\^2"):
            make(name, make_problem(n=5, d=7000))
