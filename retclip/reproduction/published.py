"""The paper's four tables as facts: a row for each system that it measures, with its published figures.

Source of every figure: Sadeq, Liu, El-Khamy, arXiv:2601.12779, the table and the row beside it (method.md 0).
A fifth table, `choices`, has no published figure: the paper's literal formula, and what this project does otherwise, a
setting a row (method.md 7.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from retclip.errors import ConfigError

PAPER = "arXiv:2601.12779"
FIGURES = ("pq", "map", "miou")


class System(StrEnum):
    """What a row measures; the value is the preset that runs it on the paper's data."""

    FC_CLIP = "fc-clip"
    RETCLIP = "retclip-cross-data-set"
    CLIP = "clip"
    RETRIEVAL = "retrieval"
    TRAINING_FREE = "retclip-training-free"


class Backbone(StrEnum):
    """The frozen CLIP of a row."""

    CONVNEXT_L = "ConvNeXt-L"
    RN50X64 = "RN50x64"
    VIT_B = "ViT-B/16"
    VIT_L = "ViT-L/14"


class Base(StrEnum):
    """The data base, that is the store, of a row."""

    NONE = "none"
    OPEN_IMAGES = "Open Images"
    ADE20K = "ADE20K train"


class Masks(StrEnum):
    """Where the masks of a row come from."""

    QUERIES = "FC-CLIP's queries"
    DETECTED = "Grounding DINO + SAM"
    GRID = "SAM, automatic"
    ANNOTATED = "annotated"


@dataclass(frozen=True)
class PublishedRow:
    """A row of a table.

    name: ours, also its folder's.
    said: the row as the paper has it.
    published: figure -> percent; empty for a row of ours.
    weights: alpha, beta and gamma, where the row sets them; else the preset's.
    baseline: the row of the same table that it is compared with; "" = itself.
    settings: further ones, nested.
    """

    name: str
    said: str
    system: System
    backbone: Backbone
    base: Base
    masks: Masks
    published: Mapping[str, float]
    weights: tuple[float, float, float] | None = None
    baseline: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PublishedTable:
    """A table. figures: those that it has, of FIGURES; note: what its reader has to know."""

    name: str
    title: str
    figures: tuple[str, ...]
    rows: tuple[PublishedRow, ...]
    note: str = ""

    @property
    def source(self) -> str:
        """Where its figures are published, "" = nowhere."""
        return f"{PAPER}, {self.name.replace('-', ' ')}" if any(row.published for row in self.rows) else ""


def _figures(*values: float) -> dict[str, float]:
    return dict(zip(FIGURES, values, strict=False))


def _with_head(
    backbone: Backbone, system: System, base: Base, *figures: float, name: str, baseline: str = ""
) -> PublishedRow:
    said = f"{backbone}, {'FC-CLIP' if system is System.FC_CLIP else f'RetCLIP, {base}'}"
    return PublishedRow(name, said, system, backbone, base, Masks.QUERIES, _figures(*figures), baseline=baseline)


def _training_free(
    name: str, backbone: Backbone, system: System, masks: Masks, *figures: float, said: str = "", baseline: str = ""
) -> PublishedRow:
    """Return a row of tables 2 and 3. said: what the row is called beside its backbone, "" = its masks."""
    said = f"{backbone}, {said or masks}"
    base = Base.NONE if system is System.CLIP else Base.ADE20K
    return PublishedRow(name, said, system, backbone, base, masks, _figures(*figures), baseline=baseline)


def _weighted(alpha: float, beta: float, gamma: float, pq: float) -> PublishedRow:
    said = f"alpha {alpha:g}, beta {beta:g}, gamma {gamma:g}"
    return PublishedRow(
        f"a{alpha:g}-b{beta:g}-g{gamma:g}", said, System.RETCLIP, Backbone.CONVNEXT_L, Base.ADE20K, Masks.QUERIES,
        _figures(pq), (alpha, beta, gamma), "a0.4-b0.7-g0",
    )  # fmt: skip


def _choice(name: str, said: str, **settings: Mapping[str, Any]) -> PublishedRow:
    return PublishedRow(
        name, said, System.RETCLIP, Backbone.CONVNEXT_L, Base.ADE20K, Masks.QUERIES, {}, None,
        "" if name == "literal" else "literal", settings,
    )  # fmt: skip


_C, _R, _B, _L = Backbone.CONVNEXT_L, Backbone.RN50X64, Backbone.VIT_B, Backbone.VIT_L
_BOTH, _DETECTED = System.TRAINING_FREE, Masks.DETECTED
OURS: Mapping[str, Any] = {"unknown": "fallback", "renormalise": False, "void": "apart"}

