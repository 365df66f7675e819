# What people and CI type. Everything is installed into this checkout: .venv/ and var/.
PYTHON ?= python3
BIN := .venv/bin
# The system's Python is asked once; later targets use the environment's own.
.DEFAULT_GOAL := help
.PHONY: help messages assets demo test run check format bench million cuts lock openapi verifier

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

.venv/installed: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one with PYTHON=..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the locked packages into .venv ..."
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation --editable . 2>&1 | grep -v -e Warning -e "^ " -e "^$$" || true; test -x $(BIN)/cadastre
	@touch $@

assets: .venv/installed ## Build the browser's scripts
	@$(BIN)/python scripts/build_assets.py

messages: .venv/installed ## Collect the pages' sentences, and compile their French
	@$(BIN)/python scripts/messages.py

demo: .venv/installed ## Run the main job end to end, on a real regtest chain
	@$(BIN)/python -m demo

run: assets ## Serve the site with worker, beat and node, to play with
	@$(BIN)/python -m demo.serve

check: assets ## Lint, formatting, types and import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "Not formatted: run make format." >&2; exit 1; }
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports
	@$(BIN)/mypy .
	@$(BIN)/python scripts/build_assets.py --check
	@mkdir -p var/development
	@$(BIN)/python manage.py makemigrations --check --dry-run --verbosity 0 || { echo "The models and migrations differ." >&2; exit 1; }

test: check ## Check, then run every test, on SQLite and on PostgreSQL
	@$(BIN)/python scripts/run_tests.py $(TESTS)

format: .venv/installed ## Format the code
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .
	@$(BIN)/python scripts/build_assets.py --format

bench: assets ## Measure against peers, as ratios
	@$(BIN)/python -m bench

million: .venv/installed ## Register, seal, anchor, export and audit a million records; takes minutes
	@$(BIN)/python -m bench.million

cuts: .venv/installed ## Upload 20 GB over a connection that is cut ten times; takes minutes and the room
	@$(BIN)/python -m bench.cuts

verifier: ## Build dist/cadastre-verify.pyz, the verifier as one file
	@$(PYTHON) scripts/build_verifier.py

openapi: .venv/installed ## Write docs/reference/openapi.yaml anew
	@$(BIN)/python manage.py spectacular --validate --fail-on-warn --file docs/reference/openapi.yaml

lock: .venv/installed ## Resolve the dependencies anew
	@$(BIN)/uv pip compile pyproject.toml --universal --generate-hashes --no-header --override overrides.txt --python-version 3.11 --upgrade --quiet --output-file requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --extra dev --universal --generate-hashes --no-header --override overrides.txt --python-version 3.11 --upgrade --quiet --output-file requirements-dev.lock
