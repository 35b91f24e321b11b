# deepsound: every target sets up .venv by itself when it is missing.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
EXECUTOR_ENV := build/deepsound-executor.tar.gz
RUN    = PATH="$(CURDIR)/$(BIN):$$PATH" JAVA_HOME="$$($(BIN)/deepsound java-home)"

.DEFAULT_GOAL := help
.PHONY: help install demo executor-env test soak oldest screenshots bench lint format ui docs architecture notebooks release clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'

install: $(STAMP)  ## set up .venv with everything (Python 3.11 to 3.13 must be there)

$(STAMP): setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "deepsound: needs Python 3.11, 3.12 or 3.13 (TensorFlow has no wheel for 3.14), this is " + sys.version.split()[0] + "; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt pip setuptools wheel
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[all,dev]'
	@# MusiCNN's metadata pins an old numpy; only its weight files are read, none of its code is run.
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps musicnn
	@touch $@

demo: $(STAMP)  ## MFCC against an embedding on sample music; or make demo INPUT=dir [OOD=dir CONFIG=file NETWORK=path OUTPUT=dir]
	@$(RUN) $(BIN)/deepsound demo $(if $(INPUT),--input '$(INPUT)') $(if $(OOD),--ood '$(OOD)') \
	  $(if $(CONFIG),--config '$(CONFIG)') $(if $(NETWORK),--network '$(NETWORK)') $(if $(OUTPUT),--output '$(OUTPUT)')

executor-env: $(EXECUTOR_ENV)  ## pack the environment of a cluster's executors: build/deepsound-executor.tar.gz

$(EXECUTOR_ENV): $(STAMP) tools/executor_env.py pyproject.toml $(shell find deepsound -name '*.py')
	@$(BIN)/python tools/executor_env.py $@

test: $(STAMP)  ## run the tests, two files at a time
	@$(RUN) $(BIN)/python -m pytest -q --numprocesses 2 --dist loadfile

soak: $(STAMP) $(EXECUTOR_ENV)  ## run the tests that take minutes: a real cluster, an S3 store and a browser on this machine
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[soak]'
	@$(RUN) $(BIN)/python -m pytest -q -m soak

oldest: $(STAMP)  ## run the tests with the lowest versions that setup.py admits, in build/oldest
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[oldest]'
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python build/oldest
	@# MLflow before 3.15 does not run on the SQLAlchemy 2.1 that its metadata admits.
	@echo 'sqlalchemy<2.1' | $(BIN)/uv pip compile --quiet --resolution lowest-direct --extra all --extra dev setup.py \
	  --constraint - --output-file build/oldest.txt
	@$(BIN)/uv pip install --quiet --python build/oldest/bin/python --requirement build/oldest.txt
	@$(BIN)/uv pip install --quiet --python build/oldest/bin/python --no-deps --editable . musicnn
	@$(MAKE) --no-print-directory test BIN=build/oldest/bin STAMP=

screenshots: $(STAMP)  ## take the README's picture of a page: docs/scorecard.png (chromium and chromedriver must be there)
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[soak]'
	@$(RUN) $(BIN)/python -m tests.browser

bench: $(STAMP)  ## measure speed and memory as ratios from one run, against their targets
	@$(RUN) $(BIN)/python -m tests.bench $(ONLY)

lint: $(STAMP)  ## ruff, mypy --strict, import rules, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

format: $(STAMP)  ## rewrite the code in the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

ui: $(STAMP)  ## open the MLflow UI on http://127.0.0.1:5000; it prints the address of the runs
	@$(BIN)/python -c 'from deepsound.training.mlflow_store import address_of_runs as a; print("runs:", a(root="http://127.0.0.1:$(or $(PORT),5000)"))'
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/mlflow ui --host 127.0.0.1 --port $(or $(PORT),5000) \
	  --backend-store-uri "$${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}"

docs: $(STAMP) architecture  ## build the documentation: build/site/index.html
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "build/site/index.html"

architecture: $(STAMP)  ## draw the packages and what they import: docs/architecture.svg
	@$(BIN)/python tools/draw_architecture.py

notebooks: $(STAMP)  ## run the notebooks, keep what they show; or make notebooks MUSIC=dir [FOREIGN=dir]: in build/notebooks
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[notebooks]'
	@$(RUN) $(BIN)/python tools/run_notebooks.py $(if $(MUSIC),--music '$(MUSIC)') $(if $(FOREIGN),--foreign '$(FOREIGN)')

# Tools of their own, so that the environment in which everything is tested stays as it is.
release:  ## build and check source distribution and wheel: dist/
	@$(PYTHON) -m venv build/release-tools
	@build/release-tools/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt build twine
	@rm -rf dist
	@PIP_CONSTRAINT='$(CURDIR)/constraints.txt' build/release-tools/bin/python -m build --outdir dist . >build/release.log 2>&1 \
	  || { cat build/release.log; exit 1; }
	@build/release-tools/bin/twine check --strict dist/*
	@build/release-tools/bin/python tools/check_release.py dist

clean:  ## remove what demo, tests and release wrote (not .venv, not mlflow.db)
	rm -rf demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