TABLE_1 = PublishedTable(
    "table-1",
    "ADE20K, trained on COCO: FC-CLIP and RetCLIP",
    FIGURES,
    (
        _with_head(_C, System.FC_CLIP, Base.NONE, 26.4, 16.8, 34.0, name="convnext-fc-clip"),
        _with_head(_C, System.RETCLIP, Base.OPEN_IMAGES, 28.3, 17.7, 38.3, name="convnext-open-images",
                   baseline="convnext-fc-clip"),
        _with_head(_C, System.RETCLIP, Base.ADE20K, 30.9, 19.3, 44.0, name="convnext-ade20k",
                   baseline="convnext-fc-clip"),
        _with_head(_R, System.FC_CLIP, Base.NONE, 22.8, 13.6, 28.4, name="rn50x64-fc-clip"),
        _with_head(_R, System.RETCLIP, Base.OPEN_IMAGES, 23.7, 14.1, 32.4, name="rn50x64-open-images",
                   baseline="rn50x64-fc-clip"),
        _with_head(_R, System.RETCLIP, Base.ADE20K, 27.1, 15.1, 36.9, name="rn50x64-ade20k",
                   baseline="rn50x64-fc-clip"),
    ),
    "FC-CLIP's own log of the released ConvNeXt-L says 26.8 / 16.8 / 34.1",
)  # fmt: skip
TABLE_2 = PublishedTable(
    "table-2",
    "ADE20K without training: CLIP, retrieval, both",
    FIGURES,
    (
        _training_free("vit-b-clip", _B, System.CLIP, _DETECTED, 9.0, 5.5, 12.3, said="CLIP"),
        _training_free(
            "vit-b-retrieval", _B, System.RETRIEVAL, _DETECTED, 11.7, 7.1, 15.0, said="retrieval", baseline="vit-b-clip"
        ),
        _training_free(
            "vit-b-both", _B, _BOTH, _DETECTED, 12.7, 7.5, 17.3, said="CLIP and retrieval", baseline="vit-b-clip"
        ),
        _training_free("vit-l-clip", _L, System.CLIP, _DETECTED, 10.9, 6.9, 13.8, said="CLIP"),
        _training_free(
            "vit-l-retrieval", _L, System.RETRIEVAL, _DETECTED, 15.8, 9.8, 21.5, said="retrieval", baseline="vit-l-clip"
        ),
        _training_free(
            "vit-l-both", _L, _BOTH, _DETECTED, 16.1, 10.3, 22.2, said="CLIP and retrieval", baseline="vit-l-clip"
        ),
    ),
    "the paper gives no gamma here: table 4's best is taken",
)
TABLE_3 = PublishedTable(
    "table-3",
    "ADE20K without training: where the masks come from",
    ("pq",),
    (
        _training_free("vit-b-annotated", _B, _BOTH, Masks.ANNOTATED, 21.1, baseline="vit-b-detected"),
        _training_free("vit-b-detected", _B, _BOTH, _DETECTED, 12.7),
        _training_free("vit-b-grid", _B, _BOTH, Masks.GRID, 5.2, baseline="vit-b-detected"),
        _training_free("vit-l-annotated", _L, _BOTH, Masks.ANNOTATED, 28.4, baseline="vit-l-detected"),
        _training_free("vit-l-detected", _L, _BOTH, _DETECTED, 16.1),
        _training_free("vit-l-grid", _L, _BOTH, Masks.GRID, 7.8, baseline="vit-l-detected"),
    ),
)
TABLE_4 = PublishedTable(
    "table-4",
    "ADE20K, trained on COCO: the weights",
    ("pq",),
    tuple(
        _weighted(*row)
        for row in (
            (0.4, 0.7, 0.0, 26.4), (0.4, 0.7, 0.1, 29.9), (0.4, 0.7, 0.2, 30.9), (0.4, 0.7, 0.3, 30.9),
            (0.4, 0.7, 0.4, 29.7), (0.4, 0.7, 0.5, 27.8), (0.4, 0.7, 0.6, 28.8), (0.4, 0.7, 0.7, 27.8),
            (0.4, 0.7, 1.0, 25.4), (0.3, 0.7, 0.3, 30.5), (0.5, 0.7, 0.3, 30.3), (0.4, 0.8, 0.3, 30.3),
            (0.4, 0.9, 0.3, 29.9), (1.0, 1.0, 0.3, 24.8),
        )
    ),
    "chosen on the evaluation set itself, as the paper did: not a held-out result",
)  # fmt: skip
CHOICES = PublishedTable(
    "choices",
    "what this project does otherwise than the paper's formula, a setting a row",
    FIGURES,
    (
        _choice("literal", "the paper's literal formula"),
        _choice("fallback", "a source that cannot say drops out: ensemble.unknown = fallback",
                ensemble={"unknown": "fallback"}),
        _choice("renormalised", "scores of a mask sum to 1: ensemble.renormalise = true",
                ensemble={"renormalise": True}),
        _choice("discount", "FC-CLIP's rule of no object: ensemble.void = discount", ensemble={"void": "discount"}),
        _choice("apart", "no object decided apart from the class: ensemble.void = apart", ensemble={"void": "apart"}),
        _choice("ignored", "no object is not asked: ensemble.void = ignored", ensemble={"void": "ignored"}),
        _choice("discount-renormalised", "FC-CLIP's rule, and scores that sum to 1",
                ensemble={"void": "discount", "renormalise": True}),
        _choice("asked", "neighbours among the classes that are asked for: retrieval.scope = asked",
                retrieval={"scope": "asked"}),
        _choice("ours", "fallback, apart and asked", ensemble=OURS, retrieval={"scope": "asked"}),
        _choice("ours-geometric", "the same, with FC-CLIP's geometric mix: ensemble.form = geometric",
                ensemble={**OURS, "form": "geometric"}, retrieval={"scope": "asked"}),
    ),
)  # fmt: skip
TABLES: Mapping[str, PublishedTable] = {table.name: table for table in (TABLE_1, TABLE_2, TABLE_3, TABLE_4, CHOICES)}


def table_named(name: str) -> PublishedTable:
    """Return a table. Raises ConfigError for one that the paper does not have."""
    if name not in TABLES:
        raise ConfigError(f"a table, one of {', '.join(TABLES)}", repr(name), "choose one of them")
    return TABLES[name]
