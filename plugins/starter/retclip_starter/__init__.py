"""A starter memory: segments of freely licensed COCO photos as vectors of `timm.lite0`, with their labels.

No photo of COCO is in it. NOTICE names each photo's address and licence; `make.py` made the file. `photos/` are eight
others, which `retclip demo` labels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from retclip.plugin import Component, Settings, impl

if TYPE_CHECKING:
    from retclip.plugin.contracts import ClassFile

COCO = Path(__file__).with_name("coco.zip")


class StarterSettings(Settings):
    """Nothing can be chosen."""


@dataclass(frozen=True)
class Starter:
    """The class file."""

    path: Path


@impl
def retclip_class_files() -> Iterable[Component[ClassFile]]:
    """Announce `starter.coco`."""
    summary = "segments of COCO photos under CC BY, CC BY-SA or no known restrictions; vectors of timm.lite0"
    return [Component("coco", summary, StarterSettings, lambda _settings, _device: Starter(COCO))]
