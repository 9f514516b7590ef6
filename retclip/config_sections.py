"""The tables of retclip.toml, checked by `config`. Each default's line says where it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from retclip.home import expanded
from retclip.limits import KIB, MIB, Limits


class Section(BaseModel):
    """A table of retclip.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StoreSection(Section):
    """Which database and which index stand behind a store."""

    database: SecretStr = Field(SecretStr(""), description="SQLAlchemy URL; empty = SQLite in the store's folder")
    index: Literal["edge", "server", "resident"] = Field(
        "edge", description="edge: embedded; server: Qdrant; resident: in memory"
    )
    qdrant_url: str = Field("", description="for index = server")
    qdrant_api_key: SecretStr = Field(SecretStr(""), description="better in RETCLIP_STORE__QDRANT_API_KEY")
    qdrant_timeout: float = Field(
        30.0, gt=0, allow_inf_nan=False, description="seconds in which the server must answer a call, tries included"
    )
    exact_below: int = Field(
        20_000,
        ge=0,
        description="points that the embedded index may scan where memory has no room for a copy of them, which is "
        "searched exactly; more are searched by a graph then",
    )


class ComponentsSection(Section):
    """Which components work where no option names others."""

    backbone: str = Field("reference.colour_texture", description="turns masks into vectors")
    keys: str = Field("", description="a second backbone whose vectors are stored and searched (kNN-CLIP); empty: none")
    proposer: str = Field("reference.superpixels", description="finds masks in photos to be labelled")
    classifiers: tuple[str, ...] = Field(("retrieval.vote",), description="score masks; the ensemble mixes them")


class BuildSection(Section):
    """How a build finds masks, names them, and shares its work."""

    proposer: str = Field("reference.ground_truth", description="finds masks to be stored, and names them")
    commit_images: int = Field(32, ge=1, description="images per shard and transaction: what a kill can cost")
    max_segments: int = Field(300, ge=1, description="per image, best first")
    executor: Literal["local", "ray"] = Field("local", description="who works on the images: this machine, or Ray")
    workers: int = Field(0, ge=0, description="processes of a build; 0: one per GPU, without a GPU this process alone")
    retry_failed: bool = Field(False, description="try images again that failed too often: --retry-failed")
    ray_address: str = Field("", description="of a running Ray cluster, e.g. auto; empty: Ray on this machine")
    majority_share: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="masks without names, of annotated photos: kept where the majority under them has a larger share",
    )
    annotated_masks: bool = Field(
        False,
        description="masks without names, of annotated photos: the annotation's own masks are stored beside them",
    )
    assign_confidence: float = Field(
        0.5,
        ge=0,
        le=1,
        description="masks without names: kept where objectness times the label's probability is so high",
    )
    assign_absent: float = Field(
        0.1,
        ge=0,
        le=1,
        description="how likely a class is there that the image's labels do not name, beside one they do",
    )
    assign_scale: float = Field(100.0, gt=0, description="factor on the cosines of masks and names, as CLIP's own")
    assign_overlap: float = Field(0.5, ge=0, le=1, description="of two masks with a larger IoU the surer one is kept")


class DataSection(Section):
    """How files of data sets are read."""

    orientation: Literal["upright", "stored"] = Field(
        "upright",
        description="how annotations of photos with an EXIF orientation lie: upright, or stored as in the file",
    )


class RetrievalSection(Section):
    """How many neighbours vote."""

    k: int = Field(32, ge=1, description="the paper does not say; our choice")
    per_class: bool = Field(False, description="k neighbours of each class instead of k of all")
    scope: Literal["asked", "all"] = Field(
        "asked",
        description="where the k are searched; asked: among the classes that are asked for; all: in the whole store, "
        "so that others take places and give no score (the paper's formula); not with per_class",
    )
    further: int = Field(
        32,
        ge=0,
        description="neighbours behind the k that evidence keeps, never more than k: they take the places of those "
        "that `explain --without` leaves out",
    )
    min_trust: float = Field(
        0.0,
        ge=0,
        le=1,
        description="segments whose label is trusted less do not vote, those behind them move up; 0: all vote. "
        "`retclip audit mislabels` computes trust; a segment without one votes",
    )


