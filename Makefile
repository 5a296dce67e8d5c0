# make demo       fit the digits in a fresh virtual environment, with a report
# make test       lint, types, layers, checks, and the tests that take seconds
# make test-all   the slow tests too
# make docs       the documentation, warnings are errors
# make bench      the races against other libraries
# make clean      remove what was built, the virtual environment too
#
# PYTHON=python3.12 chooses the interpreter, VENV=dir the environment, JOBS=n the test processes.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && exit; done; echo python3)
VENV ?= .venv
JOBS ?= 2
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
SOURCES := $(shell find src -name '*.py')

.PHONY: help demo test test-all lint checks docs bench clean
.DELETE_ON_ERROR:

help:
	@sed -n '1,8s/^# \{0,1\}//p' Makefile

# ---------------------------------------------------------------------------------------- environment
# Stamps in the environment say what is installed, so that a second `make test` installs nothing.

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "steepest needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)."; \
		echo "Name a newer one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
		echo "'$(PYTHON) -m venv' failed; on Debian and Ubuntu: apt-get install python3-venv."; exit 1; }

$(VENV)/.runtime: pyproject.toml $(SOURCES) | $(BIN)/python
	@if test -e $(VENV)/.test; then echo "using the development install in $(VENV)"; \
		else $(PIP) --force-reinstall --no-deps . && $(PIP) .; fi
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[test]'
	@touch $@

$(VENV)/.docs: $(VENV)/.test
	$(PIP) --editable '.[docs]'
	@touch $@

$(VENV)/.bench: $(VENV)/.test
	$(PIP) --editable '.[bench]'
	@touch $@

# ------------------------------------------------------------------------------------------------ demo

demo: $(VENV)/.runtime
	$(BIN)/steepest fit digits --model softmax --alpha 1e-4 --report demo.html

# ------------------------------------------------------------------------------------------------ tests

checks: $(VENV)/.test
	$(BIN)/python tools/check_files.py
	$(BIN)/python tools/check_imports.py

lint: checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest -n $(JOBS) -m "not slow"

test-all: lint
	$(BIN)/python -m pytest -n $(JOBS)

# ------------------------------------------------------------------------------- documentation, benchmarks

docs: $(VENV)/.docs
	$(BIN)/python tools/check_gallery.py
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) build dist docs/_build docs/generated docs/gallery/generated demo.html
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache src/*.egg-info
	find src tests tools examples benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
