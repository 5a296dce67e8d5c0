"""scikit-learn's callbacks (1.9 and later) see the rounds of a fit; the only place that knows their interface.

A fit is a task whose subtasks are its rounds, or, where there are several targets or classes against the rest, the
problems, each with its rounds.  A callback that asks to stop ends the fit like an observer that does.  Older versions
of scikit-learn have no callbacks, and estimators then have no ``set_callbacks``.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from steepest.estimators.jobs import Job, Solution
from steepest.protocols import Certificate, FloatArray
from steepest.record.observers import observe


class _Absent:
    """Nothing: the installed scikit-learn has no callbacks."""


class _Support:
    """scikit-learn's ``CallbackSupportMixin``, imported when it is first used: it loads rich, which few fits need."""

    def set_callbacks(self, *callbacks: Any) -> Any:
        """Set the callbacks that see the rounds of this estimator's fits; without any, none.

        Parameters
        ----------
        *callbacks : callbacks of scikit-learn
        """
        from sklearn.callback import CallbackSupportMixin

        return CallbackSupportMixin.set_callbacks(self, *callbacks)

    def _init_callback_context(self, **kwargs: Any) -> Any:
        from sklearn.callback import CallbackSupportMixin

        return CallbackSupportMixin._init_callback_context(self, **kwargs)


CallbackSupport: Any = _Support if importlib.util.find_spec("sklearn.callback") else _Absent

S = TypeVar("S", bound=Solution)


class Attributes:
    """Flat parameters of the jobs as the fitted attributes that a prediction needs."""

    def __init__(self, estimator: Any, jobs: Sequence[Job], data: Any) -> None:
        self.jobs, self.d = jobs, int(data.X.shape[1])
        self.intercept = bool(getattr(estimator, "fit_intercept", True))
        labels = getattr(data, "labels", None)
        self.classes = None if labels is None else labels.classes
        self.flat = labels is None and not getattr(data, "many", False)

    def __call__(self, weights: Sequence[FloatArray]) -> dict[str, Any] | None:
        """None where the parameters are in other coordinates than the features', or not those of all jobs."""
        k, d = self.jobs[0].n_outputs, self.d
        if len(weights) != len(self.jobs) or any(len(w) != k * (d + self.intercept) for w in weights):
            return None
        coef = np.concatenate([w[: d * k].reshape(d, k).T for w in weights])
        bias = np.concatenate([w[d * k :] for w in weights]) if self.intercept else np.zeros(len(coef))
        if self.flat:
            return {"coef_": coef[0], "intercept_": float(bias[0])}
        found = {"coef_": coef, "intercept_": bias}
        return found if self.classes is None else {**found, "classes_": self.classes}


class _Rounds:
    """An observer that opens and ends one subtask a round."""

    def __init__(self, root: Any, attributes: Any, given: dict[str, Any]) -> None:
        self.root, self.attributes, self.given = root, attributes, given
        self.several = len(attributes.jobs) > 1
        self.task: Any = None
        self.current: Any = None

    def begin(self, info: dict[str, Any]) -> None:
        """The task of a job, and its first round."""
        self.task = self.root
        if self.several:
            self.task = self.root.subcontext(task_name=str(info.get("title", "")), max_subtasks=None)
            self.task.call_on_fit_task_begin(**self.given)
        self._open()

    def _open(self) -> None:
        self.current = self.task.subcontext(task_name="round")
        self.current.call_on_fit_task_begin(**self.given)

    def round(self, row: dict[str, float], w: FloatArray) -> bool:
        """Ends the round, with a model that predicts as if the fit ended here, and opens the next."""
        made = self.attributes([w.copy()])
        stop = self.current.call_on_fit_task_end(**self.given, reconstruction_attributes=made)
        self._open()
        return bool(stop)

    def end(self, certificate: Certificate) -> None:
        """Ends the round that never came, as scikit-learn's own estimators do, and the task of a job."""
        self.current.call_on_fit_task_end(estimator=self.given["estimator"])
        if self.several:
            self.task.call_on_fit_task_end(**self.given)


def _watched(estimator: Any, given: dict[str, Any], attributes: Any, work: Callable[[], Any]) -> Any:
    many = len(attributes.jobs)
    root = estimator._init_callback_context(max_subtasks=many if many > 1 else None)
    given = {"estimator": estimator, **given}
    root.call_on_fit_task_begin(**given)
    with observe(_Rounds(root, attributes, given)):
        solution = work()
    root.call_on_fit_task_end(**given, reconstruction_attributes=attributes(solution.weights))
    return solution


def under_callbacks(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Any,
    jobs: Sequence[Job],
    data: Any,
    work: Callable[[], S],
    attributes: Any = None,
) -> S:
    """What ``work`` returns, seen by the callbacks of the estimator; without any, just that.

    Parameters
    ----------
    estimator : LinearModel
    X, y, sample_weight
        As given to ``fit``, for callbacks that ask for them.
    jobs : sequence of Job
    data
        Validated: ``X``, and ``labels.classes`` of a classifier or ``many`` of a regressor.
    work : callable
        Solves the jobs.
    attributes : callable, optional
        From parameters of the jobs to fitted attributes, with ``jobs``; by default those of a linear model.
    """
    if not getattr(estimator, "_skl_callbacks", None):
        return work()
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    given = {"X": X, "y": y, "metadata": metadata}
    from sklearn.callback import with_callbacks  # which calls their teardown, whatever happens

    watched = with_callbacks(_watched)
    return watched(estimator, given, attributes or Attributes(estimator, jobs, data), work)  # type: ignore[no-any-return]
