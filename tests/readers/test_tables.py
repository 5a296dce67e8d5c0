"""CSV of every sort becomes the columns that its author meant."""

from __future__ import annotations

import bz2
import csv
import gzip
import lzma
from itertools import pairwise

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest.readers import Layout, is_table, read_table
from steepest.readers.csv_dialect import MISSING
from steepest.transforms import frames

ROWS = [{"a": 1, "b": "x"}, {"a": 2, "b": "z"}]


@pytest.fixture
def table(tmp_path):
    def read(content, *, name="t.csv", **options):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_table(path, **options)

    return read


def rows(found):
    return found.arrow.to_pylist()


@pytest.mark.parametrize(
    ("content", "note"),
    [
        ("a,b,y\n1,x,0\n2,z,1\n", ""),
        ("a,b,y\n1,x,0\n2,z,1\n\n", ""),
        ("a,b,y\r\n1,x,0\r\n2,z,1\r\n", ""),
        ("a,b,y\r1,x,0\r2,z,1\r", ""),
        ("\ufeffa,b,y\n1,x,0\n2,z,1", ""),
        ("a;b;y\n1;x;0\n2;z;1\n", "columns are separated by semicolons"),
        ("a\tb\ty\n1\tx\t0\n2\tz\t1\n", "columns are separated by tabs"),
        ('a, b, y\n1, "x", 0\n2,  z , 1\n', ""),
        ('"a","b","y"\n"1","x","0"\n"2","z","1"\n', ""),
        ("# by hand\n# in spring, or so\na,b,y\n1,x,0\n2,z,1\n", "line 1 was skipped: '# by hand'"),
        ("sep=;\na;b;y\n1;x;0\n2;z;1\n", "line 1 was skipped: 'sep=;'"),
        ("a,b,y\n1,x,0\n2,z,1\n".encode("utf-16"), ""),
        ("\na,b,y\n\n1,x,0\n\n2,z,1\n", ""),
    ],
)
def test_forms_of_the_same_rows(table, content, note):
    found = table(content)
    assert rows(found) == ROWS
    assert found.y().tolist() == [0, 1]
    assert found.layout == Layout({"a": "number", "b": "category"}, "y", "number", True, ("a", "b", "y"))
    assert note == "" or note in found.notes


@pytest.mark.parametrize("size", [20, 64, 1000])
def test_quoted_separators_quotes_and_line_breaks(table, size):
    lines = "".join(f'{k},"x, ""{k}""\nz",{k % 2}\n' for k in range(200))
    found = table("a,b,y\n" + lines, block_size=size)
    assert rows(found) == [{"a": k, "b": f'x, "{k}"\nz'} for k in range(200)]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("size", [8, 16, 1 << 20])
def test_rows_of_empty_cells_count(tmp_path, separator, size):
    lines = ["a", "b", "y"], ["1", "2", "3"], ["4", "5", "6"], ["", "", ""], ["7", "8", "9"], ["", "", ""]
    path = tmp_path / "t.tsv"
    path.write_text("".join(separator.join(line) + "\n" for line in lines) + "\n\n")
    found = read_table(path, target="y", needs_target=False, block_size=size)
    assert found.n_samples == 3  # those with a target
    layout = found.layout
    path.write_text("".join(separator.join(line[:2]) + "\n" for line in lines))
    rest = read_table(path, like=layout, needs_target=False, block_size=size)
    assert rest.arrow.to_pydict() == {"a": [1, 4, None, 7, None], "b": [2, 5, None, 8, None]}


@pytest.mark.parametrize(
    ("ending", "compress"),
    [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress), (".zst", pa.Codec("zstd").compress)],
)
def test_compressed(table, ending, compress):
    content = b"a,b,y\n" + b"1,x,0\n2,z,1\n" * 500
    packed = compress(content)
    told = []
    packed = packed if isinstance(packed, bytes) else packed.to_pybytes()
    found = table(
        packed, name=f"t.csv{ending}", block_size=1000, progress=lambda done, total: told.append((done, total))
    )
    assert rows(found) == ROWS * 500
    assert found.name == "t"
    assert {total for _, total in told} == {len(packed)}
    assert all(before <= after for (before, _), (after, _) in pairwise(told))
    assert told[-1][0] == len(packed)


def test_missing_cells(table):
    words = [f"{space}{word}{space}" for word in MISSING for space in ("", " ")]
    found = table("a,b,y\n" + "".join(f"{word},{word},1\n" for word in words) + "1.5,x,0\n")
    assert rows(found) == [{"a": None, "b": None}] * len(words) + [{"a": 1.5, "b": "x"}]
    assert frames.MISSING == MISSING


def test_a_late_number_makes_a_column_that_began_empty_numeric(table):
    found = table("a,b,y\n" + "?,1,0\n" * 300 + "7.5,1,1\n", block_size=100)
    assert found.layout.kinds == {"a": "number", "b": "number"}
    assert found.arrow.column("a").to_pylist()[-2:] == [None, 7.5]


