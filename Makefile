# jwmirror: everything a newcomer or a developer calls. `make help` lists it.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
REAL := $(abspath ../shared/data)
export JWMIRROR_REAL_DATA ?= $(wildcard $(REAL))
# Everything that runs finds the environment's own programs first.
export PATH := $(abspath $(BIN)):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help install environments demo quick test torture check types format docs site reliability \
  bench lock upgrade clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed  ## the environment in .venv, from the hashed lock

$(VENV)/.installed: envs/jwmirror.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "jwmirror needs Python >= 3.11; name one: make PYTHON=python3.12 install"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r envs/jwmirror.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

# A name `jwst-1.20` makes .venv-jwst-1.20 from envs/jwst-1.20.lock.
environments: $(patsubst envs/%.lock,$(VENV)-%/.installed,$(wildcard envs/jwst-*.lock))  ## other versions of jwst, that recipes may name

$(VENV)-%/.installed: envs/%.lock
	$(PYTHON) -m venv $(VENV)-$*
	$(VENV)-$*/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

demo: install  ## run the workflow on a simulated observatory, in four acts (3 minutes)
	$(BIN)/python -m demo

PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

quick: install  ## unit tests only; minutes
	$(PYTEST) tests/unit

test: install  ## all tests, a process per core; with the coverage of the unit tests
	$(PYTEST) --cov=jwmirror --cov-report=term:skip-covered

torture: install  ## the store's long tests: 2,000 kills, 1,000 power cuts (root), every refusal
	JWMIRROR_TORTURE=long $(BIN)/python -m pytest --timeout 7200 tests/torture

check: install site types  ## formatting, lint, types, the workflow's own lint, links of the docs, coverage
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/snakefmt --check Snakefile rules workflow
	$(BIN)/snakemake --lint
	@$(BIN)/coverage report --skip-covered 2>/dev/null || echo "Test coverage: not measured yet; make test does."

types: install  ## static types; which are required where: [tool.mypy] in pyproject.toml
	$(BIN)/mypy jwmirror jwmirror_simulator demo
	$(BIN)/python -m tests.type_escapes

format: install  ## put the code in order
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/snakefmt Snakefile rules workflow

docs: install  ## config/README.md from the schema, and the site with the API in build/site
	$(BIN)/python config/make_readme.py
	$(SITE)

SITE := $(BIN)/python docs/pages.py && \
  $(BIN)/sphinx-build -q -W --keep-going -c docs -d build/doctrees build/pages build/site

site: install
	$(SITE)

reliability: install  ## docs/reliability.md, from a trial of each fault; minutes
	$(BIN)/python -m tests.reliability

bench: install  ## the figures in the docs, measured on this machine
	$(BIN)/python -m benchmarks

lock:  ## add to the locks what pyproject.toml asks for, and keep all other versions (needs uv)
	uv pip compile pyproject.toml --extra test --extra docs --universal --fork-strategy fewest \
	  --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  --quiet $(UPGRADE) --output-file envs/jwmirror.lock
	for each in envs/jwst-*.yaml; do grep -oE '[a-z]+==[0-9.]+' $$each | uv pip compile - --universal \
	  --fork-strategy fewest --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --no-header --quiet $(UPGRADE) --output-file $${each%.yaml}.lock; done

upgrade: UPGRADE := --upgrade
upgrade: lock  ## all packages of the locks to their newest versions (needs uv)

clean:  ## remove the demo's files
	rm -rf build/demo
