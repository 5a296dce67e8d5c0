"""The scikit-learn face of steepest; the only folder that imports scikit-learn.

Names are imported from their modules when they are first asked for.
"""

from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

if _TYPE_CHECKING:
    from steepest.estimators.elastic_net_cv import ElasticNetCV as ElasticNetCV
    from steepest.estimators.elastic_net_cv import LassoCV as LassoCV
    from steepest.estimators.general import LinearClassifier as LinearClassifier
    from steepest.estimators.general import LinearRegressor as LinearRegressor
    from steepest.estimators.least_squares import LinearRegression as LinearRegression
    from steepest.estimators.least_squares import Ridge as Ridge
    from steepest.estimators.logistic import LogisticRegression as LogisticRegression
    from steepest.estimators.logistic_cv import LogisticRegressionCV as LogisticRegressionCV
    from steepest.estimators.margin import LinearSVC as LinearSVC
    from steepest.estimators.margin_regression import LinearSVR as LinearSVR
    from steepest.estimators.multilabel import MultilabelSVM as MultilabelSVM
    from steepest.estimators.network import MLPClassifier as MLPClassifier
    from steepest.estimators.network_regression import MLPRegressor as MLPRegressor
    from steepest.estimators.path import RegularizationPath as RegularizationPath
    from steepest.estimators.path import regularization_path as regularization_path
    from steepest.estimators.perceptron import Perceptron as Perceptron
    from steepest.estimators.ranking import RankSVM as RankSVM
    from steepest.estimators.ridge_cv import RidgeCV as RidgeCV
    from steepest.estimators.sparse_regression import ElasticNet as ElasticNet
    from steepest.estimators.sparse_regression import Lasso as Lasso
    from steepest.estimators.stochastic import SGDClassifier as SGDClassifier
    from steepest.estimators.stochastic import SGDRegressor as SGDRegressor
    from steepest.estimators.structured import StructuredSVM as StructuredSVM
    from steepest.estimators.taxonomy import TaxonomySVM as TaxonomySVM
    from steepest.estimators.warnings import ConvergenceWarning as ConvergenceWarning

_HOMES = {
    "ConvergenceWarning": "steepest.estimators.warnings",
    "ElasticNet": "steepest.estimators.sparse_regression",
    "ElasticNetCV": "steepest.estimators.elastic_net_cv",
    "Lasso": "steepest.estimators.sparse_regression",
    "LassoCV": "steepest.estimators.elastic_net_cv",
    "LinearClassifier": "steepest.estimators.general",
    "LinearRegression": "steepest.estimators.least_squares",
    "LinearRegressor": "steepest.estimators.general",
    "LinearSVC": "steepest.estimators.margin",
    "LinearSVR": "steepest.estimators.margin_regression",
    "LogisticRegression": "steepest.estimators.logistic",
    "LogisticRegressionCV": "steepest.estimators.logistic_cv",
    "MLPClassifier": "steepest.estimators.network",
    "MLPRegressor": "steepest.estimators.network_regression",
    "MultilabelSVM": "steepest.estimators.multilabel",
    "Perceptron": "steepest.estimators.perceptron",
    "RankSVM": "steepest.estimators.ranking",
    "RegularizationPath": "steepest.estimators.path",
    "Ridge": "steepest.estimators.least_squares",
    "RidgeCV": "steepest.estimators.ridge_cv",
    "SGDClassifier": "steepest.estimators.stochastic",
    "SGDRegressor": "steepest.estimators.stochastic",
    "StructuredSVM": "steepest.estimators.structured",
    "TaxonomySVM": "steepest.estimators.taxonomy",
    "regularization_path": "steepest.estimators.path",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> _Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; estimators: {', '.join(sorted(_HOMES))}")
    from importlib import import_module

    from steepest.collector import resting
    from steepest.postponing import postponed

    with resting(), postponed():
        value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