def test_whole_numbers_that_become_fractions(table):
    found = table("a,y\n" + "3,0\n" * 300 + "2.5,1\n", block_size=100)
    assert found.arrow.column("a").to_pylist() == [3.0] * 300 + [2.5]


def test_text_among_numbers_is_text_from_the_first_row_on(table):
    found = table("a,y\n" + "007,0\n" * 300 + "agent,1\n", block_size=100)
    assert set(found.arrow.column("a").to_pylist()) == {"007", "agent"}
    assert "column 'a' mixes numbers and text such as 'agent' (line 302), so it is read as text" in found.notes
    at_once = table("a,y\n1,0\n2,0\nthree,1\n")
    assert "column 'a' mixes numbers and text such as 'three' (row 3), so it is read as text" in at_once.notes


def test_dates_booleans_and_huge_integers(table):
    found = table("d,t,f,i,y\n2020-01-02,2020-01-02 10:00:00,true,123456789012345678901234,yes\n"
                  "2021-01-02,,false,1,no\n")  # fmt: skip
    assert found.layout.kinds == {"d": "date", "t": "date", "f": "boolean", "i": "number"}
    assert found.arrow.column("i").to_pylist() == [1.2345678901234568e23, 1.0]
    assert found.y().tolist() == ["yes", "no"]


def test_a_late_fraction_of_a_second_is_still_a_date(table):
    found = table("t,y\n" + "2020-01-02 10:00:00,0\n" * 300 + "2020-01-02 10:00:00.5,1\n", block_size=500)
    assert found.layout.kinds == {"t": "date"}
    assert [str(t) for t in found.arrow.column("t").to_pylist()[-2:]] == [
        "2020-01-02 10:00:00",
        "2020-01-02 10:00:00.500000",
    ]


def test_decimal_commas(table):
    found = table("a;b;y\n1,5;3;0\n2,25;4;1\n")
    assert rows(found) == [{"a": 1.5, "b": 3}, {"a": 2.25, "b": 4}]
    assert "numbers have decimal commas" in found.notes


def test_windows_text_is_read_and_noted(table):
    for content in ("größe,b,y\n1,x,0\n", "a,b,y\n" + "1,x,0\n" * 300 + "1,größe,0\n"):
        found = table(content.encode("cp1252"), block_size=400)
        assert "größe" in str(rows(found))
        assert "the text is not UTF-8 and was read as Windows-1252" in found.notes


@pytest.mark.parametrize(
    ("content", "header", "names"),
    [
        ("1,x,0\n2,z,1\n", False, ("column 1", "column 2")),
        ("p,q,r\np,s,t\n", False, ("column 1", "column 2")),  # a name that a row repeats is none
        ("p,q,r\nu,s,t\n", True, ("p", "q")),
        ("id,2019,y\n1,5,0\n", True, ("id", "2019")),
        (",b,y\n1,x,0\n2,z,1\n", True, ("column 1", "b")),
        ("a,a,y\n1,3,0\n", True, ("a", "a.1")),
        ("a,a,a.1,y\n1,3,5,0\n", True, ("a", "a.2", "a.1")),
    ],
)
def test_header_is_told_from_rows(table, content, header, names):
    found = table(content)
    assert found.layout.header == header
    assert found.names == names


def test_header_by_order(table):
    assert table("1,2,3\n4,5,6\n", header="yes").names == ("1", "2")
    assert table("a,b,c\n4,5,6\n", header="no").n_samples == 2


def test_target_by_name_position_or_custom(table):
    content = "x,Class,z\n1,2,3\n4,5,6\n"
    for target, name in [(None, "Class"), ("z", "z"), ("1", "x"), (3, "z"), (-1, "z"), ("-3", "x")]:
        assert table(content, target=target).layout.target == name
    assert "the target is column 2, 'Class', by its name" in table(content).notes
    assert "the target is the last column, 'q'" in table("x,p,q\n1,2,3\n").notes


def test_labels(table):
    assert table("x,y\n1,a.\n2,b.\n").y().tolist() == ["a", "b"]
    assert table("x,y\n1,a.\n2,b\n").y().tolist() == ["a.", "b"]
    assert table("x,y\n1,2.0\n2,3.0\n").y().dtype == np.int64
    assert table("x,y\n1,2.5\n2,3.0\n").y().tolist() == [2.5, 3.0]
    assert table("x,y\n1,true\n2,false\n").y().tolist() == ["true", "false"]


def test_rows_without_a_target_are_left_out_and_counted(table):
    found = table("x,y\n1,a\n2,?\n3,b\n")
    assert rows(found) == [{"x": 1}, {"x": 3}]
    assert found.y().tolist() == ["a", "b"]
    assert "1 of 3 rows have no target and are left out" in found.notes


