"""Agreement with the original FC-CLIP on a folder of reference numbers: every stage, from the image to its outputs.

    python -m retclip_mask2former.parity FOLDER [FOLDER ...]      exit code 1 where something disagrees

The folder holds the original's state, one image and every intermediate tensor (its README says which). The image goes
through the backbone as a user runs it, found by name through the plugin host. The head begins with the recorded feature
maps and works in float64: it decides at hard thresholds, and with the rounding of float32 its decisions would hang on
the processor (`train_parity.py` says which). Tolerances are about ten times what the original differs from itself with
other kernels.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from torch import Tensor

from retclip.algorithms.ensemble import EnsembleWeights, ensemble
from retclip.algorithms.instance_selection import Instances, instance_selection
from retclip.algorithms.panoptic_merge import MergeThresholds, panoptic_merge
from retclip.algorithms.semantic_map import semantic_scores
from retclip.algorithms.text_scores import text_logits
from retclip.errors import RetCLIPError, WeightsDamaged
from retclip.plugin.manager import PluginManager
from retclip.types import ClassScores, Device, Image, MaskLogits, Role
from retclip_mask2former.checkpoint import head_of, our_name
from retclip_mask2former.head import LEVELS, class_logits
from retclip_mask2former.reference_numbers import Numbers, Reference, Row, close, recorded_features
from retclip_mask2former.train_parity import has_training_step, training_rows

CLIP = "backbone.clip_model."
RELATIVE, LOGITS, PROBABILITIES, SEMANTIC = 1e-5, 1e-3, 1e-4, 5e-4  # the last three absolute
DIFFERENT_PIXELS = 1e-3  # share of a map, or of an attention mask, that may flip at a hard threshold


def compare(folder: Path) -> list[Row]:
    """Every comparison of one folder, ending with the first stage that cannot be computed at all: a state with a
    missing or unexpected key, say. Raises DataError where it is no folder of reference numbers."""
    rows: list[Row] = []
    reference = Reference(folder)
    try:
        with torch.no_grad():
            for row in _rows(reference):
                rows.append(row)  # one by one, so that those before a failure stay
    except WeightsDamaged as error:
        rows.append(Row("the original's state loads", math.nan, 0, str(error)))
    return rows


def _rows(reference: Reference) -> Iterator[Row]:
    config, state = reference.config, reference.load("state")
    unknown = [key for key in state if not key.startswith(CLIP) and our_name(key) is None and "criterion." not in key]
    yield Row("state: keys that nobody takes", len(unknown), 0, ", ".join(unknown[:3]))
    head = head_of(state, bool(config.get("pre_norm"))).double()
    backbone = _backbone(reference)
    pixels = reference.load("input")["resized_uint8_chw"].permute(1, 2, 0).contiguous().numpy()
    (features,) = backbone.dense_features([Image(pixels, "0" * 64)])
    yield from (_relative(f"backbone.{name}", features.levels[name], reference.load("backbone")) for name in LEVELS)
    yield _relative("backbone.clip_vis_dense", features.grid, reference.load("backbone"))
    recorded = recorded_features(reference).levels
    predictions = head({name: level.double()[None] for name, level in recorded.items()}, every_layer=True)
    yield from _pixel_decoder(reference, predictions)
    test = reference.terms("test")
    text = backbone.text_vectors([name for names in test for name in names])
    yield _relative("test.classifier", text, reference.load("text"))
    rows = torch.repeat_interleave(torch.arange(len(test)), torch.tensor([len(names) for names in test]))
    logits = [class_logits(z[0], text, rows, len(test), head.void, head.scale) for z in predictions.embeddings]
    yield from _decoder(reference, predictions, logits)
    masks = MaskLogits(predictions.masks[-1][0], tuple(config["padded_hw"]), tuple(config["net_hw"]))
    segments = backbone.segment_vectors(features, masks.values.sigmoid(), masks)
    scale = float(state[f"{CLIP}logit_scale"].exp().clamp(max=100))
    outside = text_logits(segments.vectors, text, rows, len(test), scale)
    scores, void, class_rows = _classified(reference, logits[-1], outside, segments.covered)
    numbers = reference.load("classification")
    valid = numbers["mask_for_pooling"][0].gt(0).flatten(1).any(1)
    yield Row("masks that meet a cell", int((valid != segments.covered).sum()), 0)
    pooled = F.normalize(numbers["clip.pooled"][0], dim=-1)
    yield close("clip.pooled (unit length)", segments.vectors, pooled, 10 * RELATIVE)
    yield close("clip.out_vocab_logits", outside, numbers["clip.out_vocab_logits"][0][:, :-1], LOGITS)
    yield from class_rows
    yield from _outputs(reference, masks, scores, void)
    if has_training_step(reference):
        yield from training_rows(reference)


def _backbone(reference: Reference) -> Any:
    settings = dict(reference.backbone_settings)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "architecture.json"
        path.write_text(json.dumps(settings["config"]), encoding="utf-8")
        settings["config"] = str(path)
        return PluginManager.discover().load("backbone", "openclip.model", settings, Device())


def _pixel_decoder(reference: Reference, predictions: Any) -> Iterator[Row]:
    numbers = reference.load("pixel_decoder")
    yield from (_relative(f"pixdec.multi_scale.{n}", level, numbers) for n, level in enumerate(predictions.levels))
    yield _relative("pixdec.mask_features", predictions.pixels, numbers)


def _decoder(reference: Reference, predictions: Any, logits: Sequence[Tensor]) -> Iterator[Row]:
    numbers = reference.load("decoder")
    for n, masks in enumerate(predictions.masks):
        yield close(f"dec.layer_masks.{n}", masks, numbers[f"dec.layer_masks.{n}"], LOGITS)
        yield close(f"dec.layer_logits.{n}", logits[n], numbers[f"dec.layer_logits.{n}"][0], LOGITS)
        recorded = numbers.get(f"dec.cross_attn_mask.{n}")
        if recorded is not None:
            blocked = _blocked(masks, predictions.levels[n % len(predictions.levels)].shape[-2:])
            share = (blocked[0] != recorded[0].bool()).float().mean()
            yield Row(f"dec.cross_attn_mask.{n}", float(share), DIFFERENT_PIXELS, "share that differs")


def _blocked(masks: Tensor, size: tuple[int, int]) -> Tensor:
    """Return (b, q, hw) bool, a layer's attention mask; a row that is blocked entirely is freed (method.md 2.1)."""
    resized = F.interpolate(masks, size=tuple(size), mode="bilinear", align_corners=False)
    blocked = (resized.sigmoid() < 0.5).flatten(2)
    return blocked & ~blocked.all(-1, keepdim=True)


