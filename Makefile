# jwmirror: everything a newcomer or a developer calls. `make help` lists it.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
REAL := $(abspath ../shared/data)
export JWMIRROR_REAL_DATA ?= $(wildcard $(REAL))
# Everything that runs finds the environment's own programs first.
export PATH := $(abspath $(BIN)):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help install wheels development environments demo quick test coverage torture mutants check types format docs site reliability troubles \
  bench lock upgrade clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed  ## install jwmirror into .venv, with the exact packages of envs/jwmirror.lock

# All packages are hashed, also those that others are built with: pip does not fetch any for a build.
PIP := -m pip install --quiet --disable-pip-version-check
BUILD_TOOLS := $(PIP) --require-hashes --only-binary :all: -r envs/build.lock
LOCKED := $(PIP) --require-hashes --no-build-isolation -r

$(VENV)/.installed: envs/build.lock envs/jwmirror.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "jwmirror needs Python >= 3.11; name one: make PYTHON=python3.12 install"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(BUILD_TOOLS)
	$(BIN)/python $(LOCKED) envs/jwmirror.lock
	$(BIN)/python $(PIP) --no-build-isolation --no-deps -e .
	@touch $@

wheels: install  ## collect in wheels/ what `make install` needs at a site without internet
	$(BIN)/python -m pip download --quiet --require-hashes --only-binary :all: -d wheels -r envs/build.lock
	$(BIN)/python -m pip download --quiet --require-hashes --no-build-isolation -d wheels -r envs/jwmirror.lock

development: $(VENV)/.development  ## install also what tests, checks and docs need (envs/development.lock)

$(VENV)/.development: $(VENV)/.installed envs/development.lock
	$(BIN)/python $(LOCKED) envs/development.lock
	@touch $@

# A name `jwst-1.20` makes .venv-jwst-1.20 from envs/jwst-1.20.lock.
environments: $(patsubst envs/%.lock,$(VENV)-%/.installed,$(wildcard envs/jwst-*.lock))  ## install other versions of jwst, for recipes with `environment`

$(VENV)-%/.installed: envs/%.lock envs/build.lock
	$(PYTHON) -m venv $(VENV)-$*
	$(VENV)-$*/bin/python $(BUILD_TOOLS)
	$(VENV)-$*/bin/python $(LOCKED) $<
	@touch $@
	@echo "Name it in the config, then allow it once: $(BIN)/jwmirror check --allow-environments"

demo: install  ## run the workflow on a simulated observatory, in four acts (5 minutes)
	$(BIN)/python -m demo

PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

quick: development  ## run the unit tests only (minutes)
	$(PYTEST) tests/unit

test: development  ## run all tests, up to four at a time
	$(PYTEST)

coverage: development  ## measure the coverage of the unit tests (minutes)
	$(PYTEST) tests/unit --cov=jwmirror --cov-report=term:skip-covered

torture: development  ## run the long tests: 2,000 kills, 1,000 power cuts and a private Slurm (as root), disk errors, 20,000 odd files
	JWMIRROR_TORTURE=long $(BIN)/python -m pytest --timeout 7200 tests/torture

mutants: development  ## put wrong lines into the code, and check that a unit test notices each (minutes)
	$(BIN)/python -m tests.mutants

check: development site types  ## formatting, lint, types (as `make types`), links in the docs; shows the last coverage
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/snakefmt --check Snakefile rules workflow
	$(BIN)/snakemake --lint
	@$(BIN)/coverage report --skip-covered 2>/dev/null || echo "Test coverage: not measured yet; make coverage does."

types: development  ## check the static types; pyproject.toml ([tool.mypy]) says which are required where
	$(BIN)/mypy jwmirror jwmirror_simulator demo
	$(BIN)/python -m tests.type_escapes

format: development  ## format the code, and correct what lint can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/snakefmt Snakefile rules workflow

docs: development  ## write what is made from schema and jwst (config/README.md), and the site with the API to build/site
	$(BIN)/python config/make_readme.py
	$(BIN)/python config/make_values.py
	$(BIN)/python -m tests.notebooks
	$(BIN)/python -m tests.modes
	$(BIN)/python -m tests.mistakes
	$(SITE)

SITE := $(BIN)/python docs/pages.py && \
  $(BIN)/sphinx-build -q -W --keep-going -c docs -d build/doctrees build/pages build/site

site: development
	$(SITE)

reliability: development  ## write docs/reliability.md, after a test of each fault (minutes)
	$(BIN)/python -m tests.reliability

troubles: development  ## write docs/quality-troubles.md: simulated troubles and healthy results, judged (an hour)
	$(BIN)/python -m tests.quality build/quality

bench: development  ## measure the figures in the docs on this machine
	$(BIN)/python -m benchmarks

COMPILE = uv pip compile --universal --fork-strategy fewest --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-annotate --no-header --quiet $(UPGRADE)

lock:  ## add new packages of pyproject.toml to the locks, and keep all other versions (needs uv)
	$(COMPILE) pyproject.toml --extra recalibrate --output-file envs/jwmirror.lock
	$(COMPILE) --group build --constraints envs/jwmirror.lock --output-file envs/build.lock
	$(COMPILE) pyproject.toml --extra recalibrate --extra test --extra docs \
	  --constraints envs/jwmirror.lock --constraints envs/build.lock --output-file envs/development.lock
	for file in envs/jwst-*.yaml; do grep -oE '[a-z]+==[0-9.]+' $$file | \
	  $(COMPILE) - --output-file $${file%.yaml}.lock; done

upgrade: UPGRADE := --upgrade
upgrade: lock  ## move all packages of the locks to their newest versions (needs uv)

clean:  ## remove the demo's files
	rm -rf build/demo
