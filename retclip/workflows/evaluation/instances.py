"""Object instances for AP: predicted by FC-CLIP's rule (method.md 1.8), of patches those of the map, and annotated.

Masks become run lengths at once, and only where they decide: a prediction of a class that is not annotated in the image
overlaps with nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from retclip.algorithms.average_precision import Instance
from retclip.algorithms.instance_selection import instances_in_parts
from retclip.data import rle
from retclip.names import name_key
from retclip.types import MaskProposals, PanopticSegmentation

MOST = 100  # pairs of mask and class of an image, FC-CLIP's TEST.DETECTIONS_PER_IMAGE
MOST_LOOKED_FOR = 300  # the same where an annotation says which classes were looked for, LVIS' own limit


@dataclass(frozen=True, eq=False)
class Annotated:
    """The annotated things of an image.

    instances: crowd regions included.
    absent: classes verified to be absent; None = all that are not annotated.
    incomplete: classes of which not every instance is annotated.
    uncounted: why AP cannot be counted against them; empty where it can.
    """

    instances: Sequence[Instance]
    absent: frozenset[int] | None = None
    incomplete: frozenset[int] = frozenset()
    uncounted: str = ""


def predicted_instances(
    proposals: MaskProposals, scores: Tensor, is_thing: tuple[bool, ...], annotated: Annotated, drawn: bool = False
) -> list[Instance]:
    """Return the instances of an image, best pair of mask and class first.

    scores: (n, c), already multiplied by 1 - void.
    drawn: whether the masks are annotated, each one object: its best class alone is an instance then, while FC-CLIP's
    rule allows a network's mask under several classes.
    """
    annotated_classes = {instance.class_index for instance in annotated.instances}
    most = MOST if annotated.absent is None else MOST_LOOKED_FOR
    thing_classes, instances = torch.tensor(is_thing, dtype=torch.bool), []
    best = scores.argmax(dim=1) if scores.numel() else None
    for part in instances_in_parts(proposals.finest, scores, thing_classes, proposals.image_size, most):
        areas = part.masks.flatten(1).sum(1).double().tolist()
        for n, (index, score) in enumerate(zip(part.classes.tolist(), part.scores.tolist(), strict=True)):
            if drawn and best is not None and index != int(best[part.proposals[n]]):
                continue
            runs = rle.encode(part.masks[n].cpu().numpy()) if index in annotated_classes else None
            instances.append(Instance(index, runs, score, area=areas[n]))
    return instances


def merged_instances(panoptic: PanopticSegmentation, annotated: Annotated) -> list[Instance]:
    """Return the things of a panoptic map, best first: the instances of a proposer whose masks are patches of them."""
    annotated_classes = {instance.class_index for instance in annotated.instances}
    things = sorted((segment for segment in panoptic.segments if segment.is_thing), key=lambda thing: -thing.score)
    return [
        Instance(
            thing.class_index,
            rle.encode(panoptic.label_map == thing.id) if thing.class_index in annotated_classes else None,
            thing.score,
            area=float(thing.area),
        )
        for thing in things[: MOST if annotated.absent is None else MOST_LOOKED_FOR]
    ]


def annotated_instances(truth: PanopticSegmentation, index: Mapping[str, int], is_thing: tuple[bool, ...]) -> Annotated:
    """Return the annotated things of an image, with complete masks where the annotation has them, else as in the map.

    index: class index by the key of the class's name.
    """
    objects = truth.objects
    if objects is None:
        objects_of = (
            (segment.class_name, truth.label_map == segment.id, segment.is_crowd, float(segment.area))
            for segment in truth.segments
        )
    else:
        objects_of = (
            (annotated_object.class_name, annotated_object.mask(), annotated_object.is_crowd, annotated_object.area)
            for annotated_object in objects.objects
        )
    numbers = {name: number for name, number in index.items() if is_thing[number]}
    instances = [
        Instance(number, rle.encode(mask), is_crowd=is_crowd, area=area)
        for name, mask, is_crowd, area in objects_of
        if (number := numbers.get(name_key(name))) is not None
    ]
    if objects is None:
        return Annotated(instances)
    absent = None if objects.absent is None else _numbers(objects.absent, numbers)
    return Annotated(instances, absent, _numbers(objects.incomplete, numbers), objects.uncounted)


def _numbers(names: Collection[str], numbers: Mapping[str, int]) -> frozenset[int]:
    return frozenset(numbers[key] for key in map(name_key, names) if key in numbers)