def _classified(
    reference: Reference, inside: Tensor, outside: Tensor, covered: Tensor
) -> tuple[Tensor, Tensor, list[Row]]:
    """Return class scores times (1 - void) and void, by FC-CLIP's ensemble, with their comparisons."""
    config, numbers = reference.config, reference.load("classification")
    trained = {name for names in reference.terms("train") for name in names}
    seen = torch.tensor([not trained.isdisjoint(names) for names in reference.terms("test")])
    everything = torch.ones(len(seen), dtype=torch.bool)
    void = inside.softmax(-1)[:, -1]
    sources = [
        ClassScores(inside[:, :-1].softmax(-1), everything, Role.IN_VOCABULARY, void),
        ClassScores(outside.softmax(-1), everything, Role.CLIP),
    ]
    weights = EnsembleWeights(config["alpha"], config["beta"], form="geometric")
    scores, void = ensemble(sources, seen, weights, covered if config["ensemble_on_valid_mask"] else None)
    pairs = (
        ("in_vocab_probs", sources[0].values),
        ("out_vocab_probs", sources[1].values),
        ("mask_cls_probs", torch.cat((scores, void[:, None]), dim=1)),
    )
    rows = [Row("seen classes", int((seen != numbers["category_overlapping_mask"].bool()).sum()), 0)]
    return scores, void, [*rows, *(close(name, values, numbers[name][0], PROBABILITIES) for name, values in pairs)]


