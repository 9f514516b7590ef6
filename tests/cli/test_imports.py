"""What each command imports: a package that it does not use costs every call its start-up."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from PIL import Image

PROGRAM = """
import sys
from retclip.cli import main
sys.argv = ["retclip", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
finally:
    roots = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names
    print("imported", *sorted(root for root in roots if not root.startswith(("retclip", "_"))), file=sys.stderr)
"""
MODELS = {"torch", "scipy", "skimage", "sklearn", "transformers", "open_clip", "timm", "torchvision"}
STORES = {"sqlalchemy", "alembic", "tenacity", "qdrant_edge", "qdrant_client", "safetensors"}
REST = {"numpy", "PIL", "pycocotools", "httpx", "jinja2", "matplotlib", "pandas", "packaging", "jaxtyping", "psutil"}
NOTEBOOKS = {"IPython", "traitlets", "ipykernel"}
MOST = {"--help": 12, "class list": 18, "explain": 30, "segment": 36}  # packages; a third of them come with torch


def imported(*arguments: str) -> set[str]:
    """The top-level packages that a command imports, without Python's and ours."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RETCLIP_")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["segment", "--help"], ["class", "list", "--help"]])
def test_help_imports_no_library_of_models_stores_or_numbers(arguments) -> None:
    assert not imported(*arguments) & (MODELS | STORES | REST)


def test_help_imports_few_packages() -> None:
    assert len(imported("--help")) <= MOST["--help"]


@pytest.mark.parametrize("arguments", [["class", "list"], ["log"]], ids=" ".join)
def test_what_reads_the_catalog_imports_sql_and_no_more(built, arguments) -> None:
    packages = imported(*arguments, "--store", str(built.store))
    assert "sqlalchemy" in packages, "it was run"
    assert not packages & (MODELS | (STORES - {"sqlalchemy"}) | REST | NOTEBOOKS)
    assert len(packages) <= MOST["class list"], packages


def test_one_photo_imports_what_votes_and_an_explanation_no_index(own_store, tmp_path) -> None:
    """The vote is torch's, so an explanation needs that; but no index is asked, and no picture drawn."""
    photo, found, where = tmp_path / "photo.png", tmp_path / "found", ["--store", str(own_store)]
    Image.linear_gradient("L").convert("RGB").resize((96, 64)).save(photo)
    segmented = imported("segment", str(photo), "--preset", "appearance", "--out", str(found), *where)
    assert "skimage" in segmented, "it was run"
    assert not segmented & (
        {"alembic", "tenacity", "qdrant_client", "httpx", "matplotlib", "pandas", "psutil"} | NOTEBOOKS
    )
    assert len(segmented) <= MOST["segment"], segmented
    explained = imported("explain", str(next(found.glob("*.npz"))), "--at", "5,5", *where)
    assert "torch" in explained, "it was run"
    assert not explained & (
        (MODELS - {"torch"}) | (STORES - {"sqlalchemy"}) | {"jinja2", "matplotlib", "psutil"} | NOTEBOOKS
    )
    assert len(explained) <= MOST["explain"], explained
