"""steepest in benchmark_logreg_l2: copy this file into the ``solvers`` folder of that benchmark.

Objective there: sum log(1 + exp(-y X beta)) + lmbd/2 |beta|^2.
The tolerance that benchopt lowers is steepest's own: the relative suboptimality to be proven.
"""

import numpy as np
from benchopt import BaseSolver

from steepest import LogisticRegression


class Solver(BaseSolver):
    """L2 logistic regression."""

    name = "steepest"
    sampling_strategy = "tolerance"
    requirements = ["pip::steepest"]
    parameters = {"n_jobs": [1, 2]}

    def set_objective(self, X, y, lmbd, fit_intercept=False):
        self.X, self.y, self.fit_intercept = X, y, fit_intercept
        self.model = LogisticRegression(
            C=1 / lmbd,
            fit_intercept=fit_intercept,
            n_jobs=self.n_jobs,
            on_unconverged="ignore",
        )

    def skip(self, X, y, lmbd, fit_intercept=False):
        if not lmbd > 0:
            return True, f"steepest's LogisticRegression needs lmbd > 0, got {lmbd}"
        return False, None

    def warm_up(self):
        self.run_once(stop_val=1e-1)

    def run(self, tolerance):
        if not np.isfinite(tolerance):  # benchopt's first point: the start
            self.beta = np.zeros(self.X.shape[1] + self.fit_intercept)
            return
        self.model.set_params(tol=tolerance).fit(self.X, self.y)
        self.beta = self.model.coef_.ravel()
        if self.fit_intercept:
            self.beta = np.append(self.beta, self.model.intercept_)

    def get_result(self):
        return {"beta": self.beta}
