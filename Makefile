# `make run` and `make test` are all that is needed: both set up .venv first.

PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(shell \
	$(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
BIN := .venv/bin
# Named by content, so that a checkout that only changes dates installs nothing.
INSTALLED := .venv/installed-$(shell cat pyproject.toml constraints.txt | cksum | cut -d' ' -f1)
MEMORY := .run/docs.mp4

.PHONY: setup run test lint format bench clean

setup: $(INSTALLED)

$(INSTALLED):
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or name it with PYTHON=..." >&2; exit 1; }
	@echo "setting up .venv with $(PYTHON); the first time takes a few minutes"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@rm -f .venv/installed-* && touch $@

run: setup
	@mkdir -p $(dir $(MEMORY))
	$(BIN)/memvid encode $(wildcard README.md docs) -o $(MEMORY) --sync --yes
	$(BIN)/memvid verify $(MEMORY)
	$(BIN)/memvid search -v $(MEMORY) -q "what happens when a commit is cut off" -k 3

test: setup
	$(BIN)/python -m pytest $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	@test -n "$(CORPUS)" || { echo "name a folder of text files: make bench CORPUS=DIR" >&2; exit 2; }
	$(BIN)/python -m benchmarks --corpus "$(CORPUS)" $(ARGS)

clean:
	rm -rf .run .pytest_cache .ruff_cache .hypothesis benchmarks/results *.egg-info
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
