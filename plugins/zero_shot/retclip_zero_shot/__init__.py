"""`zero_shot.clip_text`: cosine of a mask's vector with the text vectors of the class names. No model of its own.

Listing components imports this module, so it must not import torch; read next: `clip_text.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field

from retclip.plugin import TEXT, Component, Settings, impl

if TYPE_CHECKING:
    from retclip.plugin.contracts import Classifier
    from retclip.types import Device


class ClipTextSettings(Settings):
    """How cosines become probabilities."""

    scale: float = Field(
        100.0,
        gt=0,
        description="factor on the cosines before the softmax over classes; 100 is where CLIP clamps its logit scale",
    )


def _load(settings: ClipTextSettings, device: Device) -> Classifier:
    from retclip_zero_shot.clip_text import ClipText

    return ClipText(settings, device)


@impl
def retclip_classifiers() -> Iterable[Component[Classifier]]:
    """Announce `zero_shot.clip_text`."""
    summary = "softmax over the cosines with the class names' text vectors"
    return [Component("clip_text", summary, ClipTextSettings, _load, needs=frozenset({TEXT}))]
