"""What every source says of an image's masks, and the decision that mixes it: the two halves of `segment_image.decide`.

Between them lies all that models, texts and the store have to say; the second half needs none of them. So a setting of
the ensemble can be tried again on scores that were kept (`workflows.tuning`), by the same code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from retclip.algorithms.ensemble import EnsembleWeights, ensemble
from retclip.config_sections import SegmentSection
from retclip.device import inference
from retclip.evidence import DecisionInputs
from retclip.names import name_key
from retclip.plugin.calls import on_photos
from retclip.plugin.checks import checked_scores
from retclip.plugin.contracts import Classifier
from retclip.types import ClassScores, Image, MaskProposals, Neighbours, Role, SegmentFeatures, Vocabulary
from retclip.workflows.segment.describe_image import Description, addresses
from retclip.workflows.segment.neighbours import Searched, search_neighbours
from retclip.workflows.segment.parts import Loaded, PreparedVocabulary, Segmenter
from retclip.workflows.segment.score_rules import pruned, without_void_of_some
from retclip.workflows.segment.tree_cut import Decided, at_best_cut
from retclip.workflows.segment.vocabulary import needs_neighbours


@dataclass(frozen=True, eq=False)
class ScoredMasks:
    """The masks of an image with the scores of every classifier, before anything is mixed.

    proposals: of a tree all of its masks.
    segments: what the classifiers read.
    scores: as each classifier gave them.
    searched: None where no classifier votes with neighbours.
    seen: (c,) bool, the classes that an in-vocabulary head was trained on.
    possible: (n, c) bool, False where a class is ruled out because no prompt detected it; None = nothing is.
    """

    proposals: MaskProposals
    segments: SegmentFeatures
    scores: tuple[ClassScores, ...]
    searched: Searched | None
    seen: Tensor
    possible: Tensor | None = None

    @property
    def neighbours(self) -> Neighbours | None:
        """The segments that vote."""
        return self.searched.voters if self.searched else None

    @property
    def sources(self) -> list[ClassScores]:
        """The scores as the ensemble takes them: without "no object" of some, and 0 for what is ruled out."""
        return pruned(without_void_of_some(self.scores), self.possible, self.neighbours)


def score_masks(parts: Segmenter, image: Image, prepared: PreparedVocabulary, described: Description) -> ScoredMasks:
    """Ask every classifier. Raises DataError for what one raises on the image, ContractBroken, StoreError."""
    searched = search_neighbours(parts, prepared, described.keys) if needs_neighbours(parts) else None
    neighbours = searched.voters if searched else None
    masks = described.proposals, described.segments
    scores = tuple(
        scores_by(classifier, *masks, prepared.scored, neighbours, addresses([image]))
        for classifier in parts.classifiers
    )
    possible = _possible(described.proposals, prepared.scored.names)
    return ScoredMasks(*masks, scores, searched, seen_classes(parts, prepared.scored), possible)


def scores_by(
    classifier: Loaded[Classifier], proposals: MaskProposals, segments: SegmentFeatures, vocabulary: Vocabulary,
    neighbours: Neighbours | None, photos: Sequence[str],
) -> ClassScores:  # fmt: skip
    """Return the checked scores of a classifier. photos: addresses, for messages. Raises DataError, ContractBroken."""
    with inference(classifier.device), on_photos(classifier.name, photos):
        answer = classifier.component.score(proposals, segments, vocabulary, neighbours)
    answer = checked_scores(answer, len(proposals), vocabulary, classifier.name, neighbours)
    return replace(answer, classifier=classifier.name)


def decided(scored: ScoredMasks, weights: EnsembleWeights, cut: SegmentSection) -> Decided:
    """Mix the scores, and of a tree of masks choose the best cut. cut: its settings `own_scores`, `mask_cost` and
    `doubt_power`.
    """
    scores = scored.sources
    combined, void = ensemble(scores, scored.seen, weights, covered=scored.segments.covered)
    return cut_where_tree(scored, scores, combined, void, cut)


def cut_where_tree(
    scored: ScoredMasks, scores: Sequence[ClassScores], combined: Tensor, void: Tensor, cut: SegmentSection
) -> Decided:
    """Return the masks that class scores choose, all where they are no tree.

    scores: `ScoredMasks.sources`; combined, void: what they were mixed to, (n, c) and (n,).
    """
    searched, covered = scored.searched, scored.segments.covered
    inputs = _inputs(searched, scored.seen, covered, scored.possible) if searched else None
    whole = Decided(scored.proposals, scored.neighbours, tuple(scores), combined, void, inputs)
    if scored.proposals.parents is None:
        return whole
    return at_best_cut(whole, scored.proposals.parents, cut.own_scores, cut.mask_cost, cut.doubt_power)


def seen_classes(parts: Segmenter, vocabulary: Vocabulary) -> Tensor:
    """Return (c,) bool, the classes that an in-vocabulary head was trained on (exact terms, FC-CLIP's rule, method.md
    1.7).
    """
    trained = {
        name_key(term)
        for classifier in parts.classifiers
        if classifier.component.role is Role.IN_VOCABULARY
        for term in getattr(classifier.component, "trained_on", ())
    }
    return classes_with_terms(vocabulary, trained)


def classes_with_terms(vocabulary: Vocabulary, keys: set[str]) -> Tensor:
    """Return (c,) bool, the classes any of whose terms has its key among `keys`."""
    matching = torch.zeros(len(vocabulary), dtype=torch.bool)
    for term, row in zip(vocabulary.terms, vocabulary.row_class.tolist(), strict=True):
        matching[row] |= name_key(term) in keys
    return matching


def _inputs(searched: Searched, seen: Tensor, covered: Tensor, possible: Tensor | None) -> DecisionInputs:
    return DecisionInputs(
        searched.beyond, searched.k, searched.further, searched.per_class, seen, covered.cpu(), possible
    )


def _possible(proposals: MaskProposals, names: tuple[str, ...]) -> Tensor | None:
    """Return (n, c) bool, False for classes that a class-aware proposer did not detect (training-free path, paper 2.2).

    A mask without a prompt, from a grid of points say, rules no class out; None where no mask has one.
    """
    prompts = proposals.prompts or ()
    prompted = torch.tensor([prompt is not None for prompt in prompts], dtype=torch.bool)  # (n,)
    if not prompted.any():
        return None
    detected = torch.tensor([name in prompts for name in names], dtype=torch.bool)  # (c,)
    return detected[None] | ~prompted[:, None]  # (n, c)
