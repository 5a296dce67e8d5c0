"""A ridge problem on the span of its rows is the same function."""

import numpy as np
import pytest

from steepest.problems.rowspan import RowSpanProblem


def pair(problem, A):
    """``[A, X X^T A]`` as the flat vector of the row-span problem."""
    X = problem.source.X if problem.source.kind == "dense" else problem.source.matrix.toarray()
    return np.concatenate([A.ravel(), (X @ (X.T @ A)).ravel()])


@pytest.mark.parametrize("name", ["logistic", "squared", "softmax"])
@pytest.mark.parametrize("kind", ["dense", "csr"])
@pytest.mark.parametrize("intercept", [True, False])
class TestSameFunction:
    def setup_case(self, make, name, kind, intercept, seed=3):
        base = make(name, n=12, d=30, kind=kind, intercept=intercept)
        k = base.layout.n_outputs
        rng = np.random.default_rng(seed)
        A = 0.3 * rng.standard_normal((12, k) if k > 1 else 12)
        return base, RowSpanProblem(base), A

    def primal(self, base, span, at):
        """The evaluation of the base problem at the parameters that ``at`` stands for."""
        w = span.weights(at.w)
        if base.layout.intercept:  # the span problem keeps it at its optimum
            w = np.concatenate([w[: base.layout.n_weights], np.zeros(base.layout.n_outputs)])
            w = base.polish(w, base.evaluate(w).scores)
        return base.evaluate(w)

    def test_value_and_gradient(self, make, name, kind, intercept):
        base, span, A = self.setup_case(make, name, kind, intercept)
        at = span.evaluate(pair(base, A))
        primal = self.primal(base, span, at)
        assert at.value == pytest.approx(primal.value, rel=1e-12)
        m, half = base.layout.n_weights, A.size
        X = base.source.X if kind == "dense" else base.source.matrix.toarray()
        G = X.T @ at.gradient[:half].reshape(A.shape)
        np.testing.assert_allclose(G.ravel(), primal.gradient[:m], atol=1e-12)
        np.testing.assert_allclose(
            at.gradient[half:].reshape(A.shape), X @ primal.gradient[:m].reshape(G.shape), atol=1e-12
        )
        # where the intercept is fitted it is optimal, so this is the whole gradient
        np.testing.assert_allclose(primal.gradient[m:], 0.0, atol=1e-8)

    def test_inner_products_are_those_of_the_parameters(self, make, name, kind, intercept):
        base, span, A = self.setup_case(make, name, kind, intercept)
        B = self.setup_case(make, name, kind, intercept, seed=4)[2]
        a, b = pair(base, A), pair(base, B)
        m = base.layout.n_weights
        want = float(span.weights(a)[:m] @ span.weights(b)[:m])
        assert span.inner(a, b) == pytest.approx(want, rel=1e-12)

    def test_ray(self, make, name, kind, intercept):
        base, span, A = self.setup_case(make, name, kind, intercept)
        d = pair(base, self.setup_case(make, name, kind, intercept, seed=4)[2])
        at = span.evaluate(pair(base, A))
        ray = span.along(at, d)
        h = 1e-6
        for t in (0.0, 0.5, 1.0):
            value, slope = ray.value_slope(t)
            there = span.evaluate(at.w + t * d)
            assert value == pytest.approx(there.value, rel=1e-11)
            assert slope == pytest.approx(span.inner(there.gradient, d), rel=1e-7, abs=1e-9)
            numeric = (ray.value(t + h) - ray.value(t - h)) / (2 * h)
            assert slope == pytest.approx(numeric, rel=1e-6, abs=1e-8)
        completed = span.complete(ray, 0.5)
        np.testing.assert_allclose(completed.gradient, span.step(at, d, 0.5).gradient, rtol=1e-9, atol=1e-11)

    def test_zero_is_zero(self, make, name, kind, intercept):
        base, span, _ = self.setup_case(make, name, kind, intercept)
        at = span.evaluate(span.start())
        assert at.value == pytest.approx(self.primal(base, span, at).value, rel=1e-12)
        np.testing.assert_array_equal(span.weights(span.start())[: base.layout.n_weights], 0.0)


@pytest.mark.parametrize("case", [{"l2": 0.0}, {"l1": 0.1, "l2": 0.1}])
def test_needs_a_pure_ridge(make, case):
    with pytest.raises(ValueError, match="pure l2"):
        RowSpanProblem(make("logistic", **case))
