"""RetCLIP: open-vocabulary panoptic segmentation with a memory you can read and edit.

import retclip

with retclip.open("store") as memory:
    result = memory.segment("street.jpg", ["sky", "car"])
    result.save("out")

Importing this package imports no torch; `open` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retclip._version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from retclip.engine import RetCLIP
    from retclip.result import SegmentationResult
    from retclip.types import Image, SegmentInfo, Vocabulary
    from retclip.workflows.explain.explanation import Explanation

__all__ = [
    "Explanation", "Image", "RetCLIP", "SegmentInfo", "SegmentationResult", "Vocabulary", "__version__", "open",
]  # fmt: skip
_HOMES = {  # imported when they are first asked for
    "Explanation": "retclip.workflows.explain.explanation", "Image": "retclip.types", "RetCLIP": "retclip.engine",
    "SegmentInfo": "retclip.types", "SegmentationResult": "retclip.result", "Vocabulary": "retclip.types",
}  # fmt: skip


def open(
    store: str | PathLike[str],
    config_file: str | PathLike[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    create: bool = False,
    missing_ok: bool = False,
    preset: str | None = None,
) -> RetCLIP:
    """Open the store in that folder; use the answer as a context manager, or `close` it.

    config_file: a retclip.toml (None = the store's own, or the one in this folder).
    settings: its keys as nested dicts, above file and environment, e.g. {"retrieval": {"k": 16}}.
    create: make the store where there is none.
    missing_ok: where no classifier votes with a store, go on without one.
    preset: a named set of settings, below the others; `retclip presets` lists them.
    Raises StoreMissing, StoreBehind, ConfigError.
    """
    from retclip.engine import RetCLIP

    return RetCLIP.open(store, config_file, settings, create=create, missing_ok=missing_ok, preset=preset)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'retclip' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
