"""Files that come with an installed Python package, found without importing it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def package_folder(package: str) -> Path | None:
    """Return the folder of an installed package; None where there is none of that name."""
    spec = find_spec(package) if package.isidentifier() else None
    return None if spec is None or spec.origin is None else Path(spec.origin).parent
