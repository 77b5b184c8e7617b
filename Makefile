# jwmirror: everything a newcomer or a developer calls. `make help` lists it.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
REAL := $(abspath ../shared/data)
export JWMIRROR_REAL_DATA ?= $(wildcard $(REAL))
# Everything that runs finds the environment's own programs first.
export PATH := $(abspath $(BIN)):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help install environments demo quick test torture mutants check types format docs site reliability troubles \
  bench lock upgrade clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed  ## install jwmirror into .venv, with the exact packages of envs/jwmirror.lock

$(VENV)/.installed: envs/jwmirror.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "jwmirror needs Python >= 3.11; name one: make PYTHON=python3.12 install"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r envs/jwmirror.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

# A name `jwst-1.20` makes .venv-jwst-1.20 from envs/jwst-1.20.lock.
environments: $(patsubst envs/%.lock,$(VENV)-%/.installed,$(wildcard envs/jwst-*.lock))  ## install other versions of jwst, for recipes with `environment`

$(VENV)-%/.installed: envs/%.lock
	$(PYTHON) -m venv $(VENV)-$*
	$(VENV)-$*/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

demo: install  ## run the workflow on a simulated observatory, in four acts (5 minutes)
	$(BIN)/python -m demo

PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

quick: install  ## run the unit tests only (minutes)
	$(PYTEST) tests/unit

test: install  ## run all tests, up to four at a time, and measure the coverage of the unit tests
	$(PYTEST) --cov=jwmirror --cov-report=term:skip-covered

torture: install  ## run the long tests of the store: 2,000 kills, 1,000 power cuts (as root), disk errors
	JWMIRROR_TORTURE=long $(BIN)/python -m pytest --timeout 7200 tests/torture

mutants: install  ## put wrong lines into the code, and check that a unit test notices each (minutes)
	$(BIN)/python -m tests.mutants

check: install site types  ## formatting, lint, types (as `make types`), links in the docs; shows the last coverage
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/snakefmt --check Snakefile rules workflow
	$(BIN)/snakemake --lint
	@$(BIN)/coverage report --skip-covered 2>/dev/null || echo "Test coverage: not measured yet; make test does."

types: install  ## check the static types; pyproject.toml ([tool.mypy]) says which are required where
	$(BIN)/mypy jwmirror jwmirror_simulator demo
	$(BIN)/python -m tests.type_escapes

format: install  ## format the code, and correct what lint can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/snakefmt Snakefile rules workflow

docs: install  ## write config/README.md from the schema, and the site with the API to build/site
	$(BIN)/python config/make_readme.py
	$(SITE)

SITE := $(BIN)/python docs/pages.py && \
  $(BIN)/sphinx-build -q -W --keep-going -c docs -d build/doctrees build/pages build/site

site: install
	$(SITE)

reliability: install  ## write docs/reliability.md, after a test of each fault (minutes)
	$(BIN)/python -m tests.reliability

troubles: install  ## write docs/quality-troubles.md: simulated troubles and healthy results, judged (an hour)
	$(BIN)/python -m tests.quality build/quality

bench: install  ## measure the figures in the docs on this machine
	$(BIN)/python -m benchmarks

lock:  ## add new packages of pyproject.toml to the locks, and keep all other versions (needs uv)
	uv pip compile pyproject.toml --extra test --extra docs --universal --fork-strategy fewest \
	  --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  --quiet $(UPGRADE) --output-file envs/jwmirror.lock
	for each in envs/jwst-*.yaml; do grep -oE '[a-z]+==[0-9.]+' $$each | uv pip compile - --universal \
	  --fork-strategy fewest --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --no-header --quiet $(UPGRADE) --output-file $${each%.yaml}.lock; done

upgrade: UPGRADE := --upgrade
upgrade: lock  ## move all packages of the locks to their newest versions (needs uv)

clean:  ## remove the demo's files
	rm -rf build/demo
