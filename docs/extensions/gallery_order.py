"""The order of the examples: that of the methods that they show."""

import csv
from pathlib import Path

TABLE = Path(__file__).resolve().parents[1] / "gallery" / "methods.csv"


class MethodOrder:
    """Sorts the pages by their first row in the table of methods."""

    def __init__(self, folder: str) -> None:
        with TABLE.open(encoding="utf-8", newline="") as stream:
            pages = [page for row in csv.DictReader(stream) for page in row["page"].split()]
        self.rank = {Path(page).name: number for number, page in reversed(list(enumerate(pages)))}

    def __call__(self, name: str) -> tuple[int, str]:
        return self.rank.get(name, len(self.rank)), name
