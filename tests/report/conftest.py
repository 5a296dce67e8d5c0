from __future__ import annotations

import time

import numpy as np
import pytest

from steepest.protocols import Certificate, Status
from steepest.readers import Dataset, read_dataset
from steepest.readers.builtin import split
from steepest.record.history import History
from steepest.record.record import FitRecord


class Fitted:
    """A plain gradient descent on softmax or squared loss with an l2 term: real numbers for a report to show."""

    def __init__(self, data: Dataset, *, classify: bool, alpha: float = 1e-2, rounds: int = 60, tol: float = 1e-1):
        X, n = np.asarray(data.X), data.n_samples
        self.intercept_ = np.zeros(1)
        if classify:
            self.classes_ = np.unique(data.y)
            Y = (data.y[:, None] == self.classes_).astype(float)
        else:
            Y = np.asarray(data.y, dtype=float)[:, None]
        W = np.zeros((X.shape[1], Y.shape[1]))
        step = 1.0 / (np.linalg.norm(X, 2) ** 2 / n + alpha)
        history, start = History(), time.perf_counter()
        best = -np.inf
        for k in range(rounds + 1):
            Z = X @ W
            if classify:
                Z = Z - Z.max(axis=1, keepdims=True)
                P = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
                loss = -np.log(np.maximum((P * Y).sum(axis=1), 1e-300)).mean()
            else:
                P, loss = Z, 0.5 * ((Z - Y) ** 2).sum(axis=1).mean()
            gradient = X.T @ (P - Y) / n + alpha * W
            value = loss + alpha / 2 * (W**2).sum()
            gap = (gradient**2).sum() / (2 * alpha)
            best = max(best, value - gap)
            history.append(
                iteration=k,
                passes=k + 1.0,
                seconds=time.perf_counter() - start,
                objective=value,
                gap=gap,
                relative_gap=gap / max(best, 1e-300) if best > 0 else np.nan,
                gradient_norm=np.linalg.norm(gradient),
                step=step,
            )
            if k < rounds:
                W -= step * gradient
        self.coef_ = W.T if classify else W[:, 0]
        relative = gap / best if best > 0 else np.inf
        passed = bool(relative <= tol)
        certificate = Certificate(
            "strong_convexity",
            gap,
            relative,
            tol,
            passed,
            "suboptimality",
            value,
            best,
            Status.CERTIFIED if passed else Status.BUDGET,
            "" if passed else f"max_iter={rounds} rounds were used up",
        )
        self.history_, self.certificate_, self.n_iter_ = history, certificate, rounds
        self.fit_record_ = FitRecord(
            estimator="LinearClassifier" if classify else "LinearRegressor",
            objective=f"mean {'softmax' if classify else 'squared'} loss + {alpha:g}/2 |w|^2",
            parameters={"loss": "softmax" if classify else "squared", "penalty": "l2", "alpha": alpha, "tol": tol},
            data={"n_samples": n, "n_features": X.shape[1], "n_outputs": Y.shape[1], "dtype": str(X.dtype)},
            solver={"name": "gradient-descent", "why": "it was asked for", "expected": "", "options": {"step": step}},
            seconds={"total": time.perf_counter() - start, "solve": 0.01},
            passes=rounds + 1.0,
            iterations=rounds,
            certificate=certificate,
            history=history,
        )

    def predict(self, X):
        Z = np.asarray(X) @ np.atleast_2d(self.coef_).T
        return self.classes_[Z.argmax(axis=1)] if hasattr(self, "classes_") else Z[:, 0]


@pytest.fixture(scope="session")
def digits():
    train, test = split(read_dataset("digits"), stratify=True)
    return Fitted(train, classify=True, alpha=0.1, rounds=300), train, test


@pytest.fixture(scope="session")
def wine():
    """Scaled far apart on purpose, and out of rounds: not certified."""
    train, test = split(read_dataset("wine"), stratify=True)
    return Fitted(train, classify=True, alpha=1e-4, rounds=25, tol=1e-4), train, test


@pytest.fixture(scope="session")
def diabetes():
    train, test = split(read_dataset("diabetes"), stratify=False)
    return Fitted(train, classify=False, alpha=1e-3, rounds=40), train, test
