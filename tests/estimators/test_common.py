"""scikit-learn's own conformance checks; those that stochastic steps cannot pass are named, with the reason."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from steepest import (
    ElasticNet,
    Lasso,
    LinearClassifier,
    LinearRegression,
    LinearRegressor,
    LinearSVC,
    LinearSVR,
    LogisticRegression,
    MLPClassifier,
    MLPRegressor,
    MultilabelSVM,
    Perceptron,
    Ridge,
    SGDClassifier,
    SGDRegressor,
    TaxonomySVM,
)
from steepest.losses import Huber

ESTIMATORS = [
    LinearRegression(),
    Ridge(),
    Lasso(),
    ElasticNet(),
    LogisticRegression(),
    LogisticRegression(l1_ratio=1.0),
    LogisticRegression(l1_ratio=0.5),
    LinearClassifier(),
    LinearClassifier("softmax"),
    LinearClassifier("squared_hinge", penalty="elasticnet", alpha=1e-2),
    LinearRegressor(),
    LinearRegressor(Huber(2.0)),
    LinearRegressor("poisson"),
    SGDClassifier(learning_rate="optimal", max_iter=30),
    SGDClassifier("log_loss", learning_rate="optimal", max_iter=30),
    SGDRegressor(max_iter=30),
    Perceptron(max_iter=30),
    LinearSVC(),
    LinearSVC(penalize_intercept=True),
    LinearSVC(multi_class="crammer_singer", tol=1e-12),
    LinearSVC(multi_class="weston_watkins", tol=1e-12),
    LinearSVR(),
    MultilabelSVM(tol=1e-6),
    TaxonomySVM(tol=1e-12),
    MLPClassifier(),
    MLPRegressor(),
]


def _expected(estimator: object) -> dict[str, str]:
    """Steps see rows one after the other: a row of weight 2 is another path than that row twice, to the same optimum.

    scikit-learn expects the same of its own estimators of these names.
    """
    if not isinstance(estimator, SGDClassifier | SGDRegressor | Perceptron):
        return {}
    why = "k rows of weight 1 are k steps, one of weight k is one"
    return dict.fromkeys(
        ("check_sample_weight_equivalence_on_dense_data", "check_sample_weight_equivalence_on_sparse_data"), why
    )


# scikit-learn warns of deprecated input on purpose in some checks, and of fits that a check cuts short
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=_expected)
def test_scikit_learn(estimator: object, check: object) -> None:
    check(estimator)  # type: ignore[operator]
