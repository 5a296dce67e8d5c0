"""What optimisation theory says about a function, from its values, gradients and Hessian-vector products."""

from steepest.analysis.convexity import Convexity, ConvexityTest, check_convexity
from steepest.analysis.gradient_check import GradientCheck, check_gradient
from steepest.analysis.landscape import Slices, Surface, level_sets, slices
from steepest.analysis.smoothness import Smoothness, estimate_smoothness
from steepest.analysis.stationarity import StationaryPoint, classify_point

__all__ = [
    "Convexity",
    "ConvexityTest",
    "GradientCheck",
    "Slices",
    "Smoothness",
    "StationaryPoint",
    "Surface",
    "check_convexity",
    "check_gradient",
    "classify_point",
    "estimate_smoothness",
    "level_sets",
    "slices",
]
