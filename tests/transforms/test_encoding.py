"""TableEncoder: the same numbers as scikit-learn's transformers, from tables of any make."""

from __future__ import annotations

import datetime
import math
import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from steepest import LogisticRegression, TableEncoder, load, save
from steepest.exceptions import DataError, InvalidParameterError
from steepest.readers import Layout, read_table
from steepest.transforms.encoding import UnseenDataWarning

N = 300


def made(seed=0, n=N):
    """A frame with every kind of column and missing values in each."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": rng.integers(17, 90, n).astype(float),
            "work": rng.choice(["private", "state", "own"], n),
            "gain": rng.exponential(1000.0, n),
            "flag": rng.integers(0, 2, n),
            "town": rng.choice(list("abcdefgh"), n),
        }
    )
    for name in ("age", "work", "gain"):
        frame.loc[rng.random(n) < 0.1, name] = None
    return frame


FRAME = made()
MAKES = {
    "pandas": lambda frame: frame,
    "pandas categories": lambda frame: frame.astype({"work": "category", "town": "category"}),
    "pandas objects": lambda frame: frame.astype({"work": object, "town": object, "age": object}),
    "pandas, reordered": lambda frame: frame[["town", "flag", "gain", "age", "work"]],
    "polars": pl.from_pandas,
    "polars categories": lambda frame: pl.from_pandas(frame).with_columns(pl.col("work", "town").cast(pl.Categorical)),
    "arrow": pa.Table.from_pandas,
}


def scikit_learn(frame):
    """The encoding spelled with scikit-learn's parts, with the columns in our order."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    levels = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="~missing"), OneHotEncoder(handle_unknown="ignore")
    )
    parts = [
        ("age", numbers, ["age"]),
        ("work", levels, ["work"]),
        ("gain", numbers, ["gain"]),
        ("flag", "passthrough", ["flag"]),
        ("town", levels, ["town"]),
    ]
    frame = frame.assign(work=frame["work"].astype(object).where(frame["work"].notna(), np.nan))
    return ColumnTransformer(parts, sparse_threshold=0.0).fit(frame)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("make", MAKES)
def test_agrees_with_scikit_learn(make, sparse):
    expected = scikit_learn(FRAME).transform(FRAME)
    encoder = TableEncoder(sparse=sparse).fit(FRAME)
    Z = encoder.transform(MAKES[make](FRAME))
    assert sp.issparse(Z) == sparse
    assert Z.dtype == np.float64
    np.testing.assert_allclose(Z.toarray() if sparse else Z, expected, rtol=1e-12, atol=1e-12)
    names = ["age", "work=own", "work=private", "work=state", "work=missing", "gain", "flag"]
    assert encoder.get_feature_names_out().tolist() == names + [f"town={t}" for t in "abcdefgh"]


NUMBERS = st.one_of(
    st.none(), st.floats(-1e6, 1e6).map(lambda v: round(v, 3)), st.sampled_from([0.0, 1.0, -1.0, 1e9, 1e-9])
)
WORDS = st.one_of(st.none(), st.text("abyzé漢=;\"'", min_size=1, max_size=3))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(NUMBERS, WORDS, NUMBERS, WORDS), min_size=2, max_size=25),
    st.lists(st.tuples(NUMBERS, WORDS, NUMBERS, WORDS), min_size=1, max_size=10),
    st.sampled_from(["median", "mean"]),
    st.booleans(),
)
def test_any_table_agrees_with_scikit_learn(train, new, impute, sparse):
    names = ["n", "w", "m", "v"]
    kinds = {"n": float, "w": object, "m": float, "v": object}
    frame, other = (pd.DataFrame(rows, columns=names).astype(kinds) for rows in (train, new))
    encoder = TableEncoder(impute=impute, sparse=sparse, handle_unknown="ignore")
    if all(frame[name].nunique(dropna=name in ("n", "m")) < 2 for name in names):
        with pytest.raises(DataError, match="no column varies"):
            encoder.fit(frame)
        return
    encoder.fit(frame)
    parts = []
    for k, name in enumerate(names):
        if name in encoder.dropped_:
            assert frame[name].nunique() < 2
        elif encoder.kinds_[k] != "category":
            plain = set(frame[name].dropna()) == {0.0, 1.0}
            scaled = "passthrough" if plain else StandardScaler()
            parts.append((name, make_pipeline(SimpleImputer(strategy=impute), scaled), [name]))
        else:
            levels = list(encoder.levels_[k])
            assert set(levels) == set(frame[name].dropna())
            levels += ["~missing"] if frame[name].isna().any() else []
            hot = OneHotEncoder(categories=[levels], handle_unknown="ignore")
            fill = SimpleImputer(missing_values=None, strategy="constant", fill_value="~missing")
            parts.append((name, make_pipeline(fill, hot), [name]))
    theirs = ColumnTransformer(parts, sparse_threshold=0.0)
    frame, other = (part.where(part.notna() | part.dtypes.eq(float), None) for part in (frame, other))
    for part, expected in ((frame, theirs.fit_transform(frame)), (other, theirs.transform(other))):
        Z = encoder.transform(part)
        Z = Z.toarray() if sparse else Z
        np.testing.assert_allclose(Z, expected, rtol=1e-9, atol=1e-9 * (1.0 + np.abs(expected).max()))


