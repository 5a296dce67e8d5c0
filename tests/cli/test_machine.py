"""``steepest warm`` and ``steepest doctor``, completion, and what all commands share."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest


def process(*arguments, **environment):
    done = subprocess.run(
        [sys.executable, "-m", "steepest", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_doctor_finds_nothing_here(run, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    result = run("doctor", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == (1 if found["findings"] else 0)
    assert found["facts"]["a first fit"]["certified"] is True
    assert found["facts"]["packages"]["steepest"] != "not installed"


def test_the_doctor_names_what_is_to_be_mended(tmp_path):
    code, out, _ = process("doctor", "--quiet", NUMBA_DISABLE_JIT="1")
    assert code == 1
    assert "! NUMBA_DISABLE_JIT is set" in out
    assert "unset NUMBA_DISABLE_JIT" in out


def test_the_doctor_sees_a_limit_of_threads(run, monkeypatch):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one processor cannot be limited")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    result = run("doctor", "--quiet")
    assert result.exit_code == 1
    assert "OMP_NUM_THREADS=1 limits a fit to 1 of" in result.stdout


def test_warm_compiles_once(run):
    assert run("warm", "--quiet").stdout == ""
    again = json.loads(run("warm", "--json").stdout)
    assert again["compiled"] == 0
    assert run("warm").stdout.startswith("everything was compiled already")


def test_warm_without_a_place_for_the_code(monkeypatch, run):
    monkeypatch.setattr("steepest.jit.cache_directory", lambda: None)
    result = run("warm")
    assert result.exit_code == 2
    assert "set NUMBA_CACHE_DIR" in result.stderr


def test_shells_can_complete(run):
    code, out, _ = process(
        _STEEPEST_COMPLETE="complete_bash", COMP_WORDS="steepest fit iris --model so", COMP_CWORD="4"
    )
    assert code == 0
    assert out.split() == ["softmax"]


@pytest.mark.parametrize("command", ["fit", "predict", "report", "warm", "doctor"])
def test_help_is_light(command):
    code = (
        "import sys, typer.testing, steepest.cli\n"
        f"assert typer.testing.CliRunner().invoke(steepest.cli.app, ['{command}', '--help']).exit_code == 0\n"
        "print(sorted({'numba', 'sklearn', 'scipy', 'numpy'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_unknown_commands_get_the_nearest(run):
    result = run("predcit")
    assert result.exit_code == 2
    assert "predict" in result.stderr
