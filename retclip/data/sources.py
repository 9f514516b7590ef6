"""The core's own image readers, announced through the same door as a stranger's (entry point `data`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pydantic import BaseModel

from retclip.data.class_choice import AnnotatedSettings
from retclip.data.image_folder import ImageFolder, ImageFolderSettings
from retclip.data.readers.ade20k.ade20k import AdeChallenge
from retclip.data.readers.ade20k.ade20k_full import AdeFull
from retclip.data.readers.coco.coco_instances import CocoInstances
from retclip.data.readers.coco.coco_panoptic import CocoPanoptic, CocoPanopticSettings
from retclip.data.readers.label_maps.cityscapes import Cityscapes, CityscapesSettings
from retclip.data.readers.label_maps.label_map_source import LabelMapSettings
from retclip.data.readers.label_maps.label_maps import LabelMaps
from retclip.data.readers.label_maps.map_pairs import MapSettings
from retclip.data.readers.open_images.open_images import OpenImages, OpenImagesSettings
from retclip.data.readers.regions.regions import Regions, RegionsSettings
from retclip.data.readers.text.class_folders import ClassFolders
from retclip.data.readers.text.image_text import ImageText, ImageTextSettings
from retclip.data.readers.text.label_table import LabelTable, LabelTableSettings
from retclip.plugin.contracts import Component, ImageSource
from retclip.plugin.spec import impl
from retclip.types import Device

READERS: tuple[tuple[str, str, type[BaseModel], Callable[[Any], ImageSource]], ...] = (
    ("coco-panoptic", "COCO panoptic: a JSON and PNGs of ids", CocoPanopticSettings, CocoPanoptic),
    ("coco-instances", "COCO instances and LVIS: a JSON of objects", CocoPanopticSettings, CocoInstances),
    ("cityscapes", "Cityscapes: fine or coarse instance ids", CityscapesSettings, Cityscapes),
    ("ade20k", "ADE20K's challenge: 150 classes, a byte per pixel", LabelMapSettings, AdeChallenge),
    ("ade20k-full", "the full ADE20K: its index and coloured maps", MapSettings, AdeFull),
    ("open-images", "Open Images: labels, boxes or masks", OpenImagesSettings, OpenImages),
    ("label-maps", "one byte per pixel and a class list", LabelMapSettings, LabelMaps),
    ("class-folders", "a folder of photos for each class", AnnotatedSettings, ClassFolders),
    ("label-table", "photos and a CSV of their labels", LabelTableSettings, LabelTable),
    ("image-text", "images with captions or tags: CSV, Parquet, tar", ImageTextSettings, ImageText),
    ("regions", "photos with boxes, points or masks of objects", RegionsSettings, Regions),
    ("folder", "photos without labels", ImageFolderSettings, ImageFolder),
)


@impl
def retclip_image_sources() -> Iterable[Component[ImageSource]]:
    """The readers."""
    return [Component(name, summary, settings, _without_device(reader)) for name, summary, settings, reader in READERS]


def _without_device(reader: Callable[[Any], ImageSource]) -> Callable[[Any, Device], ImageSource]:
    return lambda settings, _: reader(settings)
