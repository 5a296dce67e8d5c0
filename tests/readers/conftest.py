from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def data_folder() -> Path:
    """The folder with the real data sets."""
    folder = os.environ.get("STEEPEST_DATA")
    if not folder:
        pytest.skip("STEEPEST_DATA is not set: it names the folder with the real data sets")
    return Path(folder)
