# `make demo` and `make test` need Python >= 3.11 with venv, and nothing else.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python

.PHONY: demo test lint docs notebooks bench mutation clean

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --upgrade pip
	$(PY) -m pip install --quiet -e '.[test]'
	touch $@

demo: $(VENV)/.installed
	$(PY) -m minijax demo --out out

test: $(VENV)/.installed
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports
	$(PY) -m pytest

docs: $(VENV)/.installed
	$(PY) -m pip install --quiet -e '.[docs]'
	$(PY) -m sphinx -E -W --keep-going -j auto -b html docs docs/_build/html
	@echo "open docs/_build/html/index.html"

notebooks: $(VENV)/.installed
	$(PY) -m pip install --quiet -e '.[docs]'
	$(PY) docs/notebooks.py docs/_build/notebooks

bench: $(VENV)/.installed
	$(PY) -m pip install --quiet -e '.[bench]'
	$(PY) -m tests.benchmarks.eager
	$(PY) -m tests.benchmarks.loop
	$(PY) -m tests.benchmarks.control_flow
	$(PY) -m tests.benchmarks.compiled --docs docs

mutation: $(VENV)/.installed
	$(PY) -m tests.mutation.run

clean:
	rm -rf $(VENV) out build docs/_build *.egg-info
