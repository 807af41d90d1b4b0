# Every target does its own set-up: a clean clone needs only Python (3.11 or newer) and make.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check notebooks docs bench fuzz torture clean
.DEFAULT_GOAL := demo

demo: .venv/installed  ## the main job on the sample company; ends with a table and a report
	$(BIN)/crm-analytics demo --folder out/demo

test: .venv/installed-dev  ## all tests, documentation examples and notebooks
	$(BIN)/pytest -n auto --dist loadfile

check: .venv/installed-dev  ## style, types, floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

notebooks: .venv/installed-dev  ## execute the notebooks
	$(BIN)/pytest -q tests/test_notebooks.py

docs: .venv/installed-dev  ## rewrite the generated pages: data dictionary and command line reference
	$(BIN)/python docs/generate.py

bench: .venv/installed-dev  ## seconds, memory and growth of every step; writes benchmarks/results/
	$(BIN)/python -m benchmarks.run

fuzz: .venv/installed-dev  ## damaged export files through the reader; MINUTES=10
	$(BIN)/python -m tests.torture.fuzz_reader --minutes $(or $(MINUTES),10)

torture: .venv/installed-dev  ## every disk call fails in every mode, kill -9 at random moments; some ten minutes
	rm -rf out/torture && mkdir -p out/torture/records out/torture/sync
	$(BIN)/python -m tests.torture.warehouse_faults --folder out/torture/warehouse
	$(BIN)/python -m tests.torture.record_faults out/torture/records
	$(BIN)/python -m tests.torture.sync_kills out/torture/sync 60 7
	$(BIN)/python -m tests.torture.erase_kills out/torture/erase 20 5

clean:
	rm -rf .venv out build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "crm_analytics needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

.venv/installed: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet -e .
	touch $@

.venv/installed-dev: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@ .venv/installed
