"""TensorBoard and MLflow: what is logged, under which name and step; one run a fit; factories without state.

The tools themselves are tried where they are installed; elsewhere stand-ins with the same methods write down the calls.
"""

from __future__ import annotations

import math
import pickle
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import steepest
from steepest import observe
from steepest.record.adapters import MLflow, TensorBoard
from steepest.record.adapters.scalars import LOGGED

X = np.random.default_rng(0).normal(size=(60, 3))
Y = X @ np.array([1.0, -2.0, 0.5]) + 1.0
TWO = Y > 1.0


def slow(**kwargs):
    return steepest.LogisticRegression(solver="gradient_descent", on_unconverged="ignore", **kwargs)


# ----------------------------------------------------------------------------------------------- stand-ins


class Writer:
    """tensorboardX.SummaryWriter, as far as it is used."""

    made: list[Writer] = []

    def __init__(self, logdir):
        self.logdir, self.scalars, self.texts, self.closed = logdir, [], {}, 0
        Writer.made.append(self)

    def add_scalar(self, tag, scalar_value, global_step=None):
        assert math.isfinite(scalar_value)
        self.scalars.append((tag, scalar_value, global_step))

    def add_text(self, tag, text_string, global_step=None):
        self.texts[tag] = text_string

    def close(self):
        self.closed += 1

    def curve(self, tag):
        return [value for name, value, _ in self.scalars if name == tag]


@pytest.fixture
def writers(monkeypatch):
    monkeypatch.setattr(Writer, "made", [])
    module = ModuleType("tensorboardX")
    module.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "tensorboardX", module)
    return Writer.made


class Client:
    """mlflow.tracking.MlflowClient, as far as it is used."""

    experiments: dict[str, str] = {}
    runs: list[SimpleNamespace] = []

    def __init__(self, tracking_uri=None):
        self.uri = tracking_uri

    def get_experiment_by_name(self, name):
        found = self.experiments.get(name)
        return None if found is None else SimpleNamespace(experiment_id=found)

    def create_experiment(self, name):
        assert name not in self.experiments
        self.experiments[name] = str(len(self.experiments))
        return self.experiments[name]

    def create_run(self, experiment_id, tags=None, run_name=None):
        run = SimpleNamespace(info=SimpleNamespace(run_id=f"run{len(self.runs)}"), tags=tags, name=run_name)
        run.experiment, run.params, run.metrics, run.status, run.uri = experiment_id, {}, [], None, self.uri
        self.runs.append(run)
        return run

    def _run(self, run_id):
        return next(run for run in self.runs if run.info.run_id == run_id)

    def log_param(self, run_id, key, value):
        self._run(run_id).params[key] = value

    def set_tag(self, run_id, key, value):
        self._run(run_id).tags[key] = value

    def log_batch(self, run_id, metrics=()):
        assert 0 < len(metrics) <= 1000
        assert all(math.isfinite(metric.value) for metric in metrics)
        self._run(run_id).metrics += metrics

    def set_terminated(self, run_id, status=None):
        self._run(run_id).status = status


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(Client, "experiments", {})
    monkeypatch.setattr(Client, "runs", [])
    mlflow, tracking, entities = ModuleType("mlflow"), ModuleType("mlflow.tracking"), ModuleType("mlflow.entities")
    tracking.MlflowClient = Client
    entities.Metric = lambda key, value, timestamp, step: SimpleNamespace(
        key=key, value=value, timestamp=timestamp, step=step
    )
    mlflow.tracking, mlflow.entities, mlflow.active_run = tracking, entities, lambda: None
    for name, module in (("mlflow", mlflow), ("mlflow.tracking", tracking), ("mlflow.entities", entities)):
        monkeypatch.setitem(sys.modules, name, module)
    return SimpleNamespace(runs=Client.runs, experiments=Client.experiments, mlflow=mlflow)


def finite(model, column):
    values = model.history_[column]
    return values[np.isfinite(values)].tolist()


# --------------------------------------------------------------------------------------------- TensorBoard


def test_curves_are_the_history(writers, tmp_path):
    with observe(TensorBoard(tmp_path / "runs")):
        model = slow().fit(X, TWO, X_val=X[:20], y_val=TWO[:20])
    (writer,) = writers
    assert writer.logdir == str(tmp_path / "runs" / "LogisticRegression-1")
    for column in LOGGED:
        assert writer.curve(column) == finite(model, column)
    assert len(writer.curve("validation_loss")) == len(model.history_)
    steps = [step for tag, _, step in writer.scalars if tag == "objective"]
    assert steps == list(range(len(model.history_)))
    assert writer.curve("certificate/relative_gap") == [model.certificate_.relative]
    assert writer.curve("certificate/passed") == [float(model.certificate_.passed)]
    assert model.certificate_.reason in writer.texts["certificate"]
    assert "solver: gradient_descent" in writer.texts["settings"]
    assert writer.closed == 1


def test_every_fit_and_every_target_has_a_folder(writers, tmp_path):
    with observe(TensorBoard(tmp_path)):
        steepest.Ridge().fit(X, Y)
        steepest.Ridge().fit(X, Y)
        steepest.Ridge(solver="gradient_descent").fit(X, np.c_[Y, 2 * Y])
    found = [writer.logdir.rsplit("/", 1)[1] for writer in writers]
    assert found == ["Ridge-1", "Ridge-2", "Ridge_target_0-1", "Ridge_target_1-1"]


