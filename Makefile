# make demo   set everything up and run the main job
# make test   set everything up, check style and types, run the tests
# make miniature   train the models that ship anew, from nothing (1.5 h on two cores)
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MINIATURE ?= miniature_out
READY := $(VENV)/.ready

.PHONY: demo test check bench miniature clean help

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

miniature: $(READY)
	$(BIN)/python -m retclip_miniature.train_clip $(MINIATURE)
	$(BIN)/python -m retclip.cli finetune "miniature.scenes:$(MINIATURE)/scenes?split=train&classes=seen&count=3000" \
	  --val "miniature.scenes:$(MINIATURE)/scenes?split=val&classes=seen&count=100" --out $(MINIATURE)/head \
	  --preset miniature-finetune --set plugin.openclip.model.config=$(MINIATURE)/clip.json \
	  --set plugin.openclip.model.pretrained=$(MINIATURE)/clip.safetensors
	$(BIN)/python -m retclip_miniature.ship $(MINIATURE)

bench: $(READY)
	$(BIN)/python benchmarks/exact_search.py
	$(BIN)/python benchmarks/real_photos.py
	$(BIN)/python benchmarks/miniature.py

clean:
	rm -rf $(VENV) demo_out .mypy_cache .ruff_cache .pytest_cache
