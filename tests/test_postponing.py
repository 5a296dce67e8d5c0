"""What waits until it is asked for is the real thing then, and does not show before."""

import subprocess
import sys
import textwrap

import pytest

from steepest.postponing import postponed

HELD = """
import sys
from steepest.postponing import _Later
held = [(name, key) for name, module in list(sys.modules.items()) for key, value in list(vars(module).items())
        if isinstance(value, _Later)]
"""


def run(code):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize(
    "model", ["MLPClassifier(max_iter=2, tol=None)", "LogisticRegression()", "SGDClassifier(tol=None)", "Scaler()"]
)
def test_a_first_fit_loads_neither_pandas_nor_the_statistics_of_scipy(model):
    out = run(
        textwrap.dedent(f"""
        import numpy as np, steepest
        X = np.random.default_rng(0).standard_normal((60, 3))
        steepest.{model}.fit(X, (X[:, 0] > 0).astype(int))
        import sys
        print(sorted({{"pandas", "scipy.stats", "sklearn.metrics", "scipy.optimize"}} & set(sys.modules)))
        """)
        + HELD
        + "assert set(held) <= {('sklearn.utils.fixes', 'pd')}, held\n"
    )
    assert out.strip() == "[]"


def test_what_waited_is_the_real_module_when_it_is_asked_for():
    pytest.importorskip("pandas")
    run(
        """
        import numpy as np
        from steepest import LogisticRegression
        from sklearn.utils import fixes
        import sys
        assert "pandas" not in sys.modules
        frame = fixes.pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0]})
        import pandas, scipy.stats
        assert type(frame) is pandas.DataFrame and fixes.pd is not pandas
        assert fixes.pd.Series is pandas.Series and pandas.__spec__.name == "pandas"
        assert fixes._mode(np.array([[1, 2, 2]]), axis=1)[0].ravel().tolist() == [2]
        assert scipy.stats.norm.cdf(0.0) == 0.5
        model = LogisticRegression().fit(frame, [0, 0, 1, 1])
        assert list(model.feature_names_in_) == ["a"]
        """
    )


def test_what_is_loaded_already_stays_as_it_is():
    pytest.importorskip("pandas")
    run(
        """
        import pandas, scipy.stats
        from steepest import Ridge
        from sklearn.utils import fixes
        import sys
        assert fixes.pd is pandas is sys.modules["pandas"]
        """
    )


def test_a_name_taken_inside_the_block_loads_the_module():
    sys.modules.pop("colorsys", None)
    with postponed("colorsys", unless="no.such.module"):
        from colorsys import ONE_THIRD

        assert sys.modules["colorsys"].__name__ == "colorsys"
        loaded = sys.modules["colorsys"]
    assert abs(ONE_THIRD - 1 / 3) < 1e-15
    assert sys.modules["colorsys"] is loaded


def test_a_submodule_imported_inside_the_block_loads_its_parent():
    run(
        """
        import sys
        from steepest.postponing import postponed
        with postponed("xml.etree", "xml"):
            import xml.etree.ElementTree as tree
        assert tree.fromstring("<a/>").tag == "a"
        assert type(sys.modules["xml"]).__name__ == "module"
        import xml.etree
        assert xml.etree.ElementTree is tree
        """
    )


def test_an_error_inside_leaves_nothing_behind():
    sys.modules.pop("colorsys", None)
    with pytest.raises(RuntimeError, match="inside"), postponed("colorsys", unless="no.such.module"):
        raise RuntimeError("inside")
    assert "colorsys" not in sys.modules


def test_what_is_not_installed_is_still_not_found():
    with postponed("not_a_library_at_all", "not_a_library_at_all.part", unless="no.such.module"):
        with pytest.raises(ImportError):
            import not_a_library_at_all  # noqa: F401
        assert "not_a_library_at_all" not in sys.modules
