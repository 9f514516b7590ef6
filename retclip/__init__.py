"""RetCLIP: open-vocabulary panoptic segmentation with a memory you can read and edit.

import retclip

with retclip.open("store") as memory:
    result = memory.segment("street.jpg", ["sky", "car"])
    result.save("out")

Importing this package imports no torch; `open` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from retclip.engine import RetCLIP

__version__ = "0.1.0"
__all__ = ["RetCLIP", "__version__", "open"]


def open(store: str | Path, **options: Any) -> RetCLIP:
    """Open a store. Options as in `RetCLIP.open`: config_file, settings, create, missing_ok."""
    from retclip.engine import RetCLIP

    return RetCLIP.open(store, **options)


def __getattr__(name: str) -> Any:
    if name == "RetCLIP":
        from retclip.engine import RetCLIP

        return RetCLIP
    raise AttributeError(f"module 'retclip' has no attribute {name!r}")
