"""HTML pages from the templates beside this file; every value is escaped, also what turns the order of letters."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from numpy.typing import NDArray
from PIL import Image as Pillow

from retclip.data.images import make_folder
from retclip.errors import DataError
from retclip.escaping import one_line

QUALITY = 82  # of a picture's JPEG


def filled(template: str, values: dict[str, Any]) -> str:
    """Return the text of `template` (a file of report/templates) with its values."""
    loader = PackageLoader("retclip.report", "templates")
    environment = Environment(
        loader=loader, autoescape=select_autoescape(), undefined=StrictUndefined, finalize=_harmless
    )
    return environment.get_template(template).render(values)


def write_page(path: Path, template: str, values: dict[str, Any], flag: str = "name") -> None:
    """Fill `template` and write it to `path`, whose folder is made.

    flag: how another place is chosen.
    Raises DataError where the file cannot be written.
    """
    make_folder(path.parent)
    text = filled(template, values)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"a file that can be written: {path}", str(error), f"choose another {flag}") from error


def jpeg_address(pixels: NDArray[np.uint8]) -> str:
    """Return a picture (H, W, 3) as a data address: the page needs no other file."""
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, format="JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _harmless(value: Any) -> Any:
    """Return a text with markup escaped, except line ends; output of a macro went through here already."""
    return one_line(value, keep="\n") if isinstance(value, str) and not hasattr(value, "__html__") else value
