# Everything starts here. Each target sets up what it needs and is quick when there is nothing to do.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# the system's certificates: many networks have one of their own
UV := $(BIN)/uv pip install --quiet --system-certs --python $(BIN)/python
NPM := NODE_OPTIONS=--use-openssl-ca SSL_CERT_FILE=$${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt} npm
PACKAGES := btcframe plugins/features plugins/regimes plugins/models plugins/execution
DISTRIBUTIONS := -e . -e plugins/features -e plugins/regimes -e plugins/models -e plugins/execution
WARM := $(VENV)/.warm
WORKERS ?= 3

.PHONY: help setup demo test check lint docs bench drills lock clean

help:
	@echo "make demo    set up, run the main job, say where the result lies"
	@echo "make test    set up, run every test"
	@echo "make check   formatting, lint, types, layers, every config file composed"
	@echo "make docs    the documentation as a site, in site/"
	@echo "make bench   the benchmarks: ratios to a named peer in the same run"
	@echo "make drills  the long fault drills and statistical proofs, in full"
	@echo "make setup   only the environment, in .venv"

setup: $(READY)

$(READY): requirements/bootstrap.txt requirements/dev.txt pyproject.toml $(wildcard plugins/*/pyproject.toml) tests/servers/package-lock.json
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) is missing; install it (apt-get install python3.11 python3.11-venv) or name another: make PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "make: $(PYTHON) cannot make a virtual environment; install its venv package (apt-get install python3.11-venv)" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@$(UV) --no-deps --require-hashes --compile-bytecode -r requirements/dev.txt
	@$(UV) --no-deps --no-build-isolation $(DISTRIBUTIONS)
	@$(BIN)/python -m compileall -q $(PACKAGES)
	@$(NPM) ci --silent --fetch-retries=1 --fetch-timeout=60000 --prefix tests/servers || echo "make: no TimescaleDB from npm: its tests will be skipped"
	@touch $@

# What most tests need of the kernels is compiled before them: a session in a test would stand still meanwhile.
$(WARM): $(READY) $(shell find $(PACKAGES) -name '*.py' -not -path '*/tests/*')
	@tmp=$$(mktemp -d) && trap "rm -rf $$tmp" EXIT && $(BIN)/btcframe run source.duration=20m validation.folds=2 policy=passive,market hydra.sweep.dir=$$tmp/run store.path=$$tmp/lake -m >$$tmp/log 2>&1 || { cat $$tmp/log; exit 1; }
	@touch $@

demo: $(READY)
	@$(BIN)/btcframe run

# one more than the cores of a small machine: tests wait, for servers, browsers and clocks
test: $(WARM)
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal

check: lint
	@$(BIN)/python -m pytest -q tests/test_conf.py

lint: $(READY)
	@$(BIN)/ruff format --check --quiet . || { echo "not formatted: run $(BIN)/ruff format ."; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

# strict: a link that leads nowhere, a page that no menu has, and every other warning is an error
docs: $(READY)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "In site/: open site/index.html; with the search: $(BIN)/python -m http.server -d site"

bench: $(WARM)
	@$(BIN)/python -m benchmarks

drills: $(WARM)
	@$(BIN)/python -m pytest -q -m drill -n 2

# peewee is asked for by empyrical-reloaded, used by no line of it, and would have to be compiled
lock: $(READY)
	@cd requirements && for f in bootstrap dev; do ../$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-package peewee --python-version 3.11 $$f.in -o $$f.txt; done
	@cd requirements && ../$(BIN)/uv pip compile --quiet --universal --no-deps --generate-hashes --no-header --python-version 3.11 judge.in -o judge.txt

clean:
	rm -rf $(VENV) runs lake site
