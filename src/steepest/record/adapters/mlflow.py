"""Rounds as MLflow metrics."""

from __future__ import annotations

import time
from typing import Any

from steepest.protocols import Certificate, FloatArray, Status
from steepest.record.adapters.scalars import of_certificate, of_round

BATCH = 500  # metrics sent at once; the server takes at most 1000


def _mlflow() -> Any:
    try:
        import mlflow
        import mlflow.entities
        import mlflow.tracking
    except ImportError:
        raise ImportError("MLflow: the package mlflow is not installed. Run: pip install mlflow-skinny") from None
    return mlflow


class MLflow:
    """A factory of observers that log to an MLflow server or folder.

    Every fit is a run, and so is every target of a fit of several; inside ``mlflow.start_run()`` they are its children.

    Parameters
    ----------
    experiment : str, default="steepest"
        Made where it does not exist.
    tracking_uri : str or None, default=None
        None: where MLflow is set to log.
    run_name : str or None, default=None
        None: the estimator's name.
    tags : dict of str or None, default=None
    every : int, default=1
        Log each ``every``-th round.  The certificate is always logged.

    Examples
    --------
    >>> import steepest
    >>> from steepest.record.adapters import MLflow
    >>> with steepest.observe(MLflow("prices")):  # doctest: +SKIP
    ...     steepest.Ridge().fit(X, y)
    """

    def __init__(
        self,
        experiment: str = "steepest",
        *,
        tracking_uri: str | None = None,
        run_name: str | None = None,
        tags: dict[str, str] | None = None,
        every: int = 1,
    ) -> None:
        if every < 1:
            raise ValueError(f"every: expected a number of rounds >= 1, got {every}. Use 1 for every round.")
        _mlflow()  # a missing package is told before any work
        self.experiment = experiment
        self.tracking_uri = tracking_uri
        self.run_name = run_name
        self.tags = dict(tags or {})
        self.every = int(every)

    def observer(self) -> MLflowObserver:
        """An observer for one fit."""
        return MLflowObserver(self)


class MLflowObserver:
    """Logs the rounds of one fit; made by `MLflow`."""

    def __init__(self, settings: MLflow) -> None:
        self.settings = settings
        self.run_id: str | None = None
        self._client: Any = None
        self._waiting: list[Any] = []
        self._rounds = 0

    def begin(self, info: dict[str, Any]) -> None:
        """Opens a run."""
        self.close()
        mlflow, settings = _mlflow(), self.settings
        self._client = mlflow.tracking.MlflowClient(tracking_uri=settings.tracking_uri)
        found = self._client.get_experiment_by_name(settings.experiment)
        experiment = found.experiment_id if found is not None else self._client.create_experiment(settings.experiment)
        tags = dict(settings.tags)
        around = mlflow.active_run()
        if around is not None:
            tags["mlflow.parentRunId"] = around.info.run_id
        name = settings.run_name or str(info.get("title", "fit"))
        run = self._client.create_run(experiment, tags=tags, run_name=name)
        self.run_id, self._rounds = run.info.run_id, 0
        for key, value in info.items():
            self._client.log_param(self.run_id, key, value)

    def round(self, row: dict[str, float], w: FloatArray) -> None:
        """One value of every metric, sent in batches."""
        if self._rounds % self.settings.every == 0:
            self._add(of_round(row))
        self._rounds += 1

    def end(self, certificate: Certificate) -> None:
        """The certificate, and the end of the run."""
        self._rounds = max(self._rounds - 1, 0)
        self._add(of_certificate(certificate))
        self._flush()
        self._client.set_tag(self.run_id, "steepest.status", str(certificate.status))
        self._client.set_tag(self.run_id, "steepest.reason", certificate.reason)
        self._finish("KILLED" if certificate.status is Status.INTERRUPTED else "FINISHED")

    def close(self) -> None:
        """A run that never came to its end has failed; harmless after the end."""
        if self.run_id is not None:
            self._flush()
            self._finish("FAILED")

    def _add(self, values: dict[str, float]) -> None:
        metric = _mlflow().entities.Metric
        now = int(1000 * time.time())
        self._waiting += [metric(name, value, now, self._rounds) for name, value in values.items()]
        if len(self._waiting) >= BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._client.log_batch(self.run_id, metrics=self._waiting)
            self._waiting = []

    def _finish(self, status: str) -> None:
        self._client.set_terminated(self.run_id, status)
        self.run_id = None
