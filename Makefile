# make run    set everything up in .venv and run the main job
# make up     set everything up and start a Prefect server and workers; .venv/bin/moongate down ends them
# make test   set everything up and check everything
# make setup  only set up; a second call does nothing
# make verify measure again what the other pages of docs/ say, and a large model's memory (hours on 2 cores; goes on where it was stopped; adds the extras, needs a Chromium)
# make bench  measure again what docs/performance.md says (goes on where it was stopped)

VENV    := .venv
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.moongate-setup
PYTHON  ?= $(shell for p in python3 python3.12 python3.11 python3.13 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)

.DEFAULT_GOAL := help
.PHONY: help setup run up test bench verify check format lock clean

help:
	@sed -n 's/^# make/make/p' Makefile

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml flows/blank_database.py
	@if [ -z "$(PYTHON)" ]; then \
		echo "moongate needs Python 3.11 or newer, and none was found on PATH." >&2; \
		echo "Install one, or name it: make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/python3.11" >&2; exit 1; fi
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit( \
		f"moongate needs Python 3.11 or newer; $(PYTHON) is {v.major}.{v.minor}. Name another: make setup PYTHON=...")'
	@echo "[1/4] environment: $(VENV) with $$($(PYTHON) --version)"
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "Python's venv module is missing or incomplete (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@echo "[2/4] locked dependencies: 2 GB on disk with a CPU build of torch, more with CUDA; some minutes"
	@$(BIN)/python -m pip install --quiet -r requirements.lock
	@$(BIN)/python -m pip check
	@echo "[3/4] moongate itself"
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@echo "[4/4] an empty Prefect database, for runs without a server of their own"
	@$(BIN)/python -m flows.blank_database
	@touch $@
	@echo "Ready: $(BIN)/moongate --help"

run: setup
	@$(BIN)/moongate run

up: setup
	@$(BIN)/moongate up

test: check
	$(BIN)/pytest -n 2 --dist loadfile

bench: setup
	$(BIN)/python -m benchmarks.speed

verify: setup
	$(BIN)/python -m pip install --quiet -c requirements.lock --no-build-isolation --editable '.[browser,dask,ray]'
	$(BIN)/python -m benchmarks.main_job
	$(BIN)/python -m benchmarks.base_model
	$(BIN)/python -m benchmarks.inversion
	$(BIN)/python -m benchmarks.dreambooth
	$(BIN)/python -m benchmarks.hostile
	$(BIN)/python -m benchmarks.staleness
	$(BIN)/python -m benchmarks.sharing
	$(BIN)/python -m benchmarks.kills
	$(BIN)/python -m benchmarks.faults
	$(BIN)/moongate run --preset quick --quiet
	$(BIN)/python -m benchmarks.pages --strict
	$(BIN)/python -m benchmarks.operations
	$(BIN)/python -m benchmarks.browser
	$(BIN)/python -m benchmarks.campaigns
	$(BIN)/python -m benchmarks.results_page
	$(BIN)/python -m benchmarks.reliability_page
	$(BIN)/python -m benchmarks.operations_page
	$(BIN)/python -m benchmarks.engines
	$(BIN)/python -m benchmarks.scale
	$(BIN)/python -m benchmarks.scale.page
	$(BIN)/python -m benchmarks.speed.memory

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m flows.cli_reference --check

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Resolves in a fresh environment, so that nothing installed by hand gets in. No local build tags, no paths.
lock:
	@rm -rf $(VENV)-lock
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet '.[dev]' torch==2.13.0
	@{ echo "# Every package of the environment, pinned. After changing pyproject.toml: make lock"; \
		$(VENV)-lock/bin/python -m pip freeze --exclude moongate | sed -e 's/+[a-z0-9.]*$$//' -e '/ @ /d' -e '/^nvidia-/d' -e '/^cuda-/d' -e '/^triton==/d'; } > requirements.lock
	@rm -rf $(VENV)-lock

clean:
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache build dist
