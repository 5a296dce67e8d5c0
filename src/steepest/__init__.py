"""steepest: linear models trained by gradient methods, with a certificate of how good the result is.

Public names are imported from their modules when they are first asked for, so ``import steepest`` itself
loads neither Numba nor scikit-learn.

Examples
--------
>>> import steepest
>>> steepest.Status.CERTIFIED
<Status.CERTIFIED: 'certified'>
"""

from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

if _TYPE_CHECKING:
    from steepest import exceptions as exceptions
    from steepest import functions as functions
    from steepest import losses as losses
    from steepest import metrics as metrics
    from steepest import networks as networks
    from steepest import penalties as penalties
    from steepest import structured as structured
    from steepest.analysis import check_convexity as check_convexity
    from steepest.analysis import check_gradient as check_gradient
    from steepest.analysis import classify_point as classify_point
    from steepest.analysis import estimate_smoothness as estimate_smoothness
    from steepest.estimators import ElasticNet as ElasticNet
    from steepest.estimators import ElasticNetCV as ElasticNetCV
    from steepest.estimators import Lasso as Lasso
    from steepest.estimators import LassoCV as LassoCV
    from steepest.estimators import LinearClassifier as LinearClassifier
    from steepest.estimators import LinearRegression as LinearRegression
    from steepest.estimators import LinearRegressor as LinearRegressor
    from steepest.estimators import LinearSVC as LinearSVC
    from steepest.estimators import LinearSVR as LinearSVR
    from steepest.estimators import LogisticRegression as LogisticRegression
    from steepest.estimators import LogisticRegressionCV as LogisticRegressionCV
    from steepest.estimators import MLPClassifier as MLPClassifier
    from steepest.estimators import MLPRegressor as MLPRegressor
    from steepest.estimators import MultilabelSVM as MultilabelSVM
    from steepest.estimators import Perceptron as Perceptron
    from steepest.estimators import RankSVM as RankSVM
    from steepest.estimators import RegularizationPath as RegularizationPath
    from steepest.estimators import Ridge as Ridge
    from steepest.estimators import RidgeCV as RidgeCV
    from steepest.estimators import SGDClassifier as SGDClassifier
    from steepest.estimators import SGDRegressor as SGDRegressor
    from steepest.estimators import StructuredSVM as StructuredSVM
    from steepest.estimators import TaxonomySVM as TaxonomySVM
    from steepest.estimators import regularization_path as regularization_path
    from steepest.estimators.collecting import collect_certificates as collect_certificates
    from steepest.losses.checks import check_loss as check_loss
    from steepest.losses.divergences import cross_entropy as cross_entropy
    from steepest.losses.divergences import entropy as entropy
    from steepest.losses.divergences import kl_divergence as kl_divergence
    from steepest.losses.registry import get_loss as get_loss
    from steepest.losses.registry import scalar_loss as scalar_loss
    from steepest.networks.layers import Dense as Dense
    from steepest.optimize import Minimum as Minimum
    from steepest.optimize import minimize as minimize
    from steepest.persistence.store import load as load
    from steepest.persistence.store import save as save
    from steepest.problems.least_squares import LeastSquares as LeastSquares
    from steepest.protocols import Certificate as Certificate
    from steepest.protocols import Status as Status
    from steepest.racing.race import race as race
    from steepest.racing.result import Race as Race
    from steepest.record.adapters.mlflow import MLflow as MLflow
    from steepest.record.adapters.tensorboard import TensorBoard as TensorBoard
    from steepest.record.observers import observe as observe
    from steepest.report.display_coefficients import CoefficientDisplay as CoefficientDisplay
    from steepest.report.display_convergence import ConvergenceDisplay as ConvergenceDisplay
    from steepest.report.display_duals import DualDisplay as DualDisplay
    from steepest.report.display_first_layer import FirstLayerDisplay as FirstLayerDisplay
    from steepest.report.display_gradient_flow import GradientFlowDisplay as GradientFlowDisplay
    from steepest.report.display_landscape import LandscapeDisplay as LandscapeDisplay
    from steepest.report.display_margin import MarginDisplay as MarginDisplay
    from steepest.report.display_path import RegularizationPathDisplay as RegularizationPathDisplay
    from steepest.report.display_race import RaceDisplay as RaceDisplay
    from steepest.report.display_trajectory import TrajectoryDisplay as TrajectoryDisplay
    from steepest.report.html import write_report as write_report
    from steepest.transforms.augmentation import Augmenter as Augmenter
    from steepest.transforms.encoding import TableEncoder as TableEncoder
    from steepest.transforms.scaler import Scaler as Scaler
    from steepest.transforms.whitener import Whitener as Whitener
    from steepest.verification import Verification as Verification
    from steepest.verification import verify as verify

    __version__: str

