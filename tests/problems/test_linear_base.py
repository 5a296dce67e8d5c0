"""What linear problems with one and with several scores promise alike."""

import numpy as np
import pytest

from steepest.losses.registry import SCALAR_LOSSES, has, is_composed

SMOOTH = sorted(
    name
    for name, cls in SCALAR_LOSSES.items()
    if cls.__module__.startswith("steepest.") and not is_composed(cls) and cls.trainable and has(cls(), "curvature")
)
ALL = [*SMOOTH, "softmax"]


def test_every_smooth_loss_is_tested():
    assert {"logistic", "squared", "huber", "poisson", "exponential", "squared_hinge", "sigmoid"} <= set(SMOOTH)


@pytest.mark.parametrize("kind", ["dense", "csr"])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("name", ALL)
class TestDerivatives:
    def point(self, problem, seed=5):
        return 0.7 * np.random.default_rng(seed).standard_normal(problem.size)

    def test_gradient_is_the_derivative_of_the_value(self, name, intercept, kind, make, differences):
        problem = make(name, intercept=intercept, kind=kind)
        w = self.point(problem)
        numeric = differences(lambda v: problem.evaluate(v).value, w)
        np.testing.assert_allclose(problem.evaluate(w).gradient, numeric, atol=2e-8 * max(1.0, np.abs(numeric).max()))

    def test_hessian_product_is_the_derivative_of_the_gradient(self, name, intercept, kind, make):
        problem = make(name, intercept=intercept, kind=kind)
        w, v = self.point(problem), np.random.default_rng(6).standard_normal(problem.size)
        h = 1e-6
        numeric = (problem.evaluate(w + h * v).gradient - problem.evaluate(w - h * v).gradient) / (2.0 * h)
        got = problem.hvp(problem.evaluate(w), v)
        np.testing.assert_allclose(got, numeric, atol=2e-7 * max(1.0, np.abs(numeric).max()))

    def test_hessian_has_the_products_as_columns(self, name, intercept, kind, make):
        problem = make(name, intercept=intercept, kind=kind)
        at = problem.evaluate(self.point(problem))
        H = problem.hessian(at)
        columns = np.array([problem.hvp(at, e) for e in np.eye(problem.size)]).T
        np.testing.assert_allclose(H, columns, atol=1e-12 * max(1.0, np.abs(columns).max()))
        np.testing.assert_allclose(H, H.T, atol=1e-14)

    def test_ray_gives_value_and_slope_anywhere(self, name, intercept, kind, make):
        problem = make(name, intercept=intercept, kind=kind)
        w, d = self.point(problem), 0.5 * self.point(problem, 9)
        at = problem.evaluate(w)
        for ray in (problem.along(at, d), problem.along(at, d, problem.evaluate(w + d))):
            for t in (0.0, 0.3, 1.0, -0.5, 2.0):
                there = problem.evaluate(w + t * d)
                value, slope = ray.value_slope(t)
                assert value == pytest.approx(there.value, rel=1e-12)
                assert slope == pytest.approx(there.gradient @ d, rel=1e-9, abs=1e-11)
                assert ray.value(t) == value

    def test_completing_a_ray_is_an_evaluation(self, name, intercept, kind, make):
        problem = make(name, intercept=intercept, kind=kind)
        w, d = self.point(problem), self.point(problem, 9)
        at = problem.evaluate(w)
        completed, direct = problem.complete(problem.along(at, d), 0.4), problem.step(at, d, 0.4)
        np.testing.assert_allclose(completed.w, direct.w, rtol=1e-15)
        np.testing.assert_allclose(completed.gradient, direct.gradient, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(completed.scores, direct.scores, rtol=1e-12, atol=1e-13)
        assert completed.value == pytest.approx(direct.value, rel=1e-13)
        assert completed.loss == pytest.approx(direct.loss, rel=1e-13)


@pytest.mark.parametrize("name", ["logistic", "softmax"])
class TestData:
    def test_dense_and_sparse_agree(self, name, make):
        w = np.random.default_rng(0).standard_normal(make(name).size)
        a, b = (make(name, kind=kind).evaluate(w) for kind in ("dense", "csr"))
        assert a.value == pytest.approx(b.value, rel=1e-14)
        np.testing.assert_allclose(a.gradient, b.gradient, rtol=1e-12, atol=1e-14)

    def test_order_of_rows_and_columns_does_not_matter(self, name, make):
        problem = make(name, kind="dense")
        rng = np.random.default_rng(0)
        rows, columns = rng.permutation(40), rng.permutation(6)
        k = problem.layout.n_outputs
        other = make(name, kind="dense")
        X = problem.source.X[np.ix_(rows, columns)]
        other = type(problem)(
            type(problem.source)(np.ascontiguousarray(X), problem.source.pool),
            problem.y[rows], problem.p[rows], problem.loss, problem.penalty, True, *([k] if k > 1 else []),
        )  # fmt: skip
        w = rng.standard_normal(problem.size)
        W, b = w[: 6 * k].reshape(6, k), w[6 * k :]
        a, c = problem.evaluate(w), other.evaluate(np.concatenate([W[columns].ravel(), b]))
        assert a.value == pytest.approx(c.value, rel=1e-14)
        G = a.gradient[: 6 * k].reshape(6, k)[columns].ravel()
        np.testing.assert_allclose(c.gradient[: 6 * k], G, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(c.gradient[6 * k :], a.gradient[6 * k :], rtol=1e-12, atol=1e-14)

    def test_repeating_a_row_is_doubling_its_weight(self, name, make):
        problem = make(name, kind="dense", p=np.ones(40))
        k = problem.layout.n_outputs
        counts = np.random.default_rng(1).integers(0, 4, 40)
        build = lambda X, y, p: type(problem)(  # noqa: E731
            type(problem.source)(np.ascontiguousarray(X), problem.source.pool),
            y, p / p.sum(), problem.loss, problem.penalty, True, *([k] if k > 1 else []),
        )  # fmt: skip
        X, y = problem.source.X, problem.y
        weighted = build(X, y, counts.astype(float))
        repeated = build(np.repeat(X, counts, axis=0), np.repeat(y, counts), np.ones(counts.sum()))
        w = np.random.default_rng(2).standard_normal(problem.size)
        a, b = weighted.evaluate(w), repeated.evaluate(w)
        assert a.value == pytest.approx(b.value, rel=1e-13)
        np.testing.assert_allclose(a.gradient, b.gradient, rtol=1e-11, atol=1e-14)

    @pytest.mark.parametrize("kind", ["dense", "csr"])
    def test_threads_give_the_same_bits(self, name, kind, make):
        problems = [make(name, n=20_000, d=40, kind=kind, jobs=jobs) for jobs in (1, 2, 3)]
        w = 0.1 * np.random.default_rng(0).standard_normal(problems[0].size)
        v = np.random.default_rng(1).standard_normal(problems[0].size)
        assert len(problems[0].source.shards) > 1
        results = []
        for problem in problems:
            at = problem.evaluate(w)
            ray = problem.along(at, v)
            results.append(np.concatenate([[at.value, *ray.value_slope(0.1)], at.gradient, problem.hvp(at, v)]))
            problem.source.pool.close()
        np.testing.assert_array_equal(results[0], results[1])
        np.testing.assert_array_equal(results[0], results[2])

    def test_float32_data_are_summed_in_float64(self, name, make):
        w = np.random.default_rng(0).standard_normal(make(name).size)
        narrow = make(name, dtype=np.float32, n=3000)
        wide = make(name, n=3000)
        exact = type(wide.source)(narrow.source.X.astype(np.float64), wide.source.pool)
        wide.source = exact
        a, b = narrow.evaluate(w), wide.evaluate(w)
        assert a.value == pytest.approx(b.value, rel=1e-13)
        np.testing.assert_allclose(a.gradient, b.gradient, rtol=1e-10, atol=1e-14)


def test_rows_of_weight_zero_are_absent_even_with_infinite_loss(make):
    problem = make("exponential", l2=0.1)
    w = np.zeros(problem.size)
    w[0] = 1e5  # exp overflows in some rows
    bad = -problem.y * (problem.source.X @ w[:-1]) > 690.0
    assert bad.any()
    assert not np.isfinite(problem.evaluate(w).value)
    problem.p = np.where(bad, 0.0, 1.0) / np.sum(~bad)
    at = problem.evaluate(w)
    assert np.isfinite(at.value)
    assert np.isfinite(at.gradient).all()
    assert np.isfinite(problem.hvp(at, np.ones(problem.size))).all()
    assert np.isfinite(problem.hessian(at)).all()
    assert np.isfinite(problem.along(at, np.ones(problem.size)).value_slope(0.1)).all()


class TestTraits:
    def test_penalty_reaches_value_and_gradient_but_not_the_intercept(self, make):
        plain, ridge = make("squared", l2=0.0), make("squared", l2=0.3)
        w = np.random.default_rng(0).standard_normal(plain.size)
        a, b = plain.evaluate(w), ridge.evaluate(w)
        assert b.value - a.value == pytest.approx(0.15 * float(w[:-1] @ w[:-1]))
        np.testing.assert_allclose(b.gradient - a.gradient, np.append(0.3 * w[:-1], 0.0), atol=1e-14)

    def test_l1_is_in_the_value_and_not_in_the_gradient(self, make):
        plain, lasso = make("squared", l2=0.2), make("squared", l1=0.1, l2=0.2)
        w = np.random.default_rng(0).standard_normal(plain.size)
        a, b = plain.evaluate(w), lasso.evaluate(w)
        assert b.value - a.value == pytest.approx(0.1 * float(np.abs(w[:-1]).sum()))
        np.testing.assert_allclose(b.gradient, a.gradient, atol=1e-14)
        ray = lasso.along(b, w)
        assert ray.value_slope(0.5)[0] == pytest.approx(lasso.evaluate(1.5 * w).value)

    @pytest.mark.parametrize(
        ("name", "smooth", "quadratic", "convex"),
        [("squared", True, True, True), ("logistic", True, False, True), ("hinge", False, False, True),
         ("sigmoid", True, False, False), ("poisson", True, False, True), ("softmax", True, False, True)],
    )  # fmt: skip
    def test_facts(self, name, smooth, quadratic, convex, make):
        traits = make(name).traits
        assert (traits.smooth, traits.quadratic, traits.convex) == (smooth, quadratic, convex)

    def test_passes_are_counted(self, make):
        problem = make("logistic")
        at = problem.evaluate(problem.start())
        assert problem.passes == 1.0
        ray = problem.along(at, -at.gradient)
        assert problem.passes == 1.5
        ray.value_slope(1.0)
        assert problem.passes == 1.5
        problem.complete(ray, 1.0)
        assert problem.passes == 2.0
        problem.hvp(at, at.gradient)
        assert problem.passes == 3.0


def test_soft_labels_of_one_class_are_hard_labels(make):
    problem = make("softmax")
    w = np.random.default_rng(0).standard_normal(problem.size)
    soft = make("softmax")
    soft.y = np.eye(3)[problem.y]
    a, b = problem.evaluate(w), soft.evaluate(w)
    assert a.value == pytest.approx(b.value, rel=1e-14)
    np.testing.assert_allclose(a.gradient, b.gradient, atol=1e-14)
    np.testing.assert_allclose(problem.hessian(a), soft.hessian(b), atol=1e-14)


class TestBestShift:
    @pytest.mark.parametrize("name", ["logistic", "squared", "poisson", "softmax"])
    def test_no_other_intercept_is_better(self, name, make):
        problem = make(name)
        k = problem.layout.n_outputs
        w = np.random.default_rng(0).standard_normal(problem.size)
        w[-k:] = 0.0
        at = problem.evaluate(w)
        polished = problem.evaluate(problem.polish(w, at.scores))
        np.testing.assert_allclose(polished.gradient[-k:], 0.0, atol=1e-8)
        np.testing.assert_array_equal(polished.w[:-k], w[:-k])
        assert polished.value <= at.value

    @pytest.mark.parametrize("name", ["logistic", "poisson", "squared_hinge", "huber", "softmax"])
    @pytest.mark.parametrize("size", [1.0, 10.0, 50.0])
    def test_the_start_does_not_matter(self, name, size, make):
        """Steps that overshoot must not be taken for the end."""
        problem = make(name, intercept=True)
        k = problem.layout.n_outputs
        rng = np.random.default_rng(3)
        scores = size * rng.standard_normal((40, k) if k > 1 else 40)
        starts = [0.0, 3.0, -7.0] if k == 1 else [np.zeros(k), np.array([3.0, -2.0, -1.0]), np.array([-7.0, 0.0, 7.0])]
        found = [problem.best_shift(scores, start) for start in starts]
        for shift, value, slopes in found:
            assert value == pytest.approx(found[0][1], rel=1e-12)
            near = [problem.losses_at(scores + shift + e) for e in (1e-3, -1e-3)] if k == 1 else []
            assert all(value <= other * (1.0 + 1e-13) for other in near)
            np.testing.assert_allclose(problem.p @ slopes, 0.0, atol=1e-7 * size)
