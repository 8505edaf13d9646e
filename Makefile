# Two commands: `make up` runs Sortline, `make test` proves it. `make help` tells the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# A stamp stands for "installed since pyproject.toml last changed", so that a second start takes seconds.
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
# pytorch-ood is what the detectors of unknown items are held against in tests, and nothing else needs it.
WITH_TRAINING := -e '.[dev,train]' 'pytorch-ood>=0.4' -c constraints-dev.txt -c constraints-train.txt
# Passed on: make up ARGS="--port 8001", make test ARGS="-k lines".
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: up test check format bench starter help clean

up: $(INSTALLED)  ## Install what is missing and start Sortline
	@$(BIN)/sortline up $(ARGS)

test: check  ## Run the checks and the whole test suite; TRAIN=1 with PyTorch (5 GB), for the tests of training
	$(if $(TRAIN),@$(PIP) $(WITH_TRAINING))
	$(BIN)/python -m pytest $(ARGS)

check: $(INSTALLED_DEV)  ## Lint, types and the import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED_DEV)  ## Format the code and mend what the linter can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(INSTALLED_DEV)  ## Measure serving against what the machine can do
	$(BIN)/python benchmarks/serving.py $(ARGS)

starter: $(INSTALLED_DEV)  ## Make the packaged bundle anew (needs the data sets; takes a while)
	$(PIP) $(WITH_TRAINING)
	$(BIN)/python -m sortline.training.starter $(ARGS)

clean:  ## Remove the environment and the caches; data stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

help:  ## Show this
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(INSTALLED): pyproject.toml | $(BIN)/python
	@echo "Installing Sortline into $(VENV); the first time this takes a minute or two."
	@$(PIP) -e .
	@touch $@

$(INSTALLED_DEV): pyproject.toml constraints-dev.txt | $(BIN)/python
	@echo "Installing Sortline and what its tests need into $(VENV)."
	@$(PIP) -e '.[dev]' -c constraints-dev.txt
	@touch $@ $(INSTALLED)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Sortline needs Python 3.11 or newer; name one: make up PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "$(PYTHON) cannot make environments; on Debian: apt install python3-venv" >&2; exit 1; }
