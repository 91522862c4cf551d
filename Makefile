# Everything a developer types. Each target makes .venv and installs what it needs; repeat runs are quick.

VENV    := .venv
PY      := $(VENV)/bin/python
READY   := $(VENV)/.ready
PYTHON  ?= python3
RTX     := tensorrt-rtx-cu13-libs==1.7.1.116 tensorrt-rtx-cu13-bindings==1.7.1.116

# Cameras, brokers, browser and faults of the tests are real; without these packages their tests are skipped.
DEBIAN  := aravis-tools libaravis-0.8-0 gir1.2-aravis-0.8 python3-gi gir1.2-gst-rtsp-server-1.0 \
	gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good \
	gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-rtsp mosquitto faketime \
	iproute2 openssl jq systemd chromium fonts-dejavu-core mono-mcs mono-runtime \
	libmono-system-net-http4.0-cil libmono-system-runtime-serialization4.0-cil

# A machine of QEMU with virtual cameras, a systemd and a udev; its kernel is Debian's, only unpacked.
VM      := qemu-system-x86 busybox-static cpio kmod v4l-utils systemd udev dbus iproute2

.PHONY: demo test test-pythons test-vm lint format bench wheelhouse system-packages clean

demo: $(READY)  ## draw a product, teach it, export, inspect, report
	$(VENV)/bin/res2clip demo

test: $(READY)  ## every test, two files at a time: many wait for cameras, brokers, processes
	$(PY) -m pytest -n 2 --dist loadfile

test-pythons: $(READY)  ## the runtime's tests on the Pythons of JetPack 6 and 7, where they are
	$(PY) tests/other_pythons.py 3.10 3.12

test-vm: $(READY)  ## real V4L2 cameras, and the unit under a real systemd, in virtual machines (Debian)
	if [ "$$(id -u)" = 0 ] && command -v apt-get; then apt-get update -qq; \
		DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq --no-upgrade --no-install-recommends $(VM); \
	else echo 'not root on Debian, nothing is installed; needed: $(VM)'; fi
	PATH="$$PATH:/usr/sbin" $(PY) -m pytest tests/vm

system-packages:  ## what the tests of cameras and outputs need beside Python; for root on Debian
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq --no-install-recommends $(DEBIAN)

lint: $(READY)  ## style, types, import rules, oldest Python, Dockerfiles
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/vermin --quiet --target=3.10- --violations --no-tips res2clip export runtime
	$(VENV)/bin/hadolint deploy/*.Dockerfile

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

# For a machine without internet: make wheelhouse EXTRAS=cpu,video, for another kind of machine
# with its Python version and: MACHINE=aarch64 GLIBC=2.35 PYTHON=python3.10
EXTRAS  ?= cpu
OUT     ?= wheelhouse
wheelhouse:  ## res2clip and all it needs as wheels with hashes
	$(PYTHON) deploy/wheelhouse.py --extras $(EXTRAS) --out $(OUT) \
		$(if $(MACHINE),--machine $(MACHINE)) $(if $(GLIBC),--glibc $(GLIBC))

# Installed anew only when the list of dependencies changes. ADEval, another opinion on PRO for the
# tests, asks for opencv-python, which overwrites our opencv-python-headless and needs libGL: it
# comes without its dependencies. openapi-python-client makes a client of our API; it wants an older
# typer, and works with ours. pycuda is source only and needs the toolkit of the nvcc on the PATH.
# TensorRT for RTX parses and builds without a GPU; its libraries' own dependencies are for running.
# TensorRT's bindings, without its libraries, tell the names and signatures of three releases.
$(READY): pyproject.toml tests/gpu/install_pycuda.py tests/gpu/install_bindings.py
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --upgrade pip
	$(PY) -m pip install --quiet --editable '.[dev]'
	$(PY) -m pip install --quiet --no-deps 'ADEval==1.1.0'
	$(PY) -m pip install --quiet --no-deps 'openapi-python-client==0.29.1'
	$(PY) -m pip install --quiet --no-deps $(RTX) || echo 'no TensorRT for RTX here: its tests are skipped'
	$(PY) tests/gpu/install_pycuda.py
	$(PY) tests/gpu/install_bindings.py
	touch $(READY)

clean:
	rm -rf $(VENV) .venv-3.* wheelhouse demo-out dist .pytest_cache .mypy_cache .ruff_cache
