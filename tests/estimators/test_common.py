"""scikit-learn's own conformance checks, with an empty list of expected failures."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from steepest import (
    ElasticNet,
    Lasso,
    LinearClassifier,
    LinearRegression,
    LinearRegressor,
    LogisticRegression,
    Ridge,
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
]


# scikit-learn warns of deprecated input on purpose in some checks, and of fits that a check cuts short
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn(estimator: object, check: object) -> None:
    check(estimator)  # type: ignore[operator]
