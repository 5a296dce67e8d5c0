"""Real tables as they are, from the file to a fitted model."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from steepest import LogisticRegression, Ridge, TableEncoder
from steepest.readers import Layout, is_table, read_table


def test_adult(data_folder):
    train = read_table(data_folder / "adult.data.gz")
    test = read_table(data_folder / "adult.test.gz", like=train.layout)
    assert (train.n_samples, test.n_samples) == (32_561, 16_281)
    assert list(train.layout.kinds.values()).count("number") == 6
    assert test.layout == train.layout
    assert "line 1 was skipped: '|1x3 Cross validator'" in test.notes
    assert "labels end in a dot, which is dropped" in test.notes
    counts = {str(label): int((train.y() == label).sum()) for label in np.unique(train.y())}
    assert counts == {"<=50K": 24_720, ">50K": 7_841}
    assert set(test.y()) == set(train.y())
    missing = np.zeros(train.n_samples, dtype=bool)
    for column in train.arrow.columns:
        missing |= column.is_null().to_numpy()
    assert missing.sum() == 2399
    encoder = TableEncoder().fit(train)
    assert Layout.from_dict(encoder.layout_) == train.layout
    data = train.dataset(encoder.transform(train), encoder.get_feature_names_out(), encoder.notes_)
    held = test.dataset(encoder.transform(test), encoder.get_feature_names_out())
    assert data.feature_name(1) == "column 2=Federal-gov"
    model = LogisticRegression().fit(data.X, data.y)
    assert model.certificate_.passed
    assert (model.predict(held.X) == held.y).mean() >= 0.85
    assert roc_auc_score(held.y == ">50K", model.decision_function(held.X)) >= 0.90


def test_housing(data_folder):
    table = read_table(data_folder / "housing.csv.gz", target="median_house_value")
    assert table.describe() == "20,640 rows x 9 columns (8 numeric, 1 categorical)"
    assert table.arrow.column("total_bedrooms").null_count == 207
    encoder = TableEncoder().fit(table)
    names = encoder.get_feature_names_out().tolist()
    assert names[-5:] == [f"ocean_proximity={w}" for w in ("<1H OCEAN", "INLAND", "ISLAND", "NEAR BAY", "NEAR OCEAN")]
    assert encoder.notes_ == ["total_bedrooms: 207 of 20,640 values are missing and become the median, 435"]
    model = Ridge().fit(encoder.transform(table), table.y())
    assert model.certificate_.passed
    assert model.score(encoder.transform(table), table.y()) == pytest.approx(0.645, abs=0.005)


def test_covtype(data_folder):
    table = read_table(data_folder / "covtype.first20000.data.gz", target=-1)
    assert table.describe() == "20,000 rows x 54 columns (54 numeric)"
    assert np.bincount(table.y())[1:].tolist() == [2942, 6022, 2160, 2160, 2396, 2160, 2160]
    encoder = TableEncoder().fit(table)
    assert list(encoder.dropped_) == ["column 21", "column 29"]
    model = LogisticRegression(C=0.1).fit(encoder.transform(table), table.y())
    assert model.certificate_.passed
    assert model.score(encoder.transform(table), table.y()) > 0.65


def test_libsvm_text_is_no_table(data_folder):
    assert is_table(data_folder / "adult.data.gz")
    assert not is_table(data_folder / "a9a.xz")
    assert not is_table(data_folder / "MQ2008" / "S1.txt.gz")