# Where each public name lives; a name that is its module's own stands for the module.
_HOMES = {
    "Augmenter": "steepest.transforms.augmentation",
    "Certificate": "steepest.protocols",
    "CoefficientDisplay": "steepest.report.display_coefficients",
    "ConvergenceDisplay": "steepest.report.display_convergence",
    "Dense": "steepest.networks.layers",
    "DualDisplay": "steepest.report.display_duals",
    "ElasticNet": "steepest.estimators",
    "ElasticNetCV": "steepest.estimators",
    "FirstLayerDisplay": "steepest.report.display_first_layer",
    "GradientFlowDisplay": "steepest.report.display_gradient_flow",
    "LandscapeDisplay": "steepest.report.display_landscape",
    "Lasso": "steepest.estimators",
    "LassoCV": "steepest.estimators",
    "LeastSquares": "steepest.problems.least_squares",
    "LinearClassifier": "steepest.estimators",
    "LinearRegression": "steepest.estimators",
    "LinearRegressor": "steepest.estimators",
    "LinearSVC": "steepest.estimators",
    "LinearSVR": "steepest.estimators",
    "LogisticRegression": "steepest.estimators",
    "LogisticRegressionCV": "steepest.estimators",
    "MultilabelSVM": "steepest.estimators",
    "Perceptron": "steepest.estimators",
    "RankSVM": "steepest.estimators",
    "RegularizationPath": "steepest.estimators",
    "RegularizationPathDisplay": "steepest.report.display_path",
    "MLPClassifier": "steepest.estimators",
    "MLPRegressor": "steepest.estimators",
    "MarginDisplay": "steepest.report.display_margin",
    "MLflow": "steepest.record.adapters.mlflow",
    "Minimum": "steepest.optimize",
    "Race": "steepest.racing.result",
    "RaceDisplay": "steepest.report.display_race",
    "Ridge": "steepest.estimators",
    "RidgeCV": "steepest.estimators",
    "SGDClassifier": "steepest.estimators",
    "SGDRegressor": "steepest.estimators",
    "Scaler": "steepest.transforms.scaler",
    "Status": "steepest.protocols",
    "StructuredSVM": "steepest.estimators",
    "TaxonomySVM": "steepest.estimators",
    "TensorBoard": "steepest.record.adapters.tensorboard",
    "TableEncoder": "steepest.transforms.encoding",
    "TrajectoryDisplay": "steepest.report.display_trajectory",
    "Verification": "steepest.verification",
    "Whitener": "steepest.transforms.whitener",
    "check_convexity": "steepest.analysis",
    "check_gradient": "steepest.analysis",
    "check_loss": "steepest.losses.checks",
    "classify_point": "steepest.analysis",
    "collect_certificates": "steepest.estimators.collecting",
    "cross_entropy": "steepest.losses.divergences",
    "entropy": "steepest.losses.divergences",
    "estimate_smoothness": "steepest.analysis",
    "exceptions": "steepest.exceptions",
    "functions": "steepest.functions",
    "get_loss": "steepest.losses.registry",
    "kl_divergence": "steepest.losses.divergences",
    "load": "steepest.persistence.store",
    "losses": "steepest.losses",
    "metrics": "steepest.metrics",
    "minimize": "steepest.optimize",
    "networks": "steepest.networks",
    "observe": "steepest.record.observers",
    "penalties": "steepest.penalties",
    "race": "steepest.racing.race",
    "regularization_path": "steepest.estimators",
    "save": "steepest.persistence.store",
    "scalar_loss": "steepest.losses.registry",
    "structured": "steepest.structured",
    "verify": "steepest.verification",
    "write_report": "steepest.report.html",
}

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> _Any:
    if name == "__version__":
        from importlib.metadata import version

        value: _Any = version("steepest")
    elif name in _HOMES:
        from importlib import import_module

        from steepest.collector import resting
        from steepest.postponing import postponed

        home = _HOMES[name]
        with resting(), postponed():  # asking the module for the name may import more
            module = import_module(home)
            value = module if home == f"{__name__}.{name}" else getattr(module, name)
    else:
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}; public names: {', '.join(sorted(_HOMES))}"
        )
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, "__version__"})
