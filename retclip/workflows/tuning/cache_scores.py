"""The one pass of an annotated source through the models: every photo's scores go to disk as they come."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import cast

from retclip.algorithms.panoptic_matching import labelled, segments_by_id
from retclip.documents import as_read
from retclip.errors import DataError
from retclip.passed_over import passed_over_by
from retclip.plugin.checked_source import CheckedSource
from retclip.plugin.contracts import NEIGHBOURS, ImageSource, SourceImage
from retclip.progress import OnProgress, Progress, silent
from retclip.store.records import Failure
from retclip.types import Image, PanopticSegmentation, Vocabulary
from retclip.workflows.building.source_classes import annotated_vocabulary
from retclip.workflows.evaluation.evaluate import seen_groups, weights_and_store
from retclip.workflows.segment.decode_ahead import decoded
from retclip.workflows.segment.describe_image import Description
from retclip.workflows.segment.in_groups import in_groups
from retclip.workflows.segment.neighbour_wants import NeighbourWants
from retclip.workflows.segment.parts import PreparedVocabulary, Segmenter
from retclip.workflows.segment.score_masks import score_masks, seen_classes
from retclip.workflows.segment.segment_image import describe_images, provenance
from retclip.workflows.segment.vocabulary import missing, prepare
from retclip.workflows.tuning.score_cache import ScoreCache, ScoresHead
from retclip.workflows.tuning.scored_photo import ScoredPhoto

TRIED = ("ensemble", "segment", "retrieval", "classifiers")  # of a result's provenance: what may differ afterwards


def cache_scores(
    parts: Segmenter, source: CheckedSource, folder: Path, neighbours: int, seen: Vocabulary | None = None,
    on_progress: OnProgress = silent,
) -> tuple[ScoreCache, tuple[Failure, ...]]:  # fmt: skip
    """Cache the scores of a source's photos, and go on where an earlier pass stopped. Returns the photos that failed,
    too.

    parts: with the settings in effect.
    neighbours: how many are kept of each mask: the largest k that will be asked.
    seen: the classes that count as seen in the figures; None = those of an in-vocabulary classifier.
    Raises ConfigError for a cache that does not fit, DataError where no photo could be used.
    """
    prepared = prepare(parts, annotated_vocabulary(source))
    head = scores_head(parts, source, neighbours, seen, prepared)
    cache = ScoreCache.started(folder, head, prepared.scored.text)
    kept = parts.settings.retrieval.model_copy(update={"k": cache.head.neighbours or 1, "further": 0})
    settings = parts.settings.model_copy(update={"retrieval": kept})
    walk = _Walk(replace(parts, settings=settings), source, prepared, cache)
    failures = walk.run(on_progress)
    bad = (Failure(part.record, part.uri, part.reason) for part in passed_over_by(source).bad)
    if not len(cache):
        got = f"{len(failures)} that failed, first {failures[0]}" if failures else "none"
        todo = "check path and split, repair the files"
        raise DataError(f"at least one annotated image in {source.name}", got, todo)
    return cache, (*failures, *bad)


def scores_head(
    parts: Segmenter, source: CheckedSource, neighbours: int, seen: Vocabulary | None,
    prepared: PreparedVocabulary,
) -> ScoresHead:  # fmt: skip
    """Return of what the scores of a source will be."""
    annotated = annotated_vocabulary(source)
    made_by, retrieval = provenance(parts), parts.settings.retrieval
    votes = any(NEIGHBOURS in classifier.needs for classifier in parts.classifiers)
    wants = NeighbourWants.of(classifier.component for classifier in parts.classifiers)
    searched = {
        "neighbours of each class": retrieval.per_class or wants.per_class > 0, "trust in labels": wants.trust,
        "prototypes of each class": wants.prototypes, "min_trust": retrieval.min_trust,
    }  # fmt: skip
    origin = {
        **{key: value for key, value in made_by.items() if key not in TRIED},
        "classifiers": [{key: row[key] for key in ("name", "version")} for row in made_by["classifiers"]],
        "use_prompts": parts.settings.segment.use_prompts, "neighbours": searched, **weights_and_store(parts),
    }  # fmt: skip
    settings = {
        **{key: made_by[key] for key in ("ensemble", "retrieval", "segment")}, "neighbours": searched,
        "classifiers": {row["name"]: row["settings"] for row in made_by["classifiers"]},
    }  # fmt: skip
    words = prepared.vocabulary
    return ScoresHead(
        source.address, len(source), words.names, annotated.is_thing, words.synonyms or ((),) * len(words),
        tuple(seen_classes(parts, prepared.scored).tolist()), seen_groups(parts, prepared, seen),
        tuple(match.name for match in missing(prepared)), tuple(sorted(parts.proposer.provides)),
        asdict(parts.backbone.component.space), neighbours if votes else 0, as_read(origin), as_read(settings),
        prepared.scored.synonyms[-1] if prepared.rest else (),
    )  # fmt: skip


class _Walk:
    """One pass over the photos that have no scores yet."""

    def __init__(self, parts: Segmenter, source: ImageSource, prepared: PreparedVocabulary, cache: ScoreCache) -> None:
        self.parts, self.source, self.prepared, self.cache = parts, source, prepared, cache
        self._numbers, self._names = deque[int](), frozenset(cache.head.names)

    def run(self, on_progress: OnProgress) -> list[Failure]:
        """Cache every photo; return those that cannot be used."""
        failures, there = list[Failure](), len(self.cache)
        records, at_once = decoded(self._records()), self.parts.settings.device.batch_size
        for done, (record, answer) in enumerate(in_groups(records, at_once, self._described), there + 1):
            number = self._numbers.popleft()
            try:
                if isinstance(answer, DataError):
                    raise answer
                self.cache.save(self._scored(number, record, *answer))
            except DataError as error:
                failures.append(Failure(record.external_id, record.uri, str(error)))
            on_progress(Progress("cache scores", done, len(self.source), len(failures), skipped=there))
        return failures

    def _records(self) -> Iterator[SourceImage]:
        for number, record in enumerate(self.source.images()):
            if number not in self.cache:
                self._numbers.append(number)
                yield record

    def _described(self, images: Sequence[Image]) -> list[tuple[Image, Description]]:
        for image in images:
            if image.truth is None:
                raise DataError(f"an annotation for {image.uri}", "none", "tune on an annotated source")
        return list(zip(images, describe_images(self.parts, images, self.prepared), strict=True))

    def _scored(self, number: int, record: SourceImage, image: Image, described: Description) -> ScoredPhoto:
        truth = cast("PanopticSegmentation", image.truth)
        segments_by_id(labelled(truth), self._names, "annotation")
        if truth.label_map.shape != image.size:
            raise DataError(f"an annotation of size {image.size}", f"{truth.label_map.shape}", "repair it")
        keys = described.keys.vectors if self.parts.second_backbone is not None else None
        scored = score_masks(self.parts, image, self.prepared, described)
        return ScoredPhoto(number, record.external_id, image.sha256, scored, truth, keys, image.passed_over)