class EnsembleSection(Section):
    """How the scores of CLIP, retrieval and head become one (paper 2.2)."""

    alpha: float = Field(0.4, ge=0, le=1, description="weight of CLIP and retrieval for seen classes (table 4)")
    beta: float = Field(0.7, ge=0, le=1, description="the same for unseen classes (table 4)")
    gamma: float = Field(0.3, ge=0, le=1, description="weight of retrieval beside CLIP (table 4)")
    form: Literal["arithmetic", "geometric"] = Field("arithmetic", description="the paper's, or FC-CLIP's")
    unknown: Literal["fallback", "zero"] = Field("fallback", description="a source that cannot say: drop it, or 0")
    renormalise: bool = Field(True, description="bring a mask's scores to sum 1 (arithmetic form)")
    void: Literal["discount", "apart", "rival", "ignored"] = Field(
        "discount",
        description="a mask's probability v of no object. discount: scores times 1 - v, no object where v is above "
        "the best (FC-CLIP); apart: where v is above one half; rival: scores as they are, beside v; ignored: not asked",
    )
    void_correction: float = Field(
        0.0, ge=0, le=1, description="c: v becomes v * (1 - c * CLIP's best score) (OVRCOAT: 0.5); 0: v as it is"
    )


class SegmentSection(Section):
    """How scored masks become one map."""

    object_mask_threshold: float = Field(0.0, ge=0, le=1, description="FC-CLIP's value")
    overlap_threshold: float = Field(0.8, ge=0, le=1, description="FC-CLIP's value")
    mask_threshold: float = Field(0.5, ge=0, le=1, description="FC-CLIP's value")
    smallest_void: float = Field(
        0.0,
        ge=0,
        le=1,
        description="smaller void islands (share of the photo) go to the segments around them; 0: none",
    )
    mask_cost: float = Field(
        0.04,
        ge=0,
        allow_inf_nan=False,
        description="of a tree of masks: what each costs, share of a photo, times a power of doubt; more: larger masks",
    )
    doubt_power: float = Field(
        2.0,
        ge=0,
        allow_inf_nan=False,
        description="of a tree of masks: that power of doubt, 1 less the mean score of the best class; 0: none",
    )
    own_scores: float = Field(
        0.1, ge=0, le=1, description="of a tree of masks: weight of a mask's own scores beside those of its parts"
    )
    unasked: Literal["left out", "compete"] = Field(
        "left out",
        description="stored classes that are not asked for; compete: they are scored, too, and what they win stays "
        "without a label, so that a short list of names is not forced on everything",
    )
    use_prompts: bool = Field(False, description="drop classes that a prompted proposer never found (paper 2.2)")
    without_store: bool = Field(
        False, description="where there is no store, classifiers that vote with one are left out, if others remain"
    )
    trace_days: float = Field(
        30.0, gt=0, allow_inf_nan=False, description="days that the store keeps the evidence of `segment --trace`"
    )
    merge_side: int = Field(2048, ge=64, description="longer side on which masks are merged; the map is full size")


class MatchingSection(Section):
    """When a class of the store stands for a name."""

    threshold: Annotated[float, Field(ge=-1, le=1)] | Literal["backbone"] = Field(
        "backbone",
        description="cosine of names; backbone: its own (`retclip plugins info`), 0.95 for a text tower of CLIP's size "
        "(paper 2.2), none for a smaller one; 1: names are compared by spelling alone",
    )


class FallbackSection(Section):
    """Where classes come from that the store lacks, and how much of each."""

    source: str = Field("", description="where classes that the store lacks come from, reader:path?...; empty: nowhere")
    max_images: int = Field(50, ge=1, description="images of a class that are fetched at most")
    enough_segments: int = Field(20, ge=1, description="segments of a class after which no more are")


class LimitsSection(Section):
    """What a file of others may unpack to; of data that you trust they may be raised."""

    image_pixels: int = Field(50_000_000, ge=1, description="pixels of a photo, a label map or a mask")
    image_side: int = Field(16_384, ge=1, description="pixels of their longer side")
    image_aspect: float = Field(50.0, ge=1, description="their longer side over the shorter one")
    file_mib: int = Field(64, ge=1, description="MiB of an image file, also of one in a tar or Parquet file")
    text_kib: int = Field(
        1024, ge=1, description="KiB of an image's caption or tags, a table's row, a mask's run lengths"
    )
    document_mib: int = Field(2048, ge=1, description="MiB of a JSON document, a table or a class list")
    unpacked_mib: int = Field(
        1024, ge=1, description="MiB of an evidence file, a checkpoint, a column of a Parquet row group"
    )

    @property
    def limits(self) -> Limits:
        """The same in bytes."""
        return Limits(
            self.image_pixels, self.image_side, self.image_aspect, self.file_mib * MIB, self.text_kib * KIB,
            self.document_mib * MIB, self.unpacked_mib * MIB,
        )  # fmt: skip


