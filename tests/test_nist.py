"""Nonlinear regression as certified by NIST: 27 problems, two starts each."""

import os
from pathlib import Path

import numpy as np
import pytest
from nist import MODELS, read

import steepest
from steepest.protocols import Status

pytestmark = pytest.mark.skipif(
    "STEEPEST_DATA" not in os.environ, reason="STEEPEST_DATA does not name a folder of data sets"
)


@pytest.fixture(scope="module")
def problems():
    folder = Path(os.environ["STEEPEST_DATA"]) / "nist_strd"
    return {name: read(folder / f"{name}.dat") for name in MODELS}


def test_models_are_those_of_the_files(problems):
    assert len(problems) == 27
    for name, problem in problems.items():
        squares = float(np.sum(problem.residuals(problem.certified) ** 2))
        if name != "Lanczos1":  # its residuals are the rounding of its data
            assert squares == pytest.approx(problem.sum_of_squares, rel=1e-7), name
        J = problem.jacobian(problem.certified)
        for j, b in enumerate(problem.certified):
            h = 1e-5 * abs(b) * np.eye(len(problem.certified))[j]
            slope = (problem.residuals(problem.certified + h) - problem.residuals(problem.certified - h)) / (2 * h[j])
            np.testing.assert_allclose(J[:, j], slope, atol=1e-5 * np.abs(slope).max(), err_msg=name)


def test_six_digits_from_both_starts(problems):
    lines, reached, untruthful = [], 0, []
    for name, problem in problems.items():
        for start in problem.starts:
            fun = steepest.LeastSquares(problem.residuals, problem.jacobian)
            found = steepest.minimize(fun, start)
            digits = problem.digits(found.x)
            reached += digits >= 6.0
            lines.append(f"{name:<10}{digits:6.1f} digits {found.nit:5d} rounds {found.status} {found.success}")
            if found.success != (digits >= 5.9) or (found.status is Status.APPROXIMATE) != found.success:
                untruthful.append(lines[-1])
    print("\n".join(lines))
    assert reached >= 50, "\n".join(lines)
    assert not untruthful


@pytest.mark.slow
def test_as_plain_functions_the_status_is_truthful(problems):
    """Without the residuals Newton's method meets other stationary points; it may not call a slope one."""
    reached = 0
    for name, problem in problems.items():
        for start in problem.starts:
            found = steepest.minimize(
                lambda b, p=problem: 0.5 * float(np.sum(p.residuals(b) ** 2)),
                start,
                grad=lambda b, p=problem: p.jacobian(b).T @ p.residuals(b),
                method="newton",
                tol=0.0,
                max_iter=3000,
                check_gradient=False,
            )
            reached += problem.digits(found.x) >= 6.0
            if found.success and problem.digits(found.x) < 6.0:
                # what it calls stationary is so to rounding, beside the curvature in each variable
                J, r = problem.jacobian(found.x), problem.residuals(found.x)
                norms = np.linalg.norm(J, axis=0)
                slope = np.max(np.abs(J.T @ r) / np.where(norms > 0.0, norms, 1.0)) / np.linalg.norm(r)
                assert slope < 1e-6, (name, slope)
    assert reached >= 40
