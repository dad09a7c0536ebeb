# make book     builds the book          make notebooks [STEM=chapter]  rewrites the reference notebooks
# make test     passes all tests         make lint                      checks style
# make setup    prepares .venv           make clean                     removes what was built

SHELL := /bin/bash
BIN := .venv/bin
BOOK := _build/html/index.html

# Everything a page is made of: the book is built again when one of these is newer.
SOURCES := $(shell find volpose book results -type f \
	-not -path '*/__pycache__/*' -not -path '*/.ipynb_checkpoints/*' -not -name '*.ipynb' 2>/dev/null)
SETTINGS := _config.yml _toc.yml

# Notebooks choose matplotlib's inline backend by themselves, and this environment's kernel.
unexport MPLBACKEND
# Tests and chapters run two at a time: one thread each is faster than two that wait for each other.
export OMP_NUM_THREADS ?= 1
export JUPYTER_PREFER_ENV_PATH := 1
export PYDEVD_DISABLE_FILE_VALIDATION := 1

.DEFAULT_GOAL := book
.DELETE_ON_ERROR:
.PHONY: setup book test notebooks lint clean

setup: .venv/.ready

.venv/.ready: requirements.txt pyproject.toml
	@tools/make_venv.sh
	@echo "Installing the tools of the book and the tests into .venv: a few minutes, once"
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements.txt
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps -e .
	@touch $@

book: $(BOOK)
	@echo
	@echo "The book is built. Open file://$(CURDIR)/$(BOOK)"

# A page that failed once is not read again by a later build, so every build starts from nothing.
# Chapters whose code, package and results are unchanged come from the cache in _build.
$(BOOK): .venv/.ready $(SOURCES) $(SETTINGS)
	rm -rf _build/html _build/.doctrees
	$(BIN)/jupyter-book build . -W --keep-going -n || { rm -rf _build/html; exit 1; }
	@touch $@

test: .venv/.ready
	@echo "== unit tests"
	$(BIN)/python -m pytest tests -n 2
	@echo "== reference notebooks are in step with their chapters"
	$(BIN)/python tools/notebooks.py check
	@echo "== every chapter runs and gives the numbers and pictures of its reference"
	$(BIN)/python -m pytest -n 2 --dist loadfile --nbval --nbval-current-env \
		--nbval-sanitize-with nbval_sanitize.cfg book
	@echo "== the built pages"
	@$(MAKE) --no-print-directory book
	$(BIN)/python tools/check_html.py _build/html

notebooks: .venv/.ready
	$(BIN)/python tools/notebooks.py update $(STEM)

lint: .venv/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean:
	rm -rf _build .pytest_cache .ruff_cache
	find volpose tests tools book -name __pycache__ -type d -prune -exec rm -rf {} +
