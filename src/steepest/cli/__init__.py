"""The command line: ``steepest fit | predict | report | race | warm | doctor``.

Exit codes: 0 done (of a fit: certified, or stopped by the --patience that was asked for, or a network trained to its
end; of a race: some solver was certified), 3 not certified, 2 bad usage or data, 1 the doctor found something, 130
interrupted. Nothing heavy is imported before a command runs, so that ``steepest --help`` answers at once.
"""

from steepest.cli.app import app

__all__ = ["app"]