def _outputs(reference: Reference, masks: MaskLogits, scores: Tensor, void: Tensor) -> Iterator[Row]:
    config, numbers = reference.config, reference.load("results")
    size = tuple(config["output_hw"])
    is_thing = torch.tensor([bool(entry["isthing"]) for entry in config["test_vocabulary"]])
    yield close("sem_seg", semantic_scores(masks, scores, size), numbers["sem_seg"], SEMANTIC)
    for name, recorded in reference.panoptic.items():
        thresholds = MergeThresholds(recorded["object_mask_threshold"], recorded["overlap_threshold"])
        label_map, _, segments = panoptic_merge(masks, scores, void, is_thing, size, thresholds)
        share = (label_map != numbers[recorded["key"]].int()).float().mean()
        predicted = [(segment.id, segment.is_thing, segment.class_index) for segment in segments]
        annotated = [(entry["id"], bool(entry["isthing"]), entry["category_id"]) for entry in recorded["segments_info"]]
        yield Row(f"panoptic {name}: pixels", float(share), DIFFERENT_PIXELS, "share that differs")
        yield Row(f"panoptic {name}: segments", int(predicted != annotated), 0, f"{len(annotated)} segments")
    instances = instance_selection(masks, scores, is_thing, size, config["detections_per_image"])
    yield Row(
        "instances not found again", _unmatched(instances, numbers), 0, f"{len(numbers['instances.scores'])} instances"
    )


def _unmatched(instances: Instances, numbers: Numbers) -> int:
    """Return how many instances of the two sets have no match of the same class, score and mask."""
    left = set(range(len(instances.scores)))
    unmatched = 0
    recorded = zip(*(numbers[f"instances.{key}"] for key in ("pred_classes", "scores", "pred_masks")), strict=True)
    for label, score, mask in recorded:
        partner = next(
            (
                n for n in sorted(left)
                if instances.classes[n] == label and abs(instances.scores[n] - score) <= PROBABILITIES * 10
                and (instances.masks[n] != mask.bool()).float().mean() <= DIFFERENT_PIXELS
            ),
            None,
        )  # fmt: skip
        unmatched += partner is None
        left.discard(-1 if partner is None else partner)
    return unmatched + len(left)


def _relative(name: str, values: Tensor, numbers: Numbers) -> Row:
    recorded = numbers[name]
    return close(name, values, recorded, RELATIVE * float(recorded.abs().max()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table per folder; 0 where all agrees, 1 where something does not, an error's own code otherwise."""
    folders = list(sys.argv[1:] if arguments is None else arguments)
    if not folders or any(argument.startswith("-") for argument in folders):
        print(__doc__, file=sys.stderr)
        return 0 if folders in (["-h"], ["--help"]) else 2
    disagreements = 0
    for folder in folders:
        try:
            rows = compare(Path(folder))
        except RetCLIPError as error:
            print(f"expected {error.expected}\ngot      {error.got}\nto do    {error.todo}", file=sys.stderr)
            return error.exit_code
        disagreements += sum(not row.ok for row in rows)
        print(f"{folder}: {sum(row.ok for row in rows)} of {len(rows)} comparisons agree")
        for row in rows:
            verdict, numbers = "ok" if row.ok else "DISAGREES", f"{row.difference:10.3g}  allowed {row.allowed:8.3g}"
            print(f"  {verdict:9}  {row.name:32} {numbers}  {row.detail}".rstrip())
    return int(disagreements > 0)


if __name__ == "__main__":
    sys.exit(main())