@pytest.mark.parametrize("make", MAKES)
def test_fits_the_same_from_every_make(make):
    if "reordered" in make:
        pytest.skip("the order of the fit is the order of the result")
    table = MAKES[make](FRAME)
    encoder = TableEncoder().fit(table)
    assert encoder.kinds_ == ["number", "category", "number", "number", "category"]
    np.testing.assert_allclose(encoder.transform(table), TableEncoder().fit_transform(FRAME), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("rows", [1, 8191, 8192, 8193, 20_000])
def test_batches_join_without_a_seam(rows):
    frame = made(1, rows)
    encoder = TableEncoder(sparse=False).fit(FRAME)
    whole = encoder.transform(frame)
    middle = rows // 2
    parts = [encoder.transform(part) for part in (frame.iloc[:middle], frame.iloc[middle:]) if len(part)]
    assert np.array_equal(whole, np.vstack(parts))
    compressed = TableEncoder(sparse=True).fit(FRAME).transform(frame)
    assert np.array_equal(compressed.toarray(), whole)
    assert compressed.has_sorted_indices
    assert np.count_nonzero(compressed.data) == compressed.nnz
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    pieces = pa.concat_tables([arrow[:middle], arrow[middle : middle + 5], arrow[middle + 5 :]])
    assert np.array_equal(encoder.transform(pieces), whole)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(-1e6, 1e6)), st.one_of(st.none(), st.sampled_from(["a", " b", "c ", "?"]))
        ),
        min_size=2,
        max_size=30,
    )
)
def test_columns_are_centred_and_rows_have_one_level(cells):
    half = (np.arange(len(cells)) % 2).tolist()
    numbers = pd.Series([x for x, _ in cells], dtype=float)
    frame = pd.DataFrame({"x": numbers, "c": [c for _, c in cells], "k": half})
    encoder = TableEncoder(sparse=False).fit(frame)
    Z = encoder.transform(frame)
    assert np.isfinite(Z).all()
    names = encoder.get_feature_names_out().tolist()
    known = numbers.dropna()
    if "x" in names and not known.isin([0.0, 1.0]).all() and np.ptp(known) > 1e-6 * known.abs().max():
        assert abs(Z[:, names.index("x")].mean()) < 1e-6
        assert Z[:, names.index("x")].std() == pytest.approx(1.0, rel=1e-6)
    levels = [j for j, name in enumerate(names) if name.startswith("c=")]
    assert not levels or np.all(Z[:, levels].sum(axis=1) == 1.0)
    assert ("c" in encoder.dropped_) == (not levels)


def test_unseen_levels_are_zeros_counted_and_named():
    encoder = TableEncoder().fit(FRAME)
    other = FRAME.assign(town=["z"] * 3 + ["q"] + ["a"] * (N - 4))
    with pytest.warns(UnseenDataWarning, match=r"column 'town': 4 of 300 rows .*: 'z' \(3\), 'q' \(1\); .* as zeros"):
        Z = encoder.transform(other)
    assert np.array_equal(Z[:4, -8:], np.zeros((4, 8)))
    encoder.set_params(handle_unknown="error")
    with pytest.raises(DataError, match=r"column 'town': 4 of 300 rows"):
        encoder.transform(other)
    encoder.set_params(handle_unknown="ignore")
    assert np.array_equal(encoder.transform(other), Z)


def test_missing_where_the_fit_had_none():
    encoder = TableEncoder().fit(FRAME)
    with pytest.warns(UnseenDataWarning, match=r"column 'town': 300 of 300 rows .*missing \(300\)"):
        Z = encoder.transform(FRAME.assign(town=None, flag=math.nan))
    assert not Z[:, -8:].any()
    assert np.array_equal(np.unique(Z[:, 6]), [FRAME["flag"].median()])


