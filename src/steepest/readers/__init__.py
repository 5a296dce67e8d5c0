"""Readers: files and built-in sets become a `Dataset`, tables a `Table` that is still to be encoded."""

from steepest.readers.dataset import Dataset
from steepest.readers.read import read_dataset
from steepest.readers.table import Layout, Table
from steepest.readers.tables import is_table, read_table

__all__ = ["Dataset", "Layout", "Table", "is_table", "read_dataset", "read_table"]
