"""Every OpenCLIP model as a backbone: the paper's four by name, any other by OpenCLIP's name and tag or a local file.

Listing components imports this module, so it must not import torch or open_clip; read next: `backbone.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from retclip.errors import RetCLIPError
from retclip.plugin import LEVELS, TEXT, Component, Settings, impl
from retclip.plugin.contracts import TEXT_THRESHOLD
from retclip.plugin.local_files import local_file
from retclip.plugin.weights import WeightFile, Weights, hub

if TYPE_CHECKING:
    from retclip.plugin.contracts import Backbone
    from retclip.types import Device

RANDOM = "random"
SMALLEST_CLIP_TEXT = 512  # channels of the text tower of CLIP ViT-B/16 (Radford et al. 2021, table 20)


class OpenClipSettings(Settings):
    """Which model, on which size of the image, and how a mask becomes a vector."""

    model: str = Field(description="OpenCLIP's name of the architecture")
    pretrained: str = Field(
        description="OpenCLIP's tag, a .safetensors file of the model or of an FC-CLIP checkpoint, or 'random'"
    )
    config: str = Field("", description="a JSON in OpenCLIP's form for an architecture that OpenCLIP does not list")
    short_side: int = Field(800, ge=16, description="the shorter side is resized to this, in pixels (method.md 1.1)")
    long_side: int = Field(1333, ge=16, description="but the longer side to no more than this, in pixels")
    pooling: Literal["area", "fcclip", "fcclip_or_area"] = Field(
        "area",
        description="weight of a cell: the share that the mask covers; FC-CLIP's rule, bilinear and > 0, which loses "
        "small masks; or that rule, and the share where it leaves nothing",
    )
    dense: Literal["clearclip", "maskclip", "sclip", "naclip", "vanilla"] = Field(
        "clearclip", description="ViT only: the last block (method.md 4.1)"
    )
    templates: Literal["vild", "plain"] = Field("vild", description="FC-CLIP's 14 sentences a name, or the name alone")


class ConvNextLargeSettings(OpenClipSettings):
    """FC-CLIP's ConvNeXt-Large (method.md 1.2)."""

    model: str = Field("convnext_large_d_320", description="OpenCLIP's name of the architecture")
    pretrained: str = Field(
        "laion2b_s29b_b131k_ft_soup", description="OpenCLIP's tag, a .safetensors file, or 'random'"
    )


class ResNet50x64Settings(OpenClipSettings):
    """FC-CLIP's RN50x64 (method.md 1.2)."""

    model: str = Field("RN50x64-quickgelu", description="OpenCLIP's name of the architecture")
    pretrained: str = Field("openai", description="OpenCLIP's tag, a .safetensors file, or 'random'")


class VitSettings(OpenClipSettings):
    """A ViT: its features degrade when it is simply scaled up, so it looks at smaller images (method.md 4.1)."""

    short_side: int = Field(448, ge=16, description="the shorter side is resized to about this, in pixels")
    long_side: int = Field(896, ge=16, description="but the longer side to no more than about this, in pixels")


class VitB16Settings(VitSettings):
    """The paper's ViT-B/16."""

    model: str = Field("ViT-B-16-quickgelu", description="OpenCLIP's name of the architecture")
    pretrained: str = Field("openai", description="OpenCLIP's tag, a .safetensors file, or 'random'")


class VitL14Settings(VitSettings):
    """The paper's ViT-L/14."""

    model: str = Field("ViT-L-14-quickgelu", description="OpenCLIP's name of the architecture")
    pretrained: str = Field("openai", description="OpenCLIP's tag, a .safetensors file, or 'random'")


