"""`race`: every solver that fits a problem, on the user's own data or function, and which of them to use.

``race.py`` has the signature and the order of events, ``tracks.py`` what is run (data or a function), ``live.py`` the
table while it runs, ``result.py`` and ``advice.py`` what came of it, ``page.py`` the same as HTML.
"""

from steepest.racing.race import race
from steepest.racing.result import Race, Run

__all__ = ["Race", "Run", "race"]