def test_every_fifth_round(writers, tmp_path):
    with observe(TensorBoard(tmp_path, every=5)):
        model = slow(tol=1e-9).fit(X, TWO)
    assert len(model.history_) > 10
    assert writers[0].curve("objective") == model.history_["objective"][::5].tolist()
    with pytest.raises(ValueError, match="every"):
        TensorBoard(tmp_path, every=0)


def test_a_fit_that_fails_leaves_no_file_open(writers, tmp_path):
    def fail(row, w):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), observe(TensorBoard(tmp_path), fail):
        slow().fit(X, TWO)
    assert [writer.closed for writer in writers] == [1]


def test_a_missing_package_is_told_at_once(monkeypatch):
    for name in ("tensorboardX", "torch", "torch.utils.tensorboard", "mlflow"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match="pip install tensorboardX"):
        TensorBoard("runs")
    with pytest.raises(ImportError, match="pip install mlflow-skinny"):
        MLflow()


def test_factories_are_pickled(writers, server, tmp_path):
    for factory in (TensorBoard(tmp_path, every=3), MLflow("prices", tracking_uri="x", tags={"a": "b"})):
        again = pickle.loads(pickle.dumps(factory))
        assert vars(again) == vars(factory)
        assert again.observer() is not again.observer()


def test_coefficients_do_not_depend_on_being_watched(writers, server, tmp_path):
    alone = slow().fit(X, TWO)
    with observe(TensorBoard(tmp_path), MLflow()):
        watched = slow().fit(X, TWO)
    np.testing.assert_array_equal(alone.coef_, watched.coef_)


# -------------------------------------------------------------------------------------------------- MLflow


def test_metrics_are_the_history(server):
    with observe(MLflow("prices", tracking_uri="file:///x", tags={"team": "a"})):
        model = slow(tol=1e-9).fit(X, TWO)
        steepest.Ridge().fit(X, Y)
    first, second = server.runs
    assert server.experiments == {"prices": "0"}
    assert (first.name, second.name) == ("LogisticRegression", "Ridge")
    assert first.uri == "file:///x"
    assert first.params["solver"] == "gradient_descent"
    for column in LOGGED:
        assert [metric.value for metric in first.metrics if metric.key == column] == finite(model, column)
    steps = [metric.step for metric in first.metrics if metric.key == "objective"]
    assert steps == list(range(len(model.history_)))
    proven = {metric.key: metric.value for metric in first.metrics if metric.key.startswith("certificate")}
    assert proven["certificate_relative_gap"] == model.certificate_.relative
    assert first.tags["team"] == "a"
    assert first.tags["steepest.status"] == str(model.certificate_.status)
    assert [run.status for run in server.runs] == ["FINISHED", "FINISHED"]


def test_ends_of_runs(server):
    def stop(row, w):
        return row["iteration"] >= 2

    def fail(row, w):
        raise ZeroDivisionError

    with observe(MLflow(run_name="mine"), stop):
        slow(tol=1e-12).fit(X, TWO)
    with pytest.raises(ZeroDivisionError), observe(MLflow(), fail):
        slow().fit(X, TWO)
    assert [run.status for run in server.runs] == ["KILLED", "FAILED"]
    assert server.runs[0].name == "mine"


def test_runs_inside_a_run_are_its_children(server):
    server.mlflow.active_run = lambda: SimpleNamespace(info=SimpleNamespace(run_id="parent"))
    with observe(MLflow()):
        steepest.Ridge().fit(X, Y)
    assert server.runs[0].tags["mlflow.parentRunId"] == "parent"


# ------------------------------------------------------------------------------------------ the tools themselves


def test_event_files(tmp_path):
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    from tensorboardX.event_file_writer import EventsWriter
    from tensorboardX.proto.event_pb2 import Event

    assert EventsWriter is not None
    with observe(TensorBoard(tmp_path)):
        model = slow().fit(X, TWO)
    (path,) = (tmp_path / "LogisticRegression-1").iterdir()
    content, curve, place = path.read_bytes(), [], 0
    while place < len(content):  # length, its checksum, the event, its checksum
        size = int.from_bytes(content[place : place + 8], "little")
        event = Event.FromString(content[place + 12 : place + 12 + size])
        curve += [value.simple_value for value in event.summary.value if value.tag == "objective"]
        place += 16 + size
    np.testing.assert_allclose(curve, model.history_["objective"], rtol=1e-6)


@pytest.mark.filterwarnings("default")
def test_a_folder_of_mlflow(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = (tmp_path / "mlruns").as_uri()
    with observe(MLflow("prices", tracking_uri=uri)):
        model = slow().fit(X, TWO)
    client = mlflow.tracking.MlflowClient(tracking_uri=uri)
    (run,) = client.search_runs([client.get_experiment_by_name("prices").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["solver"] == "gradient_descent"
    curve = [metric.value for metric in client.get_metric_history(run.info.run_id, "objective")]
    assert curve == model.history_["objective"].tolist()
    assert run.data.metrics["certificate_relative_gap"] == model.certificate_.relative
