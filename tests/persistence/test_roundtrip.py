"""What comes back from a file is what went in: predictions bit for bit, the proof, the history, the settings."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from foreign_code import Doubled, TiltedSquare
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

import steepest
from steepest.data.orders import Cyclic
from steepest.exceptions import PersistenceError
from steepest.losses import Huber, Quantile, SquaredHinge
from steepest.networks.initializers import Normal
from steepest.networks.units import LeakyRelu, Maxout
from steepest.penalties import L2, ElasticNet
from steepest.persistence import describe, load, save
from steepest.protocols import Status
from steepest.rules import Adam
from steepest.solvers.schedules import Cosine

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
Y = X @ np.array([1.0, -2.0, 0.0, 0.5]) + 0.1 * RNG.normal(size=60)
COUNTS = RNG.poisson(np.exp(0.3 * X[:, 0])).astype(float)
TWO = Y > 0
THREE = np.array(["low", "middle", "high"])[np.digitize(Y, [-1.0, 1.0])]

CASES = {
    "ridge": (steepest.Ridge(alpha=0.3), X, Y),
    "ridge many targets": (steepest.Ridge(), X, np.c_[Y, 2 * Y + X[:, 0]]),
    "least squares": (steepest.LinearRegression(), X, Y),
    "lasso": (steepest.Lasso(alpha=0.1), X, Y),
    "elastic net, rows": (steepest.ElasticNet(alpha=0.1), sp.csr_array(X), Y),
    "logistic, booleans": (steepest.LogisticRegression(class_weight={True: 2.0, False: 1.0}), X, TWO),
    "logistic, names": (steepest.LogisticRegression(C=0.5), X, THREE),
    "logistic, float32": (steepest.LogisticRegression(), X.astype(np.float32), TWO.astype(np.int8)),
    "logistic, a seed": (steepest.LogisticRegression(random_state=3), X, TWO),
    "classifier, one-vs-rest": (steepest.LinearClassifier(SquaredHinge(), alpha=0.01), X, THREE),
    "classifier, a class": (steepest.LinearClassifier(SquaredHinge, alpha=0.01), X, TWO),
    "regressor, values": (steepest.LinearRegressor(Huber(0.5), penalty=ElasticNet(0.1, 0.2)), X, Y),
    "regressor, quantile": (steepest.LinearRegressor(Quantile(0.9), penalty=L2(0.1), on_unconverged="ignore"), X, Y),
    "regressor, counts": (steepest.LinearRegressor("poisson", alpha=0.1), X, COUNTS),
    "ridge, cross-validated": (steepest.RidgeCV(alphas=[0.1, 1.0, 10.0]), X, Y),
    "lasso, cross-validated": (steepest.LassoCV(alphas=5, cv=3), X, Y),
    "elastic net, cross-validated": (steepest.ElasticNetCV(alphas=5, cv=3), X, Y),
    "logistic, cross-validated": (steepest.LogisticRegressionCV(Cs=3, cv=3), X, TWO),
    "stopped by validation": (
        steepest.LogisticRegression(validation_fraction=0.3, patience=2, random_state=0, on_unconverged="ignore"),
        X,
        TWO,
    ),
    "warm start": (steepest.Lasso(alpha=0.01, warm_start=True), X, Y),
    "not certified": (steepest.LinearRegressor(alpha=0.0, max_iter=0, on_unconverged="ignore"), X, Y),
    "options": (steepest.LinearClassifier(solver="gradient_descent", solver_options={"line_search": "1/L"}), X, TWO),
    "stochastic": (
        steepest.SGDClassifier("log_loss", optimizer=Adam(0.8), learning_rate=Cosine(0.1, 500), max_iter=5, tol=None),
        X,
        THREE,
    ),
    "stochastic, numbers": (steepest.SGDRegressor(order=Cyclic(60), max_iter=5, tol=None), X, Y),
    "label sets": (steepest.MultilabelSVM(pairs=[(0, 1)], alpha=0.1), X, np.c_[TWO, X[:, :2] > 0].astype(int)),
    "label sets, one by one": (steepest.MultilabelSVM(alpha=0.1), X, np.c_[TWO, X[:, :2] > 0].astype(int)),
    "taxonomy": (steepest.TaxonomySVM({"low": "a", "middle": "a", "a": "r", "high": "r"}, alpha=0.1), X, THREE),
    "perceptron": (steepest.Perceptron(max_iter=5, tol=None), X, THREE),
    "network": (steepest.MLPClassifier((8,), max_iter=3, tol=None), X, THREE),
    "network, layers": (
        steepest.MLPClassifier(
            layers=[steepest.Dense(6, LeakyRelu(0.2), batch_norm=True, dropout=0.2), steepest.Dense(5, Maxout(3))],
            init=Normal(0.3),
            optimizer=Adam(0.8),
            learning_rate=Cosine(0.1, 500),
            scale="standard",
            dtype="float32",
            max_iter=3,
            tol=None,
        ),
        X,
        TWO,
    ),
    "network, a fixed layer, numbers": (
        steepest.MLPRegressor(
            [(1.0, "squared_error"), (0.1, Huber(0.5))],
            layers=[steepest.Dense(9, "tanh", trainable=False)],
            learning_rate="invscaling",
            optimizer="sgd",
            max_iter=3,
            tol=None,
        ),
        X,
        np.c_[Y, 2 * Y],
    ),
    "network, sets": (steepest.MLPClassifier((4,), max_iter=3, tol=None), X, np.c_[TWO, X[:, :2] > 0].astype(int)),
    "network, all rows": (steepest.MLPClassifier((4,), "tanh", solver="lbfgs", max_iter=3, tol=None), X, TWO),
}


def outputs(model, data):
    names = ("predict", "decision_function", "predict_proba")
    return [getattr(model, name)(data) for name in names if hasattr(model, name)]


def same(a, b):
    return len(a) == len(b) and all(
        np.asarray(u).tobytes() == np.asarray(v).tobytes() and u.dtype == v.dtype for u, v in zip(a, b, strict=True)
    )


@pytest.mark.parametrize("case", CASES)
def test_every_estimator(case, tmp_path):
    estimator, data, target = CASES[case]
    model = estimator.fit(data, target)
    before = repr(model.__dict__)
    again = load(save(model, tmp_path / "model.skops"))
    assert type(again) is type(model)
    assert same(outputs(model, data), outputs(again, data))
    assert repr(again.get_params()) == repr(model.get_params())
    assert repr(again.certificate_) == repr(model.certificate_)
    assert type(again.certificate_.status) is Status
    assert again.objective_ == model.objective_
    assert again.fit_record_.to_json() == model.fit_record_.to_json()
    for column, values in model.history_.to_dict().items():
        np.testing.assert_array_equal(again.history_[column], values)
    assert again.fit_record_.certificate is again.certificate_
    assert again.fit_record_.history is again.history_
    assert repr(model.__dict__) == before, "saving must not touch the model"


STEPS = {
    "standard": StandardScaler,
    "scaler": steepest.Scaler,
    "whitener": steepest.Whitener,
    "log": lambda: FunctionTransformer(np.cbrt),
    "columns": lambda: ColumnTransformer(
        [("a", StandardScaler(), [0, 2]), ("b", "passthrough", slice(3, 4)), ("c", "drop", [1])]
    ),
    "imputer": lambda: SimpleImputer(strategy="median"),
}
ENDS = [
    name
    for name in CASES
    if name not in ("regressor, counts", "not certified", "elastic net, rows", "stochastic, numbers")
]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(sorted(STEPS)), max_size=3).filter(lambda steps: "columns" not in steps[1:]),
    st.sampled_from(ENDS),
    st.booleans(),
    st.text(st.characters(codec="utf-8", exclude_categories=["C"], exclude_characters="/"), min_size=1, max_size=8),
)
@pytest.mark.filterwarnings("ignore::steepest.estimators.warnings.ConvergenceWarning")
def test_any_pipeline(tmp_path, steps, end, framed, name):
    estimator, data, target = CASES[end]
    data = pd.DataFrame(data, columns=[f"{name}{j}" for j in range(4)]) if framed else data
    model = make_pipeline(*(STEPS[step]() for step in steps), clone(estimator)).fit(data, target)
    path = tmp_path / f"{name.strip('. ') or 'model'}.skops"
    again = load(save(model, path))
    assert same(outputs(model, data), outputs(again, data))
    assert [type(step) for _, step in again.steps] == [type(step) for _, step in model.steps]
    assert again[-1].fit_record_.to_json() == model[-1].fit_record_.to_json()
    assert save(again, tmp_path / "again.skops").exists()
    assert same(outputs(again, data), outputs(load(tmp_path / "again.skops"), data))


@pytest.mark.parametrize("case", ["ridge", "logistic, names", "regressor, values"])
def test_the_model_lives_on(case, tmp_path):
    estimator, data, target = CASES[case]
    again = load(save(estimator.fit(data, target), tmp_path / "model.skops"))
    expected = again.coef_.copy()
    again.coef_ *= 2.0
    again.coef_ /= 2.0
    np.testing.assert_array_equal(again.coef_, expected)
    again.fit(data, target)
    np.testing.assert_array_equal(again.coef_, expected)
    save(again, tmp_path / "second.skops")


def test_no_pickle_is_used(tmp_path, monkeypatch):
    model = steepest.LogisticRegression().fit(X, THREE)

    def refuse(*args, **kwargs):
        raise AssertionError("a pickle was made or read")

    for name in ("dump", "dumps", "load", "loads", "Pickler", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    again = load(save(model, tmp_path / "model.skops"))
    assert same(outputs(model, X), outputs(again, X))


def test_a_table_with_its_encoders(tmp_path):
    frame = pd.DataFrame({"size": X[:, 0], "age": X[:, 1], "town": np.where(X[:, 2] > 0, "Ulm", "Bonn")})
    frame.loc[3, "age"] = np.nan
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["size", "age"]),
            ("words", OneHotEncoder(handle_unknown="ignore"), ["town"]),
        ]
    )
    model = make_pipeline(columns, steepest.LogisticRegression()).fit(frame, THREE)
    path = save(model, tmp_path / "model.skops")
    again = load(path)
    assert same(outputs(model, frame), outputs(again, frame))
    assert list(again[:-1].get_feature_names_out()) == list(model[:-1].get_feature_names_out())
    told = describe(path)
    assert told["steps"] == [
        ["columntransformer", "ColumnTransformer"],
        ["logisticregression", "LogisticRegression"],
    ]
    assert told["expects"] == {"n_features": 3, "feature_names": ["size", "age", "town"]}
    assert told["classes"] == ["high", "low", "middle"]


def test_a_table_with_our_encoder(tmp_path):
    frame = pd.DataFrame({"size": X[:, 0], "town": np.where(X[:, 2] > 0, "Ulm", "Bonn"), "rooms": COUNTS.astype(int)})
    frame.loc[3, "size"] = np.nan
    frame.loc[4, "town"] = None
    model = make_pipeline(steepest.TableEncoder(), steepest.LogisticRegression()).fit(frame, THREE)
    path = save(model, tmp_path / "model.skops")
    assert describe(path)["needs_trust"] == []
    again = load(path)
    assert same(outputs(model, frame), outputs(again, frame))
    assert list(again[0].get_feature_names_out()) == list(model[0].get_feature_names_out())


def test_text(tmp_path):
    texts = [f"{'good' if good else 'bad'} word{i % 7}" for i, good in enumerate(TWO)]
    model = make_pipeline(TfidfVectorizer(), steepest.LogisticRegression()).fit(texts, TWO)
    path = save(model, tmp_path / "model.skops")
    assert same(outputs(model, texts), outputs(load(path), texts))
    assert describe(path)["expects"]["n_features"] is None


def test_transformed_targets_and_ufuncs(tmp_path):
    inner = make_pipeline(FunctionTransformer(np.tanh), steepest.Ridge())
    model = TransformedTargetRegressor(inner, func=np.log1p, inverse_func=np.expm1).fit(X, COUNTS)
    again = load(save(model, tmp_path / "model.skops"))
    assert same(outputs(model, X), outputs(again, X))


@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
def test_random_states(make, tmp_path):
    model = steepest.LinearClassifier(random_state=make(3)).fit(X, TWO)
    again = load(save(model, tmp_path / "model.skops"))
    assert again.random_state.normal(size=3).tolist() == make(3).normal(size=3).tolist()


def test_standard_deviations(tmp_path):
    model = steepest.LinearRegression().fit(X, Y)
    again = load(save(model, tmp_path / "model.skops"))
    assert same(model.predict(X, return_std=True), again.predict(X, return_std=True))


def test_whitened(tmp_path):
    model = make_pipeline(steepest.Whitener(), steepest.Scaler(), steepest.Ridge()).fit(X, Y)
    again = load(save(model, tmp_path / "model.skops"))
    assert same(outputs(model, X), outputs(again, X))


def test_callbacks_stay_behind(tmp_path):
    model = steepest.Ridge().fit(X, Y)
    model._skl_callbacks = [open]
    again = load(save(model, tmp_path / "model.skops"))
    assert not hasattr(again, "_skl_callbacks")


def test_a_loss_of_the_user_needs_trust(tmp_path):
    model = steepest.LinearRegressor(TiltedSquare(3.0), alpha=0.1).fit(X, Y)
    path = save(model, tmp_path / "model.skops")
    assert describe(path)["needs_trust"] == ["foreign_code.TiltedSquare"]
    with pytest.raises(PersistenceError, match=r"foreign_code\.TiltedSquare.*trusted=\['foreign_code"):
        load(path)
    for trusted in ([TiltedSquare], ["foreign_code.TiltedSquare"]):
        again = load(path, trusted=trusted)
        assert again.loss == TiltedSquare(3.0)
        assert type(again.loss) is TiltedSquare
        assert same(outputs(model, X), outputs(again, X))
        np.testing.assert_allclose(again.fit(X, Y).coef_, model.coef_)


def test_a_transformer_of_the_user_needs_trust(tmp_path):
    model = make_pipeline(Doubled(), steepest.Ridge()).fit(X, Y)
    path = save(model, tmp_path / "model.skops")
    with pytest.raises(PersistenceError, match=r"foreign_code\.Doubled"):
        load(path)
    assert same(outputs(model, X), outputs(load(path, trusted=[Doubled]), X))


def test_what_cannot_be_found_again_is_not_stored(tmp_path):
    class Local(Doubled):
        pass

    with pytest.raises(PersistenceError, match="Local, which cannot be found again"):
        save(make_pipeline(Local(), steepest.Ridge()).fit(X, Y), tmp_path / "model.skops")
    with pytest.raises(PersistenceError, match="lambda"):
        save(make_pipeline(FunctionTransformer(lambda A: A), steepest.Ridge()).fit(X, Y), tmp_path / "model.skops")
    with pytest.raises(PersistenceError, match="MethodNode"):
        save(make_pipeline(FunctionTransformer(Doubled().transform), steepest.Ridge()).fit(X, Y), tmp_path / "m.skops")
    assert list(tmp_path.iterdir()) == []


def test_the_description_is_the_model(tmp_path):
    model = steepest.LogisticRegression().fit(X, THREE)
    told = describe(str(save(model, str(tmp_path / "model.skops"))))
    assert told["estimator"] == "LogisticRegression"
    assert told["coef_shape"] == [3, 4]
    assert told["expects"] == {"n_features": 4, "feature_names": None}
    assert told["objective"] == model.objective_
    assert told["certificate"]["relative"] == model.certificate_.relative
    assert told["record"]["data"]["n_samples"] == 60
    assert told["versions"]["steepest"] == steepest.__version__
    assert told["needs_trust"] == []


def test_a_failed_write_leaves_the_old_model(tmp_path, monkeypatch):
    path = save(steepest.Ridge(alpha=1.0).fit(X, Y), tmp_path / "model.skops")
    before = path.read_bytes()

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        save(steepest.Ridge(alpha=2.0).fit(X, Y), path)
    assert path.read_bytes() == before
    assert [entry.name for entry in Path(tmp_path).iterdir()] == ["model.skops"]
