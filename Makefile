# Everything a developer types. Each target makes .venv and installs what it needs; repeat runs are quick.

VENV    := .venv
PY      := $(VENV)/bin/python
READY   := $(VENV)/.ready
PYTHON  ?= python3
RTX     := tensorrt-rtx-cu13-libs==1.7.1.116 tensorrt-rtx-cu13-bindings==1.7.1.116

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

# Installed anew only when the list of dependencies changes. ADEval, another opinion on PRO for the
# tests, asks for opencv-python, which overwrites our opencv-python-headless and needs libGL: it
# comes without its dependencies. pycuda is source only and needs the toolkit of the nvcc on the PATH.
# TensorRT for RTX parses and builds without a GPU; its libraries' own dependencies are for running.
$(READY): pyproject.toml tests/gpu/install_pycuda.py
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --upgrade pip
	$(PY) -m pip install --quiet --editable '.[dev]'
	$(PY) -m pip install --quiet --no-deps 'ADEval==1.1.0'
	$(PY) -m pip install --quiet --no-deps $(RTX) || echo 'no TensorRT for RTX here: its tests are skipped'
	$(PY) tests/gpu/install_pycuda.py
	touch $(READY)

clean:
	rm -rf $(VENV) demo-out dist .pytest_cache .mypy_cache .ruff_cache
