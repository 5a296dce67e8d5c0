"""scikit-learn's own conformance checks of the estimators with cross-validation, with no expected failure."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from steepest import ElasticNetCV, LassoCV, LogisticRegressionCV, RidgeCV

ESTIMATORS = [
    LassoCV(alphas=5, cv=3),
    ElasticNetCV(alphas=5, cv=3),
    RidgeCV(),
    RidgeCV(cv=3),
    LogisticRegressionCV(Cs=3, cv=3),
    LogisticRegressionCV(Cs=3, cv=3, l1_ratios=(0.0, 1.0), use_legacy_attributes=False),
]


# scikit-learn warns of deprecated input on purpose in some checks, and of fits that a check cuts short
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.filterwarnings("ignore:The least populated class:UserWarning")
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn(estimator: object, check: object) -> None:
    check(estimator)  # type: ignore[operator]
