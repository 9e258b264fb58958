SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
PYTHON ?= python3
# stage commands run plain `python`, so the environment's comes first
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
READY := $(VENV)/.ready

.PHONY: help setup repro test test-fast test-all mutants lint audit ui mlflow-sync release verify-release clean

help: ## show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(READY) ## make .venv with the pinned dependencies, the MLflow store, and a local git identity where none is set

# the stamp is written last: a set-up that was interrupted is done again from the start
$(READY): pyproject.toml constraints.txt
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	pip install --disable-pip-version-check -c constraints.txt -e '.[torch,pipeline,cluster,demo,dev]'
	python -m erkd.telemetry
	@if git rev-parse --git-dir >/dev/null 2>&1; then \
	   git config user.name >/dev/null || git config --local user.name erkd; \
	   git config user.email >/dev/null || git config --local user.email erkd@localhost; \
	 else dvc config --local core.no_scm true; fi
	python -m erkd.tracking.training_run create
	python -c 'import pymatting' # compiles and keeps its kernels, once
	touch $@

repro: setup ## run the whole pipeline (`dvc repro`)
	dvc repro

PYTEST := pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder
test: setup lint ## lint, types and every test that a change can break: ten minutes on two cores
	$(PYTEST)

test-fast: setup ## the tests that take seconds: two minutes
	$(PYTEST) -m 'not slow and not nightly'

test-all: test ## `make test`, the fast ones in random order, kills, fuzzing, load, whole pipelines, guides in fresh clones
	$(PYTEST) -p randomly -m 'not slow and not nightly'
	pytest -m nightly

mutants: setup ## the share of small faults in metrics, losses and compositing that the tests find, five minutes
	mutmut run
	mutmut export-cicd-stats && cat mutants/mutmut-cicd-stats.json

lint: setup ## ruff, mypy, the direction of imports, undeclared packages
	ruff check .
	ruff format --check .
	mypy
	lint-imports
	deptry erkd pipeline benchmarks judge tests

AUDIT := .erkd/audit
audit: ## known weaknesses of the pinned packages, by pip-audit; it asks pypi.org
	@curl -s --max-time 10 -o /dev/null https://pypi.org/pypi/pip/json || { \
	  echo "audit: pypi.org cannot be reached from here, and pip-audit asks it; run it where there is a network" >&2; exit 2; }
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/pip install --disable-pip-version-check pip-audit==2.10.1
	$(AUDIT)/bin/pip-audit --no-deps --disable-pip -r constraints.txt

ui: setup ## the MLflow UI on http://127.0.0.1:5000
	python -m erkd.tracking.training_run ui

mlflow-sync: setup ## log the last training run where the MLflow store missed it
	python -m erkd.tracking.training_run sync

release: setup ## train the students that ship, as far as MINUTES=30 go; the same command goes on
	dvc repro release/dvc.yaml:features
	python -m pipeline.release --root release --trial all $(if $(MINUTES),--minutes $(MINUTES))

verify-release: setup ## score the students that ship and replay the first steps of their trainings (PHOTOGRAPHS=DIR JUDGE=DIR)
	dvc repro release/dvc.yaml:features
	python -m benchmarks.release $(if $(PHOTOGRAPHS),--photographs $(PHOTOGRAPHS)) $(if $(JUDGE),--judge $(JUDGE))

clean: ## remove the environment and everything that the pipeline wrote
	rm -rf $(VENV) .erkd .dvc/tmp .dvc/cache data/[!bp]*/ data/baselines/ data/predictions/ data/baselines_folders/*/ models/*/ reports/index.html reports/registered.json reports/timings reports/validation reports/similarity/*/ reports/sets/*/ mlflow.db* mlartifacts
