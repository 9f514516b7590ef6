"""HTML pages from the templates beside this file; every value is escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape


def write_page(path: Path, template: str, values: dict[str, Any]) -> None:
    """Fill `template` (a file of report/templates) and write it to `path`."""
    loader = PackageLoader("retclip.report", "templates")
    environment = Environment(loader=loader, autoescape=select_autoescape(), undefined=StrictUndefined)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(environment.get_template(template).render(values), encoding="utf-8")
