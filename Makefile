# Everything that a fresh machine needs is Python 3.11 (or newer), git and make.
#
#   make demo     the whole story in under a minute: lock, load, and every refusal
#   make drill    an incident, from promotion to the report with proofs, and the times
#   make test     the whole suite
#
# `make lint`, `make bench`, `make docs`, `make matrix`, `make coverage` and `make clean` are for who works on weighlock itself.
# PYTHON=… chooses the interpreter, VENV=… the environment, JOBS=… how many tests run at once,
# TORCH_INDEX=… an index that has CPU builds of torch (see CONTRIBUTING.md).

SHELL := /bin/sh
PYTHON ?= $(shell for python in python3.11 python3 python3.14 python3.13 python3.12; do \
  $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v $$python; break; }; done)
VENV ?= .venv
JOBS ?= 2
TORCH_INDEX ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
EXTRA_INDEX := $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
DATA := .coverage

.PHONY: demo drill test lint bench docs matrix coverage clean
.DELETE_ON_ERROR:

demo: $(VENV)/.core
	@$(BIN)/weighlock demo

drill: $(VENV)/.sign
	@$(BIN)/python -m weighlock.demo.drill

test: $(VENV)/.test
	@rm -f $(DATA) $(DATA).*
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --cov --cov-report= --cov-fail-under=0

# The coverage gate reads what the last `make test` measured.
lint: $(VENV)/.lint
	@test -f $(DATA) || $(MAKE) test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/docs.py --check
	$(BIN)/coverage report

bench: $(VENV)/.bench
	$(BIN)/python -m bench

docs: $(VENV)/.core
	$(BIN)/python tools/docs.py

# The guard under every major version of huggingface_hub that it supports, each in a folder of its own,
# with TensorFlow, and installing under every pip.
matrix: $(VENV)/.test
	$(BIN)/python tests/e2e/matrix.py
	$(BIN)/python tests/e2e/tensorflow_matrix.py
	$(BIN)/python tests/e2e/pip_matrix.py

# Every loader in every kind of process, with a payload; writes docs/coverage.md.
coverage: $(VENV)/.test
	$(BIN)/python -m tests.loaders

clean:
	rm -rf $(VENV) .venv-* build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -f $(DATA) $(DATA).*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "error: $(if $(PYTHON),$(PYTHON) is not Python 3.11 or newer,there is no Python 3.11 or newer on the PATH)" >&2; \
	  echo "hint: name one: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@"$(PYTHON)" -m venv $(VENV) || { echo "error: $(PYTHON) cannot make an environment" >&2; \
	  echo "hint: some systems have venv in a package of its own, such as python3-venv" >&2; \
	  rm -rf $(VENV); exit 2; }

# One stamp for each set of packages, so that a repeated command starts at once.
$(VENV)/.core: pyproject.toml | $(BIN)/python
	$(PIP) install --quiet --upgrade pip
	$(PIP) install --quiet --editable .
	@touch $@

$(VENV)/.sign: $(VENV)/.core
	$(PIP) install --quiet 'cryptography>=45'
	@touch $@

$(VENV)/.test: $(VENV)/.core
	$(BIN)/python tools/cpu_torch.py $(EXTRA_INDEX)
	$(PIP) install --quiet $(EXTRA_INDEX) --group test
	@touch $@

$(VENV)/.lint: $(VENV)/.core
	$(PIP) install --quiet --group lint
	@touch $@

$(VENV)/.bench: $(VENV)/.test
	$(PIP) install --quiet $(EXTRA_INDEX) --group bench
	@touch $@
