"""HTML pages from the templates beside this file; every value is escaped, also what turns the order of letters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from retclip.escaping import one_line


def filled(template: str, values: dict[str, Any]) -> str:
    """Return the text of `template` (a file of report/templates) with its values."""
    loader = PackageLoader("retclip.report", "templates")
    environment = Environment(
        loader=loader, autoescape=select_autoescape(), undefined=StrictUndefined, finalize=_harmless
    )
    return environment.get_template(template).render(values)


def write_page(path: Path, template: str, values: dict[str, Any]) -> None:
    """Fill `template` and write it to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(filled(template, values), encoding="utf-8")


def _harmless(value: Any) -> Any:
    """Return a text with markup escaped, except line ends; output of a macro went through here already."""
    return one_line(value, keep="\n") if isinstance(value, str) and not hasattr(value, "__html__") else value
