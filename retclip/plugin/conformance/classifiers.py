"""What is tried of a classifier: scores in range, an honest `knows`, inputs left as they came."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast
from uuid import UUID

import numpy as np
import torch
from torch import Tensor

from retclip.errors import ContractBroken
from retclip.plugin.checks import checked_scores
from retclip.plugin.conformance.comparison import equal
from retclip.plugin.conformance.examples import masks, vocabulary
from retclip.plugin.contracts import LABELS, NEIGHBOURS, Classifier, NeighbourVote
from retclip.plugin.discovery import ComponentInfo
from retclip.types import (
    ClassPrototypes,
    FeatureSpace,
    LabelLogits,
    MaskProposals,
    Neighbours,
    Role,
    SegmentFeatures,
    Vocabulary,
)


def _inputs(
    info: ComponentInfo, count: int = 3
) -> tuple[MaskProposals, SegmentFeatures, Vocabulary, Neighbours | None]:
    generator = torch.Generator().manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(count, 4, generator=generator), dim=-1)
    text = torch.nn.functional.normalize(torch.randn(4, 4, generator=generator), dim=-1)
    covered = torch.ones(count, dtype=torch.bool)
    covered[1:2] = False
    space = FeatureSpace("conformance", "none", "none", "none", 4)
    classes = torch.tensor([[0, 1, 0], [-1, -1, -1], [1, -1, -1]])[:count]
    distances = torch.tensor([[0.1, 0.2, 0.4], [torch.inf] * 3, [0.3, torch.inf, torch.inf]])[:count]
    ids = np.full((count, 3), None, dtype=object)
    stored = {UUID(int=number): vector for number, vector in enumerate(text.flip(0).numpy())}
    ids[classes.numpy() >= 0] = list(stored)[: int((classes >= 0).sum())]
    supported = torch.tensor([True, True, False])
    near = Neighbours(
        ids, classes, distances, supported, vectors=stored, prototypes=_prototypes(text, vectors, covered)
    )
    proposals = MaskProposals(masks()[:count], torch.ones(count), (48, 64))
    neighbours = near if NEIGHBOURS in info.component.needs else None
    labels = _label_logits(count, generator) if LABELS in info.component.needs else None
    return proposals, SegmentFeatures(vectors, covered, space, labels), vocabulary(text), neighbours


def _prototypes(text: Tensor, vectors: Tensor, covered: Tensor) -> ClassPrototypes:
    """Return made-up prototypes, two of the first class and one of the second."""
    members = np.full((3, 1), UUID(int=0), dtype=object)
    distances = (1.0 - vectors @ text[:3].T).masked_fill(~covered[:, None], torch.inf)  # (n, 3)
    return ClassPrototypes(torch.tensor([0, 0, 1]), torch.tensor([2, 1, 4]), members, distances)


def _label_logits(count: int, generator: torch.Generator) -> LabelLogits:
    """Return made-up logits of the one list of labels that a backbone of this project has."""
    segments, image = torch.randn(count, 1000, generator=generator), torch.randn(1000, generator=generator)
    return LabelLogits("imagenet-1k", segments, image)


ORDER = (2, 0, 1)  # of the three classes
HEAD = "it reads what its own proposer says of the masks: test it together with that proposer"


def _role(classifier: Any, _: ComponentInfo) -> None:
    if not isinstance(classifier.role, Role):
        raise ContractBroken("a Role", repr(classifier.role), "set `role`")
    if classifier.role is Role.IN_VOCABULARY and not getattr(classifier, "trained_on", ()):
        todo = "set `trained_on`, the terms of its fine-tuning vocabulary: alpha and beta need it"
        raise ContractBroken("what an in-vocabulary classifier was trained on", "nothing", todo)


def _scores(classifier: Any, info: ComponentInfo) -> object:
    if classifier.role is Role.IN_VOCABULARY:
        return HEAD
    for count in (3, 0):
        proposals, segments, words, near = _inputs(info, count)
        scores = checked_scores(classifier.score(proposals, segments, words, near), count, words, info.full_name, near)
        if scores.role is not classifier.role:
            raise ContractBroken("one role", f"{classifier.role} and {scores.role}", "return scores of your own role")
        if near is not None and bool(scores.knows[2]):
            raise ContractBroken("knows = False for a class without segments", "True", "use neighbours.supported")
    return None


def _pure(classifier: Any, info: ComponentInfo) -> object:
    if classifier.role is Role.IN_VOCABULARY:
        return HEAD
    proposals, segments, words, near = _inputs(info)
    before = segments.vectors.clone(), proposals.masks.clone()
    nearest = None if near is None else (near.classes.clone(), near.distances.clone())
    first, second = (classifier.score(proposals, segments, words, near) for _ in range(2))
    equal("scores twice", first.values, second.values)
    equal("vectors as they came", before[0], segments.vectors)
    equal("masks as they came", before[1], proposals.masks)
    if near is not None and nearest is not None:
        equal("neighbours as they came", nearest[0], near.classes, "copy before you write")
        equal("distances as they came", nearest[1], near.distances, "copy before you write")
    return None


def _company(classifier: Any, info: ComponentInfo) -> object:
    """A mask has its scores, alone and among others."""
    if classifier.role is Role.IN_VOCABULARY:
        return HEAD
    if getattr(classifier, "masks_together", False):
        return "it says that it judges the masks of a photo together"
    proposals, segments, words, near = _inputs(info)
    together = classifier.score(proposals, segments, words, near).values
    for n in range(len(segments.covered)):
        picked = torch.tensor([n])
        logits = segments.label_logits
        own = None if logits is None else replace(logits, segments=logits.segments[picked])
        selection = replace(
            segments, vectors=segments.vectors[picked], covered=segments.covered[picked], label_logits=own
        )
        alone = classifier.score(proposals.picked(picked), selection, words, near and _picked(near, n)).values
        if bool(segments.covered[n]):
            equal("scores of a mask alone and among others", together[picked], alone, "score each mask by itself")
    return None


def _picked(near: Neighbours, n: int) -> Neighbours:
    places: dict[str, Any] = {name: values[[n]] for name, values in near.places.items()}
    prototypes = near.prototypes and replace(near.prototypes, distances=near.prototypes.distances[[n]])
    return replace(near, ids=near.ids[[n]], prototypes=prototypes, **places)


def _order(classifier: Any, info: ComponentInfo) -> object:
    """Classes that are asked for in another order get the same scores in that order."""
    if classifier.role is Role.IN_VOCABULARY:
        return HEAD
    proposals, segments, words, near = _inputs(info)
    before = classifier.score(proposals, segments, words, near)
    rows = [row for n in ORDER for row in (words.row_class == n).nonzero()[0]]
    turned = Vocabulary(
        tuple(words.names[n] for n in ORDER),
        tuple(words.is_thing[n] for n in ORDER),
        tuple(words.synonyms[n] for n in ORDER),
        None if words.text is None else words.text[rows],
    )
    after = classifier.score(proposals, segments, turned, near and _reordered(near))
    todo = "go by the names, texts and neighbours of this call: no class has a place of its own"
    equal("scores of classes in another order", before.values[:, list(ORDER)], after.values, todo)
    if not torch.equal(before.knows[list(ORDER)], after.knows):
        raise ContractBroken("the same `knows` of classes in another order", f"{after.knows.tolist()}", todo)
    return None


def _reordered(near: Neighbours) -> Neighbours:
    places = torch.tensor([ORDER.index(n) for n in range(len(ORDER))])
    classes = torch.where(near.classes < 0, near.classes, places[near.classes.clamp(min=0)])
    prototypes = near.prototypes and replace(near.prototypes, classes=places[near.prototypes.classes])
    return replace(near, classes=classes, supported=near.supported[list(ORDER)], prototypes=prototypes)


def answers(classifier: Any, info: ComponentInfo) -> list[Tensor] | str:
    """What it says of some masks, to be compared with what it says after it was loaded anew; or why it is not asked."""
    if classifier.role is Role.IN_VOCABULARY:
        return HEAD
    proposals, segments, words, near = _inputs(info)
    return [classifier.score(proposals, segments, words, near).values.clone()]


def _vote(classifier: Any, info: ComponentInfo) -> object:
    """What it votes by the neighbours alone is what it scores."""
    proposals, segments, words, near = _inputs(info)
    if near is None or not isinstance(classifier, NeighbourVote):
        return "it does not vote by its neighbours alone"
    voted = classifier.vote(near, segments.covered).values
    scored = cast("Classifier", classifier).score(proposals, segments, words, near).values
    equal("the scores and the vote", scored, voted, "let `score` return what `vote` does")
    return None


CHECKS = (
    ("role", _role),
    ("scores", _scores),
    ("inputs untouched, the same twice", _pure),
    ("masks alone as among others", _company),
    ("classes in any order", _order),
    ("the vote alone", _vote),
)
