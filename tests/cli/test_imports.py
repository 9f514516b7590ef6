"""What each command imports: a package that it does not use costs every call its start-up."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys
from retclip.cli import main
sys.argv = ["retclip", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
finally:
    print("imported", *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""
MODELS = {"torch", "scipy", "skimage", "sklearn", "transformers", "open_clip", "timm", "torchvision"}
STORES = {"sqlalchemy", "alembic", "tenacity", "qdrant_edge", "qdrant_client", "safetensors"}
REST = {"numpy", "PIL", "pycocotools", "httpx", "jinja2", "matplotlib", "pandas", "packaging", "jaxtyping", "psutil"}


def imported(*arguments: str) -> set[str]:
    """The top-level packages that a command imports."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RETCLIP_")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["segment", "--help"], ["class", "list", "--help"]])
def test_help_imports_no_library_of_models_stores_or_numbers(arguments) -> None:
    assert not imported(*arguments) & (MODELS | STORES | REST)


def test_listing_classes_reads_the_catalog_and_no_more(built) -> None:
    packages = imported("class", "list", "--store", str(built.store))
    assert "sqlalchemy" in packages, "it was run"
    assert not packages & (
        MODELS | (STORES - {"sqlalchemy"}) | {"pycocotools", "httpx", "jinja2", "matplotlib", "pandas"}
    )
