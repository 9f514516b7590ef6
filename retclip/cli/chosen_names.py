"""`--classes` and `--without`: the classes of a source that a command works on."""

from __future__ import annotations

from typing import Any


def chosen_names(retclip: Any, source: str, classes: str | None, without: list[str] | None) -> list[str] | None:
    """The classes to build: those named, or the source's, less `without`. Raises DataError for an unknown one."""
    from retclip.arguments import as_vocabulary
    from retclip.workflows.building.source_classes import source_names

    opened, chosen = retclip.source(source), as_vocabulary(classes)
    if not chosen and not without:
        return None
    names = source_names(opened, chosen.names, source) if chosen else tuple(one.name for one in opened.classes())
    dropped = source_names(opened, without or (), source)
    return [name for name in names if name not in dropped]