def test_another_part_follows_the_layout_of_the_first(table):
    train = table("a,b,y\n1,10,no\n2,x,yes\n")
    layout = Layout.from_dict(train.layout.to_dict())
    assert layout == train.layout
    other = table("y,b,a\nno,7,3\n", like=layout)  # 7 is a level here, not a number
    assert other.layout.kinds == {"b": "category", "a": "number"}
    assert rows(other) == [{"b": "7", "a": 3.0}]
    unlabelled = table("b,a\n7,3\n", like=layout, needs_target=False)
    assert unlabelled.target is None
    bare = table("3,7\n4,x\n", like=layout, needs_target=False)
    assert rows(bare) == [{"a": 3.0, "b": "7"}, {"a": 4.0, "b": "x"}]


def test_columns_left_out(table):
    for header, column in (("id,a,y\n", "id"), ("", "column 1")):
        train = table(header + "7,2,0\n8,3,1\n", ignore=[column], target="3")
        assert train.arrow.to_pydict() == {train.names[0]: [2, 3]}
        assert table(header + "9,5,1\n", like=train.layout).arrow.to_pydict() == {train.names[0]: [5]}
        rest = table(header.replace(",y", "") + "9,5\n", like=train.layout, needs_target=False)
        assert rest.arrow.to_pydict() == {train.names[0]: [5]}


def test_a_row_longer_than_what_a_thread_parses(table):
    found = table("a,b,y\n1," + "x" * 3_000_000 + ",0\n2,x,1\n")
    assert [len(row["b"]) for row in rows(found)] == [3_000_000, 1]


CELLS = st.one_of(st.none(), st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=8))


@settings(max_examples=60, deadline=None)
@given(
    cells=st.lists(st.tuples(CELLS, st.integers(-(10**6), 10**6)), min_size=1, max_size=40), size=st.integers(16, 400)
)
def test_any_text_survives(tmp_path_factory, cells, size):
    path = tmp_path_factory.mktemp("any") / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(["text", "number", "y"])
        writer.writerows([f"t{text}" if text is not None else "", number, 1] for text, number in cells)
    found = read_table(path, block_size=size, target="y", header="yes")
    expected = [None if text is None else f"t{text}".strip() for text, _ in cells]
    assert [row["text"] for row in rows(found)] == expected
    assert [row["number"] for row in rows(found)] == [number for _, number in cells]


def test_parquet_as_csv(table, tmp_path):
    frame = pl.DataFrame(
        {
            "a": [1, None, 3],
            "b": ["x", None, "?"],
            "c": pl.Series(["u", "v", "u"], dtype=pl.Categorical),
            "f": [True, None, False],
            "y": ["no", "yes", "no"],
        }
    )
    frame.write_parquet(tmp_path / "t.parquet")
    told = []
    found = read_table(tmp_path / "t.parquet", progress=lambda done, total: told.append(done / total))
    assert told == [1.0]
    assert rows(found) == [
        {"a": 1, "b": "x", "c": "u", "f": True},
        {"a": None, "b": None, "c": "v", "f": None},
        {"a": 3, "b": None, "c": "u", "f": False},
    ]
    same = table("a,b,c,f,y\n1,x,u,true,no\n,,v,,yes\n3,?,u,false,no\n")
    assert rows(same) == rows(found)
    assert same.layout.kinds == found.layout.kinds


def test_the_index_of_pandas_is_no_feature(tmp_path):
    import pandas as pd

    pd.DataFrame({"a": [1.0, 2.0], "y": [0, 1]}, index=[7, 9]).to_parquet(tmp_path / "t.pq")
    found = read_table(tmp_path / "t.pq")
    assert found.names == ("a",)
    assert "the index stored by pandas is left out" in found.notes


def test_which_files_are_tables(tmp_path):
    files = {
        "t.csv": b"a,y\n1,0\n",
        "t.data.gz": gzip.compress(b"1,2,3\n4,5,6\n"),
        "t.test": b"|1x3 Cross validator\n25, Private, <=50K.\n26, Private, >50K.\n",
        "a9a": b"-1 3:1 11:1\n+1 5:1 7:1\n",
        "ranking": b"2 qid:10 1:0.1 2:1 # a, b, c\n0 qid:11 2:3\n",
        "images": b"\x00\x00\x08\x03rest",
        "prose": b"Once upon a time\nthere was\n",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    assert [name for name in files if is_table(tmp_path / name)] == ["t.csv", "t.data.gz", "t.test"]
    assert not is_table(tmp_path)
    assert not is_table(tmp_path / "absent.csv")


def test_a_table_gives_itself_to_frames(table):
    found = table("a,b,y\n1,x,0\n2,z,1\n")
    assert pl.DataFrame(found).rows() == [(1, "x"), (2, "z")]
    assert found.describe() == "2 rows x 2 columns (1 numeric, 1 categorical)"
    data = found.dataset(np.eye(2), ["one", "two"], ["encoded by hand"])
    assert data.feature_names == ("one", "two")
    assert data.note.endswith("encoded by hand")
    assert data.y.tolist() == [0, 1]
