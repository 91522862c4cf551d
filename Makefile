# Everything a developer types. Each target makes .venv and installs what it needs; repeat runs are quick.

VENV    := .venv
PY      := $(VENV)/bin/python
READY   := $(VENV)/.ready
PYTHON  ?= python3

.PHONY: demo test lint format bench clean

demo: $(READY)  ## draw a product, teach it, export, inspect, report
	$(VENV)/bin/res2clip demo

test: $(READY)  ## every test
	$(PY) -m pytest

lint: $(READY)  ## style, types, import rules
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: $(READY)  ## mend style
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: $(READY)  ## latency figures, appended to benchmarks/results/
	$(PY) benchmarks/bench_runtime.py
	$(PY) benchmarks/bench_import.py
	$(PY) benchmarks/bench_demo.py
	$(PY) benchmarks/bench_match.py
	$(PY) benchmarks/bench_pipeline.py
	$(PY) benchmarks/tables.py

# Installed anew only when the list of dependencies changes. ADEval, another opinion on PRO for the
# tests, asks for opencv-python, which overwrites our opencv-python-headless and needs libGL: it
# comes without its dependencies.
$(READY): pyproject.toml
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --upgrade pip
	$(PY) -m pip install --quiet --editable '.[dev]'
	$(PY) -m pip install --quiet --no-deps 'ADEval==1.1.0'
	touch $(READY)

clean:
	rm -rf $(VENV) demo-out dist .pytest_cache .mypy_cache .ruff_cache
