"""Readers: files and built-in sets become a `Dataset`."""

from steepest.readers.dataset import Dataset
from steepest.readers.read import read_dataset

__all__ = ["Dataset", "read_dataset"]
