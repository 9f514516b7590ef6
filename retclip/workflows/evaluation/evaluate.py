"""Evaluates on an annotated source: PQ, SQ, RQ as panopticapi counts them, mAP as pycocotools does, mIoU (method.md 5),
for all classes, and for seen and unseen ones separately.

With ground-truth masks as proposals, `segment_accuracy` is the top-1 accuracy of the classification alone, and each
mask is an instance of its best class alone. Where the source does not say whether a class is a thing or
stuff, PQ and AP of that class, and every mean over it, are None; mIoU is counted. Read next: `counters.py`, what is
counted, and `evaluation_figures.py`, what is reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

from retclip.errors import DataError
from retclip.passed_over import Tally, passed_over_by
from retclip.plugin.contracts import ImageSource, SourceImage
from retclip.plugin.weight_digests import weight_digests
from retclip.progress import OnProgress, Progress, silent
from retclip.store.records import Failure
from retclip.types import Image, PanopticSegmentation, Role, Vocabulary
from retclip.workflows.building.source_classes import annotated_vocabulary
from retclip.workflows.evaluation.answer_counts import answer_counts
from retclip.workflows.evaluation.asked_names import asked_names
from retclip.workflows.evaluation.counters import Counters
from retclip.workflows.evaluation.evaluation_figures import Bootstrap, Evaluation, summary
from retclip.workflows.evaluation.image_counts import ImageCounts
from retclip.workflows.evaluation.judged import Judged
from retclip.workflows.evaluation.kept_counts import KeptCounts
from retclip.workflows.evaluation.oracle import Oracle
from retclip.workflows.evaluation.oracle_answers import OracleImage, Oracles
from retclip.workflows.evaluation.oracle_costs import OracleFigures, oracle_costs
from retclip.workflows.evaluation.run_folder import Configuration, Part, RunFolder, oracle_folder
from retclip.workflows.evaluation.seen_classes import listed_as_seen
from retclip.workflows.segment.decode_ahead import decoded
from retclip.workflows.segment.describe_image import Description
from retclip.workflows.segment.in_groups import in_groups
from retclip.workflows.segment.parts import Loaded, PreparedVocabulary, Segmenter
from retclip.workflows.segment.score_masks import seen_classes
from retclip.workflows.segment.segment_image import decide, describe_images, merge, provenance
from retclip.workflows.segment.vocabulary import missing, prepare, used_matches

__all__ = ["Bootstrap", "Evaluation", "Evaluator", "Judged", "evaluate"]


def evaluate(
    parts: Segmenter,
    source: ImageSource,
    seen: Vocabulary | None = None,
    prepared: PreparedVocabulary | None = None,
    on_progress: OnProgress = silent,
) -> Evaluation:
    """Segment the source with its own classes and compare with its annotation. See `Evaluator`."""
    evaluator = Evaluator(parts, source, seen, prepared)
    for _ in evaluator.judged(on_progress):
        pass
    return evaluator.evaluation()


class Evaluator:
    """Walk over an annotated source with `judged`, then ask for the `evaluation`.

    seen: the classes that count as seen in the figures, and only there; None = those that an in-vocabulary classifier
    was trained on, as the ensemble decides it.
    prepared: the source's classes, where they are prepared already.
    bootstrap: how intervals are drawn.
    oracles: what is counted as well with the truth in the place of parts of the system.
    Raises DataError where the source has no classes, or `seen` names none of them.
    """

    def __init__(
        self, parts: Segmenter, source: ImageSource, seen: Vocabulary | None = None,
        prepared: PreparedVocabulary | None = None, bootstrap: Bootstrap = Bootstrap(), oracles: Oracles | None = None,
    ) -> None:  # fmt: skip
        annotated = annotated_vocabulary(source)
        self.parts, self.source, self.seen, self.bootstrap = parts, source, seen, bootstrap
        self.prepared = prepare(parts, annotated) if prepared is None else prepared
        self._groups = seen_groups(parts, self.prepared, seen)
        self._counters, self._failures = Counters(annotated.names, annotated.is_thing), list[Failure]()
        self._annotated, self.oracles = annotated, oracles
        self._of_oracle: dict[Oracle, KeptCounts] = {
            oracle: KeptCounts(Counters(annotated.names, annotated.is_thing))
            for oracle in (oracles.asked if oracles else ())
        }
        self.kept = KeptCounts(self._counters, beside=tuple(self._of_oracle.values()))
        self._tally = Tally(passed_over_by(source))

    def record_in(self, folder: Path, address: str, part: Part = Part()) -> RunFolder:
        """Write the counts of each image to a folder, and go on where they stop. address: of the source.

        Raises ConfigError for the folder of another evaluation.
        """
        asked = asked_names(self.source, self._annotated)
        precision = {part.name: part.device.dtype for part in _loaded(self.parts)}
        settings = {**self._settings(), **weights_and_store(self.parts), "names": asked, "precision": precision}
        run = RunFolder.started(folder, self._configuration(address, settings), part)
        for oracle in self._of_oracle:
            configuration = self._configuration(address, {**settings, "oracle": oracle.name})
            beside = RunFolder.started(oracle_folder(folder, oracle.name), configuration, part)
            self._of_oracle[oracle] = KeptCounts(Counters(configuration.names, configuration.kinds), beside)
        self.kept = KeptCounts(self._counters, run, beside=tuple(self._of_oracle.values()))
        return run

    def judged(self, on_progress: OnProgress = silent) -> Iterator[Judged]:
        """Yield every evaluated image; an image that cannot be used is a failure."""
        records, at_once = decoded(self.kept.records(self.source)), self.parts.settings.device.batch_size
        for done, (record, answer) in enumerate(in_groups(records, at_once, self._described), 1):
            try:
                judged = self._judged(self.kept.next_number(), record, answer)
            except DataError as error:
                self._failures.append(Failure(record.external_id, record.uri, str(error)))
            else:
                yield judged
            on_progress(Progress("evaluate", done, len(self.source), len(self._failures)))

    def evaluation(self) -> Evaluation:
        """Return the figures of the evaluated images. Raises DataError where there is none."""
        if not self.kept.total(self._tally).images:
            raise _nothing(self.source, self._failures)
        figures = summary(
            self._counters, self._groups, self._missing(), self._failures, self._settings(), self.bootstrap,
            self._tally.total,
        )  # fmt: skip
        return replace(figures, oracles=self._oracle_figures())

    def _oracle_figures(self) -> tuple[OracleFigures, ...]:
        of_oracle = {oracle.name: kept.total(Tally()) for oracle, kept in self._of_oracle.items()}
        drawn = self.bootstrap
        return oracle_costs(self._counters, of_oracle, self._groups, drawn.drawings, drawn.seed)

    def _missing(self) -> tuple[str, ...]:
        return tuple(match.name for match in missing(self.prepared))

    def _settings(self) -> dict[str, Any]:
        matches = [match.as_dict() for match in used_matches(self.parts, self.prepared)]
        return {**_settings(self.parts, self._groups, self.seen), "matches": matches}

    def _configuration(self, address: str, settings: dict[str, Any]) -> Configuration:
        names, kinds = self._annotated.names, self._annotated.is_thing
        return Configuration(address, len(self.source), names, kinds, self._groups, self._missing(), settings)

    def _described(self, images: Sequence[Image]) -> list[Described]:
        for image in images:
            if image.truth is None:
                raise DataError(f"an annotation for {image.uri}", "none", "evaluate on an annotated source")
        ours = describe_images(self.parts, images, self.prepared)
        none: list[Description | None] = [None] * len(images)
        true = self.oracles.describe_truth(self.parts, images, self.prepared, ours) if self.oracles else none
        return [Described(*described) for described in zip(images, ours, true, strict=True)]

    def _judged(self, number: int, record: SourceImage, described: Described | DataError) -> Judged:
        if isinstance(described, DataError):
            raise described
        image, name, provides = described.image, record.external_id, self.parts.proposer.provides
        truth = cast("PanopticSegmentation", image.truth)
        answer, evidence = decide(self.parts, image, self.prepared, described.ours)
        panoptic = merge(self.parts, evidence, answer.proposals)
        asked = evidence.vocabulary.asked
        counts = answer_counts(self._counters, truth, panoptic, answer, asked, provides, number, name)
        of_oracle = list(self._oracle_counts(number, name, described))  # all, before any is kept
        for kept, of_image in (*of_oracle, (self.kept, counts)):
            kept.add(replace(of_image, passed_over=image.passed_over))
        quality = counts.panoptic_quality
        return Judged(number, len(self.source), name, image, panoptic, counts.accuracy, quality, evidence)

    def _oracle_counts(self, number: int, name: str, described: Described) -> Iterator[tuple[KeptCounts, ImageCounts]]:
        if self.oracles is None:
            return
        parts, true_parts = self.parts, self.oracles.with_true_masks(self.parts)
        asked = OracleImage(parts, true_parts, self.prepared, self._counters, *described)
        yield from ((kept, asked.counts(oracle, number, name)) for oracle, kept in self._of_oracle.items())


class Described(NamedTuple):
    """An image with its proposed masks, and its true ones where an oracle takes them."""

    image: Image
    ours: Description
    true: Description | None


def weights_and_store(parts: Segmenter) -> dict[str, Any]:
    """Return the digests of the weights, and the state of the store: links and head of its chain of events."""
    weights = {name: digest for part in _loaded(parts) for name, digest in sorted(weight_digests(part.files).items())}
    store = None
    if parts.store is not None:
        links, head = parts.store.history.chain_head()
        store = {"events": links, "head": head}
    return {"weights": weights, "store": store}


def _loaded(parts: Segmenter) -> list[Loaded[Any]]:
    loaded: list[Loaded[Any]] = [parts.backbone, parts.proposer, *parts.classifiers]
    return loaded if parts.second_backbone is None else [*loaded, parts.second_backbone]


def seen_groups(parts: Segmenter, prepared: PreparedVocabulary, seen: Vocabulary | None) -> tuple[bool, ...] | None:
    """Return per class whether it counts as seen, None where that is unknown.

    seen: the list; None = the terms of an in-vocabulary classifier.
    """
    if seen is None:
        trained = any(component.component.role is Role.IN_VOCABULARY for component in parts.classifiers)
        return tuple(seen_classes(parts, prepared.vocabulary).tolist()) if trained else None
    return listed_as_seen(prepared.vocabulary, seen)


def _settings(parts: Segmenter, groups: Sequence[bool] | None, seen: Vocabulary | None) -> dict[str, Any]:
    """Return what produced the result, and where the seen classes come from."""
    origin = "the in-vocabulary classifier" if seen is None else "the user"
    return {**provenance(parts), "seen": None if groups is None else {"said_by": origin, "classes": sum(groups)}}


def _nothing(source: ImageSource, failures: Sequence[Failure]) -> DataError:
    got = f"{len(failures)} that failed, first {failures[0]}" if failures else "none"
    return DataError(f"at least one annotated image in {source.name}", got, "check path and split, repair the files")
