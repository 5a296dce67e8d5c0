"""Compilation: what is found again on disk, what must not be, and what never compiles.

Each test runs fresh processes with a cache directory of their own.
"""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import steepest

PACKAGE = Path(steepest.__file__).parent

KERNEL = """
import json, sys
import numpy as np
from steepest.jit import KERNELS, compile_clock, kernel
from steepest.losses import Hinge, Logistic, Softmax, check_loss, slope, value
from steepest.losses.checks import _slopes

def run(loss, z=(0.5, 2.0), y=(1.0, -1.0)):
    out = np.empty(2)
    _slopes(loss, np.array(z), np.array(y), out)
    return out.tolist()

def report(**more):
    print(json.dumps({"misses": sum(k.misses() for k in KERNELS), **more}))
"""

WELSCH = """
import math
from typing import NamedTuple
from steepest.losses import scalar_loss

SCALE = 1.0

@scalar_loss
class Mine(NamedTuple):
    c: float = 1.0
    def value(self, z, y): return SCALE * abs(z - y)
    def slope(self, z, y): return SCALE * (1.0 if z > y else -1.0)
"""


@pytest.fixture
def process(tmp_path):
    """Runs code in a fresh process; returns what it prints last, from JSON."""

    def run(code, source=PACKAGE.parent, **environment):
        script = tmp_path / "script.py"
        script.write_text(KERNEL + textwrap.dedent(code))
        env = {
            **os.environ,
            "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
            "PYTHONPATH": os.pathsep.join([str(source), str(tmp_path)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            **environment,
        }
        env.pop("NUMBA_DISABLE_JIT", None) if "NUMBA_DISABLE_JIT" not in environment else None
        done = subprocess.run(
            [sys.executable, "-W", "error", str(script)],
            env=env,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run


def files(tmp_path):
    return sorted(path.name for path in (tmp_path / "cache").rglob("*.nb?"))


def test_a_second_process_compiles_nothing(process, tmp_path):
    code = """
    numbers = [run(Logistic()), run(Hinge())]
    ok = check_loss("huber").ok and check_loss("softmax").ok
    report(numbers=numbers, ok=ok)
    """
    first = process(code)
    assert first["ok"]
    assert first["misses"] > 5
    before = files(tmp_path)
    assert before
    second = process(code)
    assert second["misses"] == 0
    assert second["numbers"] == first["numbers"]
    assert files(tmp_path) == before


def test_a_changed_source_file_drops_what_was_compiled(process, tmp_path):
    """On a copy of the package: an edit in a loss is an edit of every kernel, though its own file is unchanged."""
    import shutil

    copy = tmp_path / "src"
    shutil.copytree(PACKAGE, copy / "steepest", ignore=shutil.ignore_patterns("__pycache__"))
    code = "report(numbers=run(Hinge(), z=(0.5, 0.5), y=(1.0, 1.0)))"
    first = process(code, source=copy)
    assert first["misses"] == 1
    assert first["numbers"] == [-1.0, -1.0]
    assert process(code, source=copy)["misses"] == 0
    margin = copy / "steepest" / "losses" / "margin.py"
    text = margin.read_text()
    old = "return 0.0 if y * z >= 1.0 else -y\n"
    assert text.count(old) == 1
    margin.write_text(text.replace(old, "return 0.0 if y * z >= 1.0 else -3.0 * y\n"))
    third = process(code, source=copy)
    assert third["misses"] == 1
    assert third["numbers"] == [-3.0, -3.0]
    assert process(code, source=copy) == {"misses": 0, "numbers": [-3.0, -3.0]}


def test_a_loss_of_main_does_not_grow_the_cache(process, tmp_path):
    """No other process could find its code again, so it is not written."""
    code = WELSCH + "report(numbers=run(Mine(1.0)))"
    process("report(numbers=run(Logistic()))")
    before = files(tmp_path)
    for _ in range(2):
        out = process(code)
        assert out == {"misses": 0, "numbers": [-1.0, 1.0]}
        assert files(tmp_path) == before


def test_a_loss_in_a_module_is_cached_and_follows_its_edits(process, tmp_path):
    """An edit of the class or of what stands beside it in its file; SCALE is outside the class."""
    module = tmp_path / "mine.py"
    module.write_text(WELSCH)
    code = "from mine import Mine\nreport(numbers=run(Mine(1.0)))"
    assert process(code) == {"misses": 1, "numbers": [-1.0, 1.0]}
    assert process(code) == {"misses": 0, "numbers": [-1.0, 1.0]}
    module.write_text(WELSCH.replace("1.0 if z > y", "5.0 if z > y"))
    assert process(code) == {"misses": 1, "numbers": [-1.0, 5.0]}
    module.write_text(WELSCH.replace("SCALE = 1.0", "SCALE = 2.0"))
    assert process(code) == {"misses": 1, "numbers": [-2.0, 2.0]}
    assert process(code) == {"misses": 0, "numbers": [-2.0, 2.0]}


def test_a_sum_of_losses_is_cached_and_follows_the_edits_of_its_terms(process, tmp_path):
    module = tmp_path / "mine.py"
    module.write_text(WELSCH)
    code = (
        "from mine import Mine\nfrom steepest.losses import sum_of\n"
        "report(numbers=run(sum_of((Mine(1.0), 2.0), ('hinge', 1.0), ('logistic', 1e-9))))"
    )
    once = process(code)
    assert once["misses"] == 1
    assert once["numbers"] == pytest.approx([-3.0, 3.0], abs=1e-8)
    assert process(code) == {**once, "misses": 0}
    module.write_text(WELSCH.replace("SCALE = 1.0", "SCALE = 3.0"))
    changed = process(code)
    assert changed["misses"] == 1
    assert changed["numbers"] == pytest.approx([-7.0, 7.0], abs=1e-8)


def test_a_loss_that_another_process_cannot_import_does_not_take_its_kernels_away(process, tmp_path):
    module = tmp_path / "mine.py"
    module.write_text(WELSCH)
    process("report(numbers=run(Logistic()))")
    process("from mine import Mine\nreport(numbers=run(Mine(1.0)))")
    module.unlink()
    assert process("report(numbers=run(Logistic()))")["misses"] == 0


def test_a_class_defined_again_runs_its_new_code(process, tmp_path):
    """A notebook's cell run twice, and two modules with a loss of one name: the fields are the same, not the code."""
    (tmp_path / "one.py").write_text(WELSCH.replace("@scalar_loss", "@scalar_loss(name='one')"))
    two = WELSCH.replace("@scalar_loss", "@scalar_loss(name='two')").replace("SCALE = 1.0", "SCALE = 7.0")
    (tmp_path / "two.py").write_text(two)
    code = (
        WELSCH
        + "first = run(Mine(1.0))\n"
        + WELSCH.replace("SCALE = 1.0", "SCALE = 3.0")
        + """
second = run(Mine(1.0))
import one, two
report(numbers=[first, second, run(one.Mine(1.0)), run(two.Mine(1.0)), run(one.Mine(1.0)), run(Mine(1.0))])
"""
    )
    expected = [[-1.0, 1.0], [-3.0, 3.0], [-1.0, 1.0], [-7.0, 7.0], [-1.0, 1.0], [-3.0, 3.0]]
    assert process(code) == {"misses": 2, "numbers": expected}
    assert process(code) == {"misses": 0, "numbers": expected}


def test_int_fields_are_no_new_specialisation(process):
    out = process(
        """
        from steepest.losses import Huber
        a, b = run(Huber(2)), run(Huber(2.0))
        report(same=a == b)
        """
    )
    assert out == {"misses": 1, "same": True}


def test_plain_python_runs_the_same_kernels(process, tmp_path):
    code = """
    import numba
    report(
        disabled=bool(numba.config.DISABLE_JIT),
        numbers=[run(Logistic()), run(Hinge())],
        ok=[check_loss("logistic").ok, check_loss("softmax", n_samples=20).ok],
    )
    """
    plain = process(code, NUMBA_DISABLE_JIT="1")
    assert plain["disabled"]
    assert plain["ok"] == [True, True]
    assert plain["misses"] == 0
    assert files(tmp_path) == []
    compiled = process(code)
    assert not compiled["disabled"]
    for a, b in zip(plain["numbers"], compiled["numbers"], strict=True):
        assert a == pytest.approx(b, rel=1e-14)


def test_importing_compiles_nothing(process, tmp_path):
    script = """
    import json
    import numba
    from steepest.jit import KERNELS, compile_clock
    with compile_clock() as clock:
        import importlib, sys
        for name in [n for n in sys.modules if n.startswith("steepest.") and n != "steepest.jit"]:
            del sys.modules[name]
        import steepest.losses
        import steepest.penalties
    print(json.dumps({"seconds": clock.seconds, "kernels": len(KERNELS)}))
    """
    out = process(script)
    assert out["seconds"] == 0.0
    assert out["kernels"] > 0
    assert files(tmp_path) == []


def test_the_compile_clock_runs_while_compiling(process):
    code = """
    with compile_clock() as cold:
        run(Logistic())
    with compile_clock() as warm:
        run(Logistic())
    report(cold=cold.seconds, warm=warm.seconds)
    """
    out = process(code)
    assert out["cold"] > 0.0
    assert out["warm"] == 0.0


def test_without_a_place_to_write_everything_runs_uncached(process, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    code = "report(numbers=run(Logistic(), z=(0.0, 0.0)))"
    out = process(code, NUMBA_CACHE_DIR=str(blocked / "under"))
    assert out["misses"] == 0
    assert out["numbers"] == [-0.5, 0.5]


def test_loading_machine_code_does_not_load_the_compiler(process):
    """The first fit of a second process: Numba's typing of NumPy takes longer to load than everything else."""
    code = """
    numbers = run(Logistic())
    report(numbers=numbers, compiler="numba.np.arraymath" in sys.modules)
    """
    first, second = process(code), process(code)
    assert first["compiler"]
    assert second == {"misses": 0, "numbers": first["numbers"], "compiler": False}


def test_after_loading_machine_code_new_types_still_compile(process):
    out = process("report(numbers=run(Logistic()))")
    mixed = process("""
    numbers = [run(Logistic()), run(Hinge(), z=(0.5, 0.5), y=(1.0, 1.0))]
    report(numbers=numbers)
    """)
    assert out["misses"] == mixed["misses"] == 1
    assert mixed["numbers"] == [out["numbers"], [-1.0, -1.0]]


@pytest.mark.parametrize("switched_off", ["0", "1"])
def test_a_prepared_call_compiles_at_once_runs_later_and_is_found_on_disk(process, switched_off):
    code = """
    from steepest.losses.checks import _slopes
    z, y, out = np.array([0.5, 2.0]), np.array([1.0, -1.0]), np.full(2, 9.0)
    call = _slopes.prepared(Hinge(), z, y, out)
    before = out.tolist()
    with compile_clock() as clock:
        call()
    report(before=before, after=out.tolist(), seconds=clock.seconds)
    """
    first, second = (process(code, NUMBA_DISABLE_JIT=switched_off) for _ in range(2))
    for said in (first, second):
        assert said["before"] == [9.0, 9.0]
        assert said["after"] == [-1.0, 1.0]
        assert said["seconds"] == 0.0
    assert second["misses"] == 0
    assert first["misses"] == (1 if switched_off == "0" else 0)


def test_a_network_of_another_shape_compiles_nothing(process):
    """Nor one of other widths, depth, classes, columns, rows and batches: shapes are in no kernel."""
    code = """
    from steepest import MLPClassifier
    rng = np.random.default_rng(0)
    X = rng.standard_normal(({n}, {d})).astype(np.float32)
    model = MLPClassifier({layers}, batch_size={batch}, max_iter=3, tol=None, dtype="float32", on_unconverged="ignore")
    model.fit(X, np.arange({n}) % {k}).predict(X)
    report()
    """
    first = process(code.format(n=70, d=5, layers=(8, 4), batch=16, k=3))
    assert first["misses"] > 5
    for other in ({"layers": (3,), "batch": 7, "k": 4}, {"layers": (5, 4, 3, 2), "batch": 91, "k": 3}):
        assert process(code.format(n=91, d=6, **other))["misses"] == 0
