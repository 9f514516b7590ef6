"""The labelled segments of one image with their vectors: what a build stores of it (paper, section 2.1).

dense features -> proposals for the classes present -> mask-pooled vectors -> numbered slots with run-length masks
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from retclip.data import rle
from retclip.errors import ContractBroken, DataError
from retclip.plugin.contracts import ANNOTATION, SourceImage
from retclip.store.ingest import NewSegment, UnitResult
from retclip.types import Image, MaskProposals, Vocabulary
from retclip.workflows.describe_image import proposals_of, vectors_of
from retclip.workflows.masks import best_first, binary, box
from retclip.workflows.parts import Parts


def image_segments(
    parts: Parts, record: SourceImage, key: str, image: Image, class_names: Sequence[str], is_thing: Mapping[str, bool]
) -> tuple[UnitResult, int]:
    """One image's segments of those classes with their vectors, and how many masks had to be dropped."""
    vocabulary = Vocabulary(tuple(class_names), tuple(is_thing.get(name, True) for name in class_names))
    features, found = proposals_of(parts, image, vocabulary)
    proposals = best_first(_named(found, class_names, parts.proposer.name), parts.settings.build.max_segments)
    vectors = vectors_of(parts, features, proposals)
    segments, kept = _segments(parts, proposals, vectors.covered.tolist())
    result = UnitResult(
        key=key, external_id=record.external_id, uri=record.uri, image_sha256=image.sha256, size=image.size,
        prompts=tuple(class_names), segments=tuple(segments),
        vectors=vectors.vectors[kept].float().cpu().numpy().reshape(len(kept), parts.backbone.thing.space.dim),
    )  # fmt: skip
    return result, len(proposals) - len(kept)


def _named(proposals: MaskProposals, class_names: Sequence[str], component: str) -> MaskProposals:
    """A stored segment needs a class: refuse masks that nobody named, or named what nobody asked for."""
    if proposals.prompts is None or any(prompt is None for prompt in proposals.prompts):
        raise DataError(
            "a proposer that says which class each mask shows",
            f"masks without a name from {component}",
            "build with ground-truth masks or a prompted proposer: --proposer reference.ground_truth",
        )
    strange = sorted({str(prompt) for prompt in proposals.prompts} - set(class_names))
    if strange:
        todo = f"report it to the plugin's author: retclip plugins check {component}"
        raise ContractBroken(f"prompts from the vocabulary from {component}", f"{strange[0]!r}", todo)
    return proposals


def _segments(parts: Parts, proposals: MaskProposals, covered: Sequence[bool]) -> tuple[list[NewSegment], list[int]]:
    """The segments to store, numbered per class by falling objectness, and the proposals they come from."""
    source = "annotation" if ANNOTATION in parts.proposer.provides else "detector"
    objectness = proposals.objectness.float().cpu().numpy()
    ordinals: dict[str, int] = {}
    segments, kept = [], []
    for n in np.argsort(-objectness, kind="stable").tolist():
        pixels = binary(proposals.masks[n], proposals.image_size)
        area = int(pixels.sum())
        if not covered[n] or area == 0:
            continue
        prompt = str(proposals.prompts[n]) if proposals.prompts else ""
        ordinal = ordinals[prompt] = ordinals.get(prompt, -1) + 1
        score = float(objectness[n])
        counts = rle.encode(pixels)["counts"].encode()
        segments.append(NewSegment(prompt, ordinal, box(pixels), area, score, counts, source, score))
        kept.append(n)
    return segments, kept
