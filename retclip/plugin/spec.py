"""The five hooks. They only *announce* components; loading weights happens in `Component.load`, on first use.

Entry-point group: "retclip". A complete plugin stands in `retclip/plugin/__init__.py`. A sixth hook is added when
two plugins need it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from retclip.plugin.contracts import Backbone, ClassFile, Classifier, Component, ImageSource, MaskProposer

PROJECT = "retclip"
spec = pluggy.HookspecMarker(PROJECT)
impl = pluggy.HookimplMarker(PROJECT)


@spec
def retclip_backbones() -> Iterable[Component[Backbone]]:  # type: ignore[empty-body]
    """Announce backbones: images to dense features, masks to vectors, names to text vectors."""


@spec
def retclip_mask_proposers() -> Iterable[Component[MaskProposer]]:  # type: ignore[empty-body]
    """Announce mask proposers: images to class-agnostic or prompted masks."""


@spec
def retclip_classifiers() -> Iterable[Component[Classifier]]:  # type: ignore[empty-body]
    """Announce classifiers: masks, vectors and neighbours to class scores."""


@spec
def retclip_image_sources() -> Iterable[Component[ImageSource]]:  # type: ignore[empty-body]
    """Announce image sources: data sets and image searches. Settings must have a field `path`."""


@spec
def retclip_class_files() -> Iterable[Component[ClassFile]]:  # type: ignore[empty-body]
    """Announce class files: segments of classes with vectors and labels, for `retclip class import NAME`."""