class DeviceSection(Section):
    """On what and how models compute."""

    name: str = Field("auto", description="auto, cpu, cuda, cuda:1, ...")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field("auto", description="autocast precision of models")
    batch_size: int = Field(1, ge=1, description="the first try; halved where memory runs out")
    threads: int = Field(0, ge=0, description="of the CPU, for each process; 0: all, shared by the workers of a build")
    backbone: str = Field("", description="a device for this role alone")
    proposer: str = Field("", description="a device for this role alone")
    classifier: str = Field("", description="a device for this role alone")


class WeightsSection(Section):
    """Where weights lie, and whether they may be fetched."""

    folder: str = Field(
        "", description="where weights, text vectors and what builds remember of files lie; empty: ~/.cache/retclip"
    )
    offline: bool = Field(False, description="never touch the network")
    token: SecretStr = Field(SecretStr(""), description="a Hugging Face token; better in RETCLIP_WEIGHTS__TOKEN")

    @property
    def place(self) -> Path | None:
        """The folder, None = the default. Raises ConfigError for a ~ that stands for nothing."""
        return expanded(self.folder) if self.folder else None


class PluginsSection(Section):
    """Which plugins are loaded."""

    disabled: tuple[str, ...] = Field((), description="plugins or distributions that are not loaded")
    strict: bool = Field(False, description="a plugin that fails to load stops the program")


class FinetuneSection(Section):
    """FC-CLIP's recipe on COCO panoptic (method.md 2.3), unless a line says otherwise. A step is one optimiser step."""

    batch_size: int = Field(16, ge=1, description="images a step, over all processes (FC-CLIP)")
    steps: int = Field(368_750, ge=1, description="how many steps: 50 epochs of COCO (FC-CLIP)")
    learning_rate: float = Field(1e-4, gt=0, description="of AdamW (FC-CLIP)")
    weight_decay: float = Field(0.05, ge=0, description="of AdamW; none for norms and embeddings (FC-CLIP)")
    schedule: Literal["steps", "cosine", "poly"] = Field(
        "steps", description="steps: times `decay` at each milestone (FC-CLIP); cosine or poly (power 0.9): down to 0"
    )
    milestones: tuple[int, ...] = Field((327_778, 355_092), description="for schedule = steps, in steps (FC-CLIP)")
    decay: float = Field(0.1, gt=0, le=1, description="for schedule = steps (FC-CLIP)")
    warmup: int = Field(10, ge=0, description="steps in which the learning rate grows to its value (FC-CLIP)")
    clip: float = Field(0.01, gt=0, description="L2 norm to which the whole gradient is cut (FC-CLIP)")
    crop: int = Field(1024, ge=16, description="side of the square that is trained on, in pixels (FC-CLIP)")
    smallest_scale: float = Field(0.1, gt=0, description="the photo fits into `crop` times this at least (FC-CLIP)")
    largest_scale: float = Field(2.0, gt=0, description="and times this at most, drawn evenly between (FC-CLIP)")
    flip: bool = Field(True, description="mirror every second photo (FC-CLIP)")
    seed: int = Field(0, ge=0, description="of weights, order, augmentation and losses")
    checkpoint_every: int = Field(5_000, ge=1, description="steps: what a kill can cost")
    keep_checkpoints: int = Field(2, ge=1, description="the newest ones stay; 0.25 GB each with FC-CLIP's head")
    validate_every: int = Field(5_000, ge=0, description="steps between validations, 0 = only at the end (FC-CLIP)")
    validate_images: int = Field(0, ge=0, description="the first so many images of --val, 0 = all")
    log_every: int = Field(20, ge=1, description="steps between lines of metrics.jsonl")
    workers: int = Field(4, ge=1, description="threads a process that decode and augment")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.smallest_scale > self.largest_scale:
            raise ValueError("smallest_scale must not be above largest_scale")
        if list(self.milestones) != sorted(set(self.milestones)) or any(milestone < 1 for milestone in self.milestones):
            raise ValueError("milestones must be steps above 0 that grow")
        return self
