'''The door for plugins: a marker, and a complete worked plugin (a test runs it).

    # pyproject.toml
    #   [project.entry-points.retclip]
    #   thirds = "retclip_thirds"
    #
    # retclip_thirds.py
    import torch
    from pydantic import Field
    from retclip.plugin import Component, Settings, impl
    from retclip.types import MaskProposals

    class Options(Settings):
        count: int = Field(3, ge=1, description="how many stripes")

    class Thirds:
        """Cut every image into equal vertical stripes."""

        def __init__(self, options, device):
            self.count = options.count

        def propose(self, images, vocabulary, features):
            stripes = torch.eye(self.count)[:, None, :]                     # (n, 1, x): masks may be coarse
            return [MaskProposals(stripes, torch.ones(self.count), image.size) for image in images]

    @impl
    def retclip_mask_proposers():
        return [Component("thirds", "equal vertical stripes", Options, Thirds)]

`retclip plugins new NAME` writes such a distribution with its tests; `retclip plugins check NAME` proves it.
'''

from retclip.plugin.contracts import (
    ANNOTATION,
    AREAS,
    LABELS,
    LEVELS,
    NEIGHBOURS,
    PATCHES,
    REGIONS,
    TEXT,
    WHOLE,
    Component,
    Settings,
    SourceClass,
    SourceImage,
)
from retclip.plugin.spec import impl

__all__ = [
    "ANNOTATION",
    "AREAS",
    "LABELS",
    "LEVELS",
    "NEIGHBOURS",
    "PATCHES",
    "REGIONS",
    "TEXT",
    "WHOLE",
    "Component",
    "Settings",
    "SourceClass",
    "SourceImage",
    "impl",
]
