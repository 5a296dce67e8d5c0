"""Tables that are wrong: what is wrong is named, with its line where it has one."""

from __future__ import annotations

import gzip
import random
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from steepest.exceptions import DataError, InvalidParameterError
from steepest.readers import Layout, read_table

LIKE = Layout({"a": "number", "b": "category"}, "y", "category", header=True, columns=("a", "b", "y"))


def fails(tmp_path, content, *, name="t.csv", **options):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DataError) as caught:
        read_table(path, **options)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a,b,y\n1,2,0\n1,2\n3,4,1\n", "line 3: the row has 2 cells, expected 3, got '1,2'"),
        ("a,b,y\n1,2,0\n3,4,1\n1,2,3,4\n", "line 4: the row has 4 cells, expected 3, got '1,2,3,4'"),
        ('a,b,y\n1,"x",0\r\n\r\n1,2\r\n3,"z",1\r\n', "line 4: the row has 2 cells"),
        ('# one\na,b,y\n1,"x\nz",0\n1,2\n3,4,1\n', "line 5: the row has 2 cells"),
        ("a,b,y\n" + "1,2,0\n" * 500 + "1\n" + "1,2,0\n" * 500, "line 502: the row has 1 cells"),
        ('a,b,y\n1,"x,0\n1,2,0\n' + "3,4,1\n" * 50, 'line 2: a quote (") opens a cell here and none closes it'),
        ("a,b,y\n" + "3,4,1\n" * 50 + '1,"x,0\n' + "3,4,1\n" * 50, 'line 52: a quote (") opens a cell here'),
        ("a,b\n1,2,3\n4,5,6\n", "the header has 2 names and the rows have 3 cells"),
        (b"", "no rows; the file is empty"),
        ("\n \n\n", "no rows; the file is empty"),
        ("a,b,y\n", "no rows after the header"),
        ("# nothing\n", "no rows"),
        ("a\n1\n2\n", "one column ('a'), a table has a target and at least one feature"),
        ("1.0 2.0\n3.0 4.0\n", "separators tried are comma, semicolon, tab and bar"),
        (random.Random(0).randbytes(5000), "binary data (byte 0 at position"),
        (bytes(random.Random(0).choices(range(1, 256), k=5000)), "binary data"),
        ("x,y\n1,\n2,?\n", "no row has a value in the target column 'y'"),
        (b"a,b,y\n" + b"1,x,0\n" * 200 + b"1,\x81\xff,0\n", "neither UTF-8 nor cp1252"),
    ],
)
def test_what_is_wrong_and_where(tmp_path, content, words):
    for size in (600, 1 << 20):
        assert words in fails(tmp_path, content, block_size=size)


def test_target_and_options(tmp_path):
    content = "age,income\n1,2\n"
    assert "did you mean 'income'?" in fails(tmp_path, content, target="incme")
    assert "a position from 1 to 2, got '3'" in fails(tmp_path, content, target=3)
    assert "ignore: no column is called 'id'" in fails(tmp_path, content, ignore=["id"])
    assert "ignore: 'income' is the target" in fails(tmp_path, content, ignore=["income"])
    with pytest.raises(InvalidParameterError, match="header must be one of auto, yes, no"):
        read_table(tmp_path / "t.csv", header="maybe")
    with pytest.raises(DataError, match="the target 'when' holds dates"):
        (tmp_path / "d.csv").write_text("x,when\n1,2020-01-02\n")
        read_table(tmp_path / "d.csv").y()


def test_a_part_that_contradicts_the_first(tmp_path):
    for size in (20, 1 << 20):
        words = fails(tmp_path, "a,b,y\n1,x,0\n2,z,1\n\nu,z,1\n", like=LIKE, block_size=size)
        assert "line 5: column 'a' holds numbers in the train part, got 'u'" in words
    assert "has 4 columns without names, the train part has 2 or 3" in fails(tmp_path, "1,x,0,5\n2,z,1,5\n", like=LIKE)
    assert "has no column 'y', the target of the train part" in fails(tmp_path, "a,b\n1,x\n", like=LIKE)


@pytest.mark.parametrize("codec", ["gz", "zst"])
def test_damaged_compression(tmp_path, codec):
    content = b"a,b,y\n" + b"".join(b"%d,%d,0\n" % (k, k * k) for k in range(20_000))
    packed = gzip.compress(content) if codec == "gz" else pa.Codec("zstd").compress(content).to_pybytes()
    for block_size in (1000, 1 << 24):
        words = fails(tmp_path, packed[: len(packed) // 2], name=f"t.csv.{codec}", block_size=block_size)
        assert f"the {codec} data is truncated or damaged after" in words
    words = fails(tmp_path, b"a,b\n1,2\n", name=f"t.csv.{codec}")
    assert f"the name ends in .{codec}, but the file starts with" in words


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_table(tmp_path / "absent.csv")
    with pytest.raises(DataError, match="is a folder"):
        read_table(tmp_path)


def test_parquet(tmp_path):
    assert "no Parquet file (it starts with b'a,b" in fails(tmp_path, "a,b\n1,2\n", name="t.parquet")
    path = tmp_path / "u.parquet"
    pq.write_table(pa.table({"a": list(range(1000)), "y": [0.5] * 1000}), path)
    whole = path.read_bytes()
    assert "damaged" in fails(tmp_path, whole[: len(whole) // 2], name="t.parquet")
    pq.write_table(pa.table({"a": [[1], [2]], "y": [0, 1]}), path)
    with pytest.raises(DataError, match=r"column 'a' has the type list<.*ignore=\['a'\]"):
        read_table(path)
    assert "one column" in fails_ignoring(path)
    pq.write_table(pa.table({"a": pa.array([], pa.int64()), "y": pa.array([], pa.int64())}), path)
    with pytest.raises(DataError, match="no rows"):
        read_table(path)


def fails_ignoring(path):
    with pytest.raises(DataError) as caught:
        read_table(path, ignore=["a"])
    return str(caught.value)


def test_without_pyarrow(tmp_path, monkeypatch):
    (tmp_path / "t.csv").write_text("a,y\n1,0\n")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r'pip install "steepest\[arrow\]"'):
        read_table(tmp_path / "t.csv")
