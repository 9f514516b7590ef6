# make demo   set everything up and run the main job
# make test   set everything up, check style and types, run the tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check bench clean help

help:
	@sed -n 's/^# //p' Makefile

# A wheel built for another torch breaks torchvision, so everything is resolved in one pip call.
$(READY): pyproject.toml requirements.txt constraints.txt $(wildcard plugins/*/pyproject.toml)
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "retclip needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt -c constraints.txt
	touch $@

demo: $(READY)
	$(BIN)/python -m retclip.cli demo --out demo_out

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: check
	$(BIN)/python -m pytest

bench: $(READY)
	$(BIN)/python benchmarks/exact_search.py
	$(BIN)/python benchmarks/real_photos.py

clean:
	rm -rf $(VENV) demo_out .mypy_cache .ruff_cache .pytest_cache
