"""What is tried of a class file: that it is there, and whole, as an import would read it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from retclip.data.class_file.reading import read_class_file
from retclip.plugin.checks import broken
from retclip.plugin.discovery import ComponentInfo


def _whole(classes: Any, info: ComponentInfo) -> None:
    contents = read_class_file(classes.path)
    if not contents.segments:
        raise broken(info.full_name, "at least one segment", "none")


def _credited(classes: Any, _: ComponentInfo) -> object:
    """Whether it says under which licence every photo was, which whoever imports it wants to know."""
    photos = read_class_file(classes.path).photos
    silent = sum(not photo.licence for photo in photos)
    return f"{silent} of {len(photos)} photos name no licence" if silent else None


CHECKS: tuple[tuple[str, Callable[[Any, ComponentInfo], object]], ...] = (
    ("the class file is whole", _whole),
    ("photos name their licences", _credited),
)
