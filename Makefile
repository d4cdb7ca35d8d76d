# Everything a person or CI runs. Each target builds the environment first and is quick when nothing changed.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all check build lab lock format clean

BIN := .venv/bin
# uv from the PATH where there is one, else a copy of our own in .uv/.
UV := $(shell command -v uv || echo .uv/bin/uv)
PYTEST_ARGS ?=
# Where it is set, each process compiles all of torch anew: five seconds every time instead of once.
unexport PYTHONDONTWRITEBYTECODE

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

setup: .venv/.ready ## the environment in .venv, from requirements.lock

.uv/bin/uv:
	python3 -m venv .uv
	.uv/bin/python -m pip install --quiet uv

.venv/.ready: requirements.lock pyproject.toml | $(filter .uv/bin/uv,$(UV))
	@echo "setting up .venv (about 6 GB, a minute or two the first time)"
	test -x $(BIN)/python || $(UV) venv --quiet --python '>=3.11' .venv
	$(UV) pip sync --quiet --python $(BIN)/python requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	$(BIN)/grading kernel
	touch $@

demo: setup ## grade a class of hand-ins → build/demo/report.html, grades.csv
	$(BIN)/grading build
	$(BIN)/grading demo

# Two at a time, one thread each; no test watches a clock that another could hold up.
test: setup ## the tests of every change; prints their number and the slowest twenty
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal --durations=20 $(PYTEST_ARGS)

test-all: setup ## all of it before a release: every network, 2,000 broken notebooks, a sample on newer Pythons
	$(MAKE) test PYTEST_ARGS="--exhaustive $(PYTEST_ARGS)"
	scripts/newer_pythons.sh $(UV)

check: setup ## format, lint, types, who imports whom, and generated files up to date
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy tests benchmarks scripts
	$(BIN)/lint-imports
	$(BIN)/grading build --check

build: setup ## notebooks, nbgrader tree and fingerprints from solutions/
	$(BIN)/grading build

lab: setup ## JupyterLab on notebooks/
	$(BIN)/coursekit lab

format: setup ## let ruff format and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(filter .uv/bin/uv,$(UV)) ## resolve requirements.lock anew from pyproject.toml
	$(UV) pip compile --quiet --universal --python-version 3.11 --all-extras --upgrade --no-header --no-annotate \
		pyproject.toml --output-file requirements.lock

clean: ## remove what can be generated again (not the environment)
	rm -rf build .pytest_cache .mypy_cache .ruff_cache
