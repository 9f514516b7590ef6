# make demo   set everything up and run the main job; TORCH_INDEX=ADDRESS sets it up without CUDA (README, Install)
# make test   set everything up, check style and types, run the tests
# make pictures   draw the README's pictures anew
# make miniature   train the models that ship anew, from nothing (1.5 h on two cores)
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH_INDEX ?=
MINIATURE ?= miniature_out
WORKERS ?= auto
READY := $(VENV)/.ready

.PHONY: demo test check bench pictures miniature clean help

help:
	@sed -n 's/^# //p' Makefile

# A wheel built for another torch breaks torchvision, so everything is resolved in one pip call.
$(READY): pyproject.toml requirements.txt constraints.txt $(wildcard plugins/*/pyproject.toml)
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "retclip needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -n "$(TORCH_INDEX)" || test "$$(uname -sm)" != "Linux x86_64" || command -v nvidia-smi > /dev/null || \
	  echo "no GPU: 4.6 of the 6.8 GiB of this install are for one; README, Install, says how to leave them out"
	$(BIN)/pip install --quiet --disable-pip-version-check $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) \
	  -r requirements.txt -c constraints.txt
	touch $@

demo: $(READY)
	$(BIN)/python -m retclip.cli demo --out demo_out

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

## Each worker computes with one thread: two workers with all cores each stand in each other's way.
test: check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 8 --dist loadfile

## Fewer colours make the files a third as large.
pictures: $(READY)
	rm -rf pictures_out && mkdir pictures_out
	cd pictures_out && ../$(BIN)/python ../examples/add_a_class.py
	$(BIN)/python -c 'import sys; from PIL import Image; \
	  [Image.open(f"pictures_out/{name}").quantize(192).save(f"docs/images/{name}", optimize=True) for name in sys.argv[1:]]' \
	  before_after.png why.png

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
	$(BIN)/python benchmarks/added_classes.py
	$(BIN)/python benchmarks/miniature.py

clean:
	rm -rf $(VENV) demo_out pictures_out .mypy_cache .ruff_cache .pytest_cache
