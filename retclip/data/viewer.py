"""A picture shown at once: in the notebook that runs the program, else in the desktop's own viewer."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageShow

from retclip.errors import ConfigError


def show_picture(pixels: NDArray[np.uint8]) -> None:
    """Show (H, W, 3) uint8 RGB. Raises ConfigError where nothing here can show pictures."""
    picture = Image.fromarray(pixels)
    notebook = _notebook()
    if notebook is not None:
        notebook.display(picture)
    elif not ImageShow.show(picture, "retclip"):
        got = "no notebook, and no viewer on this machine"
        raise ConfigError("a place to show a picture", got, "save it instead: .save(...)")


def _notebook() -> Any:
    """IPython's display module where a notebook runs this program, else None; nothing is imported to find out."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    return import_module("IPython.display")