def test_most_frequent_instead_of_a_level_of_its_own():
    encoder = TableEncoder(missing="most_frequent", impute="mean").fit(FRAME)
    assert "work=missing" not in encoder.get_feature_names_out()
    Z = encoder.transform(FRAME)
    gone = FRAME["work"].isna().to_numpy()
    often = FRAME["work"].mode()[0]
    at = encoder.get_feature_names_out().tolist().index(f"work={often}")
    assert Z[gone, at].all()
    assert encoder.fill_[0] == pytest.approx(FRAME["age"].mean())


def test_many_levels():
    words = [f"w{k}" for k in range(30) for _ in range(30 - k)]
    frame = pd.DataFrame({"word": words, "id": [f"row {k}" for k in range(len(words))], "x": range(len(words))})
    encoder = TableEncoder(max_levels=5).fit(frame)
    names = encoder.get_feature_names_out().tolist()
    assert names == ["word=w0", "word=w1", "word=w2", "word=w3", "word=infrequent", "x"]
    assert "like names or numbers of rows" in encoder.dropped_["id"]
    assert any("the 26 rarest of 30 levels share one feature" in note for note in encoder.notes_)
    row = pd.DataFrame({"word": ["w29", "never seen"], "id": ["", ""], "x": [0, 0]})
    with pytest.warns(UnseenDataWarning, match=r"'never seen' \(1\); they are encoded as infrequent"):
        Z = encoder.transform(row)
    assert (Z.toarray() if sp.issparse(Z) else Z)[:, 4].tolist() == [1.0, 1.0]


def test_levels_that_are_called_like_our_own_words():
    frame = pd.DataFrame({"c": ["missing", "infrequent", None, "x"], "k": [1, 2, 3, 4]})
    names = TableEncoder().fit(frame).get_feature_names_out().tolist()
    assert names == ["c=infrequent", "c=missing", "c=x", "c=(missing)", "k"]


def test_constant_and_empty_columns_are_left_out_and_noted():
    frame = FRAME.assign(one=7.0, near=np.nextafter(0.3, np.arange(N) % 2), same="x", none=math.nan, nothing=None)
    encoder = TableEncoder().fit(frame)
    assert encoder.dropped_ == {
        "one": "every value is 7",
        "near": "every value is 0.3 up to rounding",
        "same": "every value is 'x'",
        "none": "every value is missing",
        "nothing": "every value is missing",
    }
    assert "left out: one (every value is 7)" in encoder.notes_[-1]
    np.testing.assert_array_equal(encoder.transform(frame), TableEncoder().fit_transform(FRAME))
    with pytest.raises(DataError, match="no column varies"):
        TableEncoder().fit(frame[["one", "none"]])


def test_missing_columns_are_named_and_extra_ones_ignored():
    encoder = TableEncoder().fit(FRAME)
    with pytest.raises(DataError, match=r"lacks the column 'age' of the training data \(did you mean 'Age'\?\)"):
        encoder.transform(FRAME.rename(columns={"age": "Age"}))
    with pytest.raises(DataError, match="lacks 2 columns 'age', 'gain' of the training data"):
        encoder.transform(FRAME[["work", "flag", "town"]])
    with pytest.warns(UnseenDataWarning, match="columns that the fit has not seen are ignored: income"):
        Z = encoder.transform(FRAME.assign(income=1))
    assert np.array_equal(Z, encoder.transform(FRAME))


def test_kinds_follow_the_fit():
    encoder = TableEncoder().fit(FRAME)
    text = FRAME.assign(age=FRAME["age"].map(lambda age: "" if math.isnan(age) else f" {age} "))
    assert np.array_equal(encoder.transform(text), encoder.transform(FRAME))
    with pytest.raises(DataError, match="column 'age' held numbers in training, got the text 'old'"):
        encoder.transform(FRAME.assign(age="old"))
    codes = pd.DataFrame({"zip": [8001, 8002, 8001], "x": [1.0, 2.0, 4.0]})
    encoder = TableEncoder(categorical=["zip"]).fit(codes)
    assert encoder.get_feature_names_out().tolist() == ["zip=8001", "zip=8002", "x"]
    same = codes.assign(zip=["8001", "8002", "8001"])
    assert np.array_equal(encoder.transform(codes.astype(float)), encoder.transform(same))
    with pytest.raises(InvalidParameterError, match=r"no column is called 'zap' \(did you mean 'zip'"):
        TableEncoder(categorical=["zap"]).fit(codes)


