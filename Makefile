# Each target does all of its own set-up. Another interpreter: `PYTHON=python3.12 make test`. Another torch: `TORCH=2.4`.
# Written for GNU make 3.81, which macOS ships, and newer.

PYTHON ?= python3
# An interpreter that was asked for gets an environment of its own, so that none is tested in place of another.
VENV := .venv$(if $(filter-out python3,$(PYTHON)),-$(notdir $(PYTHON)))$(if $(TORCH),-torch$(TORCH))
BIN := $(VENV)/bin

.PHONY: help demo test chaos bench notebooks docs lint wheel clean

help:
	@echo 'make demo    train a small network from an embedded AIStore (AIS_ENDPOINT=... for your own cluster)'
	@echo "make test    run all tests (ARGS='-k url -x' goes to pytest)"
	@echo "make chaos   what becomes of samples while nodes of a real cluster stop, restart, leave (ARGS='--only rolling')"
	@echo "make bench   measure aistorch, the SDK's plugin and wrk side by side (ARGS=--quick for a short look)"
	@echo 'make notebooks  make and execute the notebooks of examples/ again'
	@echo 'make docs    the documentation as a site, in site/'
	@echo 'make lint    ruff and mypy'
	@echo 'make wheel   the package to install, in dist/'
	@echo 'make clean   remove what was made here'

demo: $(VENV)/.installed-demo
	@$(BIN)/aistorch demo

test: $(VENV)/.installed-test
	@$(BIN)/python tests/support/private_network.py $(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

chaos: $(VENV)/.installed-test
	@$(BIN)/python tests/support/private_network.py $(BIN)/python -m tests.cluster.chaos $(ARGS)

bench: $(VENV)/.installed-bench
	@$(BIN)/python tests/support/private_network.py $(BIN)/python -m benchmarks $(ARGS)

notebooks: $(VENV)/.installed-notebooks
	@$(BIN)/python examples/build_notebooks.py $(ARGS)

docs: $(VENV)/.installed-docs
	$(BIN)/mkdocs build --strict

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

wheel: $(VENV)/.installed-dev
	rm -rf dist
	$(BIN)/python -m build --wheel

clean:
	rm -rf .venv .venv-* build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests -name __pycache__ -prune -exec rm -rf {} +

# One stamp for each extra: installed again when the dependencies may have changed, and not otherwise.
$(VENV)/.installed-%: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --editable '.[$*]' $(if $(TORCH),'torch==$(TORCH).*')
	@touch $@

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo 'make: there is no $(PYTHON) on PATH; aistorch needs Python 3.10 or newer (PYTHON=... make ... to name one)' >&2; \
	  exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.exit(None if sys.version_info >= (3, 10) else \
	  "make: $(PYTHON) is Python " + v + "; aistorch needs 3.10 or newer (PYTHON=python3.12 make ... to name one)")'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
