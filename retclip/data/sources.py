"""The core's own image readers, announced through the same door as a stranger's (entry point `data`)."""

from __future__ import annotations

from collections.abc import Iterable

from retclip.data.coco_panoptic import CocoPanoptic, CocoPanopticSettings
from retclip.data.image_folder import ImageFolder, ImageFolderSettings
from retclip.data.label_maps import LabelMaps, LabelMapSettings
from retclip.plugin.contracts import Component, ImageSource
from retclip.plugin.spec import impl


@impl
def retclip_image_sources() -> Iterable[Component[ImageSource]]:
    """The readers."""
    return [
        Component(
            "coco-panoptic", "COCO panoptic: a JSON and PNGs of ids", CocoPanopticSettings, lambda s, _: CocoPanoptic(s)
        ),
        Component("label-maps", "one byte per pixel and a class list", LabelMapSettings, lambda s, _: LabelMaps(s)),
        Component("folder", "photos without labels", ImageFolderSettings, lambda s, _: ImageFolder(s)),
    ]