def test_truth_and_dates():
    day = datetime.datetime(2020, 1, 1)
    frame = pd.DataFrame(
        {
            "ok": [True, False, True, False],
            "maybe": [True, None, False, True],
            "when": [day, day + datetime.timedelta(days=2), None, day + datetime.timedelta(hours=12)],
        }
    )
    encoder = TableEncoder(numbers="keep").fit(frame)
    assert encoder.kinds_ == ["boolean", "boolean", "date"]
    expected = [[1, 1, 18262], [0, 1, 18264], [1, 0, 18262.5], [0, 1, 18262.5]]
    assert encoder.transform(frame).tolist() == expected
    assert encoder.transform(pl.from_pandas(frame)).tolist() == expected
    assert encoder.transform(frame.assign(ok=["true", "FALSE", "1", "0"])).tolist() == expected
    zoned = frame.assign(when=frame["when"].dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo"))
    assert encoder.transform(zoned).tolist() == expected


def test_layout_of_a_file_is_kept(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,y\n1,x,0\n2,z,1\n")
    table = read_table(tmp_path / "t.csv")
    pipe = make_pipeline(TableEncoder(), LogisticRegression()).fit(table, table.y())
    save(pipe, tmp_path / "model.skops")
    again = load(tmp_path / "model.skops")
    assert Layout.from_dict(again[0].layout_) == table.layout
    assert np.array_equal(again.predict(table), pipe.predict(table))
    assert TableEncoder().fit(FRAME).layout_ is None


def test_sparse_where_it_pays():
    rng = np.random.default_rng(0)
    wide = pd.DataFrame({"c": rng.choice([f"l{k}" for k in range(20)], N), "x": rng.standard_normal(N)})
    assert sp.issparse(TableEncoder().fit_transform(wide))
    assert not sp.issparse(TableEncoder().fit_transform(FRAME[["age", "gain"]]))
    assert not sp.issparse(TableEncoder(density=0.01).fit_transform(wide))
    zeros = pd.DataFrame(
        sp.random_array((N, 30), density=0.05, rng=rng, data_sampler=lambda size: np.ones(size)).toarray()
    )
    Z = TableEncoder().fit_transform(zeros)
    assert Z.nnz == np.count_nonzero(zeros)


def test_infinity_is_named():
    frame = FRAME.assign(gain=[*FRAME["gain"][:-1], math.inf])
    with pytest.raises(DataError, match="column 'gain' contains infinity in row 300"):
        TableEncoder().fit(frame)
    with pytest.raises(DataError, match="column 'gain' contains infinity in row 300"):
        TableEncoder().fit(FRAME).transform(frame)


def test_hard_numbers_stay_finite():
    frame = pd.DataFrame(
        {"big": [1e300, -1e300, 5e299], "small": [1e-300, 3e-300, 2e-300], "far": [1e15, 1e15 + 1, 1e15 + 2]}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Z = TableEncoder().fit_transform(frame)
    assert np.isfinite(Z).all()
    assert np.abs(Z).max() < 3.0
    assert np.ptp(Z, axis=0).min() > 0.5


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("numbers", "scale"), ("impute", "mode"), ("missing", "drop"), ("handle_unknown", "use"), ("sparse", "yes"),
     ("max_levels", 1), ("density", 2.0)],
)  # fmt: skip
def test_parameters_are_checked(parameter, value):
    with pytest.raises(InvalidParameterError, match=f"{parameter} must be"):
        TableEncoder(**{parameter: value}).fit(FRAME)


def test_travels_with_a_model(tmp_path):
    y = np.where(FRAME["gain"].fillna(0) + 100 * (FRAME["work"] == "own") > 700, "rich", "poor")
    pipe = make_pipeline(TableEncoder(), LogisticRegression()).fit(FRAME, y)
    assert pipe.score(FRAME, y) > 0.9
    save(pipe, tmp_path / "model.skops")
    again = load(tmp_path / "model.skops")
    for other in (again, pickle.loads(pickle.dumps(pipe)), clone(pipe).fit(FRAME, y)):
        for make in MAKES.values():
            assert np.array_equal(other.predict(make(FRAME)), pipe.predict(FRAME))
    named = pipe[:-1].set_params(tableencoder__sparse=False).set_output(transform="pandas").fit(FRAME).transform(FRAME)
    assert named.columns[0] == "age"
    assert named.index.equals(FRAME.index)


@parametrize_with_checks([TableEncoder(), TableEncoder(sparse=True, numbers="keep")])
def test_scikit_learn_conventions(estimator, check):
    check(estimator)