CHECKPOINT = "open_clip_model.safetensors"
OPENAI_FILES = "https://openaipublic.azureedge.net/clip/models"  # then the sha256 of the file, then its name
RN50X64 = "be1cfb55d75a9666199fb2206c106743da0f6468c9d327f3e0d0a543a9919d9c"
PUBLISHED = {  # what the four need by default; anything else is asked of OpenCLIP's own list
    ("convnext_large_d_320", "laion2b_s29b_b131k_ft_soup"): (
        "laion/CLIP-convnext_large_d_320.laion2B-s29B-b131K-ft-soup", 1407,
        WeightFile(CHECKPOINT, size=1_407_151_868), "654d0f80ff73c58e7281a3ca7dc425589049e2e1",
    ),
    ("RN50x64-quickgelu", "openai"): (
        "", 1250, WeightFile("RN50x64.pt", f"{OPENAI_FILES}/{RN50X64}/RN50x64.pt", RN50X64), "",
    ),
    ("ViT-B-16-quickgelu", "openai"): (
        "timm/vit_base_patch16_clip_224.openai", 599,
        WeightFile(
            CHECKPOINT, sha256="4b8699299b1e8997753c64b052ba32031449d5d853f55a039148560ee02b820f",
            size=598_516_980, projects=4,
        ),
        "977e3dd0ec55ab8da155f2fbeb6b5f54948b6e3d",
    ),
    ("ViT-L-14-quickgelu", "openai"): (
        "timm/vit_large_patch14_clip_224.openai", 1710,
        WeightFile(
            CHECKPOINT, sha256="9ce2e8a8ebfff3793d7d375ad6d3c35cb9aebf3de7ace0fc7308accab7cd207e", projects=3,
        ),
        "18d0535469bb561bf468d76c1d73aa35156c922b",
    ),
}  # fmt: skip


def is_file(pretrained: str) -> bool:
    """Whether it names a file rather than a tag."""
    return pretrained.endswith(".safetensors") or "/" in pretrained or "\\" in pretrained


def weights_of(settings: OpenClipSettings) -> Sequence[Weights]:
    """The checkpoint that these settings ask for; none for a file of the user's or random weights."""
    if settings.pretrained == RANDOM or is_file(settings.pretrained):
        return ()
    published = PUBLISHED.get((settings.model, settings.pretrained))
    if published is None:
        from retclip_openclip.pretrained import listed_weights

        return (listed_weights(settings.model, settings.pretrained),)
    repository, megabytes, file, revision = published
    page = f"https://huggingface.co/{repository}" if repository else "https://github.com/openai/CLIP"
    name = f"openclip_{settings.model.removesuffix('-quickgelu')}_{settings.pretrained}"
    summary = f"OpenCLIP {settings.model}, {settings.pretrained}"
    files = hub(repository, file, revision=revision) if repository else (file,)
    return (Weights(name, summary, "MIT", page, megabytes, files),)


def text_threshold(settings: OpenClipSettings) -> float | None:
    """Return the paper's threshold of label matching for a text tower of CLIP's size, None for a smaller one.

    A small tower has no threshold: of COCO's 133 names the miniature's (48 channels) puts 41 above 0.95 of another,
    baseball bat and glove at 0.998, table and dining table at 0.969, toilet and remote at 0.973.
    """
    if not settings.config:
        return TEXT_THRESHOLD  # what OpenCLIP lists has read millions of captions
    try:
        width = json.loads(local_file(settings.config).read_text(encoding="utf-8"))["text_cfg"]["width"]
    except (OSError, ValueError, KeyError, TypeError, RetCLIPError):
        return None  # the loader says what is wrong with that file
    return TEXT_THRESHOLD if isinstance(width, int) and width >= SMALLEST_CLIP_TEXT else None


def _loader(name: str) -> Callable[[OpenClipSettings, Device], Backbone]:
    def load(settings: OpenClipSettings, device: Device) -> Backbone:
        from retclip_openclip.backbone import OpenClip

        return OpenClip(f"openclip.{name}", settings, device)

    return load


@impl
def retclip_backbones() -> Iterable[Component[Backbone]]:
    """Announce the four of the paper, and `openclip.model` for every other."""
    maps = frozenset({TEXT, LEVELS})
    announced = (
        ("convnext_large", "CLIP ConvNeXt-Large at 320, LAION-2B soup: FC-CLIP's", ConvNextLargeSettings, maps),
        ("rn50x64", "CLIP RN50x64, OpenAI: FC-CLIP's, through its attention pool", ResNet50x64Settings, maps),
        ("vit_b_16", "CLIP ViT-B/16, OpenAI: the training-free path", VitB16Settings, frozenset({TEXT})),
        ("vit_l_14", "CLIP ViT-L/14, OpenAI: the training-free path", VitL14Settings, frozenset({TEXT})),
        ("model", "any OpenCLIP model by name and tag or file", OpenClipSettings, maps),
    )
    return [
        Component(
            name, summary, settings, _loader(name), provides=provides, weights=weights_of, text_threshold=text_threshold
        )
        for name, summary, settings, provides in announced
    ]
