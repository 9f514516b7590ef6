"""Things one by one, as AP compares them: predicted by FC-CLIP's rule (method.md 1.8), and annotated.

Masks become run lengths as soon as they are painted, and only where they decide: a prediction of a class that is not
annotated in the image overlaps with nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from retclip.algorithms.average_precision import Instance
from retclip.algorithms.instance_selection import instances_in_parts
from retclip.data import rle
from retclip.names import name_key
from retclip.types import MaskProposals, PanopticSegmentation

MOST = 100  # pairs of mask and class of an image, FC-CLIP's TEST.DETECTIONS_PER_IMAGE


def predicted_instances(
    proposals: MaskProposals, scores: Tensor, is_thing: tuple[bool, ...], annotated: list[Instance]
) -> list[Instance]:
    """The instances of an image, best pair of mask and class first. scores: (n, c) already times 1 - void."""
    wanted = {one.class_index for one in annotated}
    things, found = torch.tensor(is_thing, dtype=torch.bool), []
    for part in instances_in_parts(proposals.finest, scores, things, proposals.image_size, MOST):
        for mask, index, score in zip(part.masks, part.classes.tolist(), part.scores.tolist(), strict=True):
            runs = rle.encode(mask.cpu().numpy()) if index in wanted else None
            found.append(Instance(index, runs, score))
    return found


def annotated_instances(
    truth: PanopticSegmentation, index: Mapping[str, int], is_thing: tuple[bool, ...]
) -> list[Instance]:
    """The annotated things of an image, crowds included. index: key of a class's name -> its number."""
    found = []
    for one in truth.segments:
        number = index.get(name_key(one.class_name))
        if number is not None and is_thing[number]:
            found.append(Instance(number, rle.encode(truth.label_map == one.id), is_crowd=one.is_crowd))
    return found
