"""This project's own plugins: which are installed, and how to install the others."""

from __future__ import annotations

import importlib.metadata

PREFIX = "retclip-"  # of their distributions; the extra `all` names them
CURE = "pip install 'retclip[all]' (from a checkout: pip install -r requirements.txt)"


def absent_plugins() -> tuple[str, ...]:
    """Name the plugins of this project that are not installed; none where retclip itself is only on the path."""
    from packaging.requirements import Requirement

    try:
        required = [Requirement(line).name for line in importlib.metadata.requires("retclip") or ()]
    except importlib.metadata.PackageNotFoundError:
        return ()
    ours = sorted({name for name in required if name.startswith(PREFIX)})
    return tuple(name.removeprefix(PREFIX).replace("-", "_") for name in ours if not _is_installed(name))


def _is_installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
