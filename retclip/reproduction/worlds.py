"""Where a table runs: on the paper's own data, or on the drawn world with stand-ins that nobody has to fetch.

A world says of each part of a row (system, backbone, data base, masks) what runs in its place. On the drawn world the
formula of a row is the paper's preset itself; only models, masks and photos are others, and each stand-in is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from retclip.errors import ConfigError
from retclip.presets import PRESETS
from retclip.reproduction.published import Backbone, Base, Masks, System

PAPER, MINIATURE = "paper", "miniature"
Nested = Mapping[str, Any]


@dataclass(frozen=True)
class Photos:
    """The photos behind a store.

    address: reader:path?...
    settings: of their builds, nested: who finds the masks.
    """

    address: str
    settings: Nested = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    """A world. test: the address that every row is judged on; stand_ins: part of a row -> what stands in its place."""

    name: str
    test: str
    bases: Mapping[Base, Photos]
    systems: Mapping[System, Nested]
    backbones: Mapping[Backbone, Nested]
    masks: Mapping[Masks, Nested]
    stand_ins: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Places:
    """Where the paper's data sets lie.

    ade20k: the challenge's folder, with the panoptic JSON and PNGs of its validation photos beside it.
    open_images: the folder that the reader `open-images` takes.
    names: the list of names that ADE20K's classes are asked by; None = those of its JSON.
    """

    ade20k: Path = Path("ADEChallengeData2016")
    open_images: Path = Path("open-images")
    names: Path | None = None


@dataclass(frozen=True)
class Sizes:
    """How much of the drawn world is used. scenes: judged; stored: in each store. Raises ConfigError below 1."""

    scenes: int = 100
    stored: int = 300

    def __post_init__(self) -> None:
        if min(self.scenes, self.stored) < 1:
            got = f"{self.scenes} and {self.stored}"
            raise ConfigError("at least one scene, judged and stored", got, "correct --scenes, --stored")


def world_named(name: str, out: Path, places: Places = Places(), sizes: Sizes = Sizes()) -> World:
    """Return a world. out: the folder of the reproduction, where scenes are drawn. Raises ConfigError."""
    if name == PAPER:
        return paper_world(places)
    if name == MINIATURE and places.names is None:
        return miniature_world(out / "scenes", sizes)
    if name == MINIATURE:
        todo = "leave --names out, or run on the paper's data"
        raise ConfigError("drawn scenes, whose classes have their own names", f"--names {places.names}", todo)
    raise ConfigError(f"a world, {PAPER} or {MINIATURE}", repr(name), "correct --on")


def paper_world(places: Places) -> World:
    """Return the paper's own data and models (method.md 5.1, 6.1)."""
    ade, open_images = places.ade20k.absolute(), places.open_images.absolute()
    head = {"weights": "fcclip_rn50x64"}
    names = "" if places.names is None else f"&{urlencode({'names': places.names.absolute()}, safe='/')}"
    return World(
        PAPER,
        f"coco-panoptic:{ade}?annotations={ade / 'ade20k_panoptic_val.json'}&images={ade / 'images' / 'validation'}"
        f"{names}",
        {
            Base.ADE20K: Photos(f"ade20k:{ade}?split=training{names}"),
            Base.OPEN_IMAGES: Photos(f"open-images:{open_images}?split=train&kind=labels"),
        },
        {system: {"preset": system.value} for system in System},
        {
            Backbone.CONVNEXT_L: {},
            Backbone.RN50X64: {
                "components": {"backbone": "openclip.rn50x64"},
                "plugin": {
                    "openclip": {"rn50x64": {"pooling": "fcclip_or_area"}},
                    "mask2former": {"queries": head, "in_vocabulary": head},
                },
            },
            Backbone.VIT_B: {"components": {"backbone": "openclip.vit_b_16"}},
            Backbone.VIT_L: {"components": {"backbone": "openclip.vit_l_14"}},
        },
        {
            Masks.QUERIES: {},
            Masks.DETECTED: {},
            Masks.GRID: {"components": {"proposer": "grounded_sam.grid"}},
            Masks.ANNOTATED: {
                "components": {"proposer": "reference.ground_truth"},
                "segment": {"use_prompts": False},  # what an annotation calls a mask must not leak in
            },
        },
    )


def miniature_world(scenes: Path, sizes: Sizes) -> World:
    """Return the drawn world. scenes: the folder of its PNG files; one seed, so that stores and tests are always the
    same, and never those that the models were trained on."""
    address, stored = f"miniature.scenes:{scenes}?", f"split=store&count={sizes.stored}"
    small = {"plugin": {"openclip": {"model": {"short_side": SMALL_SIDE, "long_side": 2 * SMALL_SIDE}}}}
    parts = {
        "components": {"backbone": "openclip.model", "proposer": "mask2former.queries"},
        "plugin": {name: PRESETS["miniature"]["plugin"][name] for name in ("openclip", "mask2former")},
        "build": {"proposer": "reference.ground_truth"},
    }
    no_prompts = {"segment": {"use_prompts": False}}  # nobody detects here
    return World(
        MINIATURE,
        f"{address}split=test&count={sizes.scenes}",
        {
            Base.ADE20K: Photos(f"{address}{stored}"),
            Base.OPEN_IMAGES: Photos(
                f"{address}{stored}&style=drawing&labels=names", {"build": {"proposer": "mask2former.queries"}}
            ),
        },
        {system: {"preset": system.value, **parts} for system in System},
        {Backbone.CONVNEXT_L: {}, Backbone.RN50X64: small, Backbone.VIT_B: small, Backbone.VIT_L: {}},
        {
            Masks.QUERIES: {},
            Masks.DETECTED: no_prompts,
            Masks.GRID: {"components": {"proposer": "reference.superpixels"}, **no_prompts},
            Masks.ANNOTATED: {"components": {"proposer": "reference.ground_truth"}, **no_prompts},
        },
        {
            "ADE20K val": f"{sizes.scenes} drawn scenes of 219 classes",
            Base.ADE20K: f"{sizes.stored} other scenes by the same artist, with their annotation",
            Base.OPEN_IMAGES: f"{sizes.stored} scenes by another artist, with the names of what they show: masks of "
            "the queries, named by assignment",
            Backbone.CONVNEXT_L: "the miniature's CLIP",
            Backbone.VIT_L: "the miniature's CLIP",
            Backbone.RN50X64: f"the same CLIP, which sees photos at a shorter side of {SMALL_SIDE} instead of 256",
            Backbone.VIT_B: f"the same CLIP, which sees photos at a shorter side of {SMALL_SIDE} instead of 256",
            Masks.QUERIES: "the miniature's queries",
            Masks.DETECTED: "the miniature's queries without their head, which nobody asked for a class",
            Masks.GRID: "superpixels",
        },
    )


SMALL_SIDE = 192  # pixels: a weaker backbone of the same weights
