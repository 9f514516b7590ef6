"""The front door: an open store, or none, and what can be done with it, a method each.

with RetCLIP.open("store") as memory:
    memory.segment("street.jpg", ["sky", "car"]).save("out")
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, overload

from retclip.audits import Audit
from retclip.checkup import check
from retclip.config import Settings
from retclip.data.inputs import Classes as Names
from retclip.data.inputs import ImageInput, as_image, as_vocabulary, several
from retclip.errors import ConfigError
from retclip.kinds import checked_filter
from retclip.namespaces import Classes, Matches, Source, Spaces, filling_of, opened, remember_first
from retclip.plugin.checked_source import CheckedSource
from retclip.progress import OnProgress, silent
from retclip.result import SegmentationResult, painter
from retclip.session import Components, Session, account
from retclip.workflows.segment.parts import PreparedVocabulary, voting_again

if TYPE_CHECKING:
    from uuid import UUID

    from retclip.corrections import Meant
    from retclip.preset_comparison import PresetComparison
    from retclip.report.segment_report import SegmentReport
    from retclip.report.segment_table import SegmentTable
    from retclip.store.feature_store import FeatureStore
    from retclip.store.records import Edit, EventFilter, EventLog, SegmentFilter, StoreClass, StoreDifference
    from retclip.workflows.audit.frames import PhotoGroups
    from retclip.workflows.audit.mislabels import Ranking
    from retclip.workflows.building.build_loop import BuildReport
    from retclip.workflows.building.estimate_build import Estimate
    from retclip.workflows.classes.fill_report import FillReport
    from retclip.workflows.doctor.doctor import DoctorReport
    from retclip.workflows.evaluation.evaluate import Bootstrap, Evaluation
    from retclip.workflows.evaluation.run_folder import Part
    from retclip.workflows.explain.explanation import Explanation
    from retclip.workflows.explain.influence import Influence
    from retclip.workflows.training.finetune import FinetuneReport
    from retclip.workflows.tuning.tuning_report import TuningReport


class RetCLIP:
    """What can be done with a store. Use `retclip.open`, and `close` it (or use it as a context manager).

    classes: the store's classes: list, add, rename, alias, merge, remove, history.
    matches: which class stands for a name: list, accept, reject, map, history.
    spaces: the backbones whose vectors the store holds: list, add.
    audit: what to look at: mislabels, duplicates, outliers, conflicts, coverage.
    actor: who changes something, for the history.
    session: components and store, for programs that go further.
    """

    classes: Classes
    matches: Matches
    spaces: Spaces
    actor: str
    session: Session

    def __init__(self, session: Session, actor: str | None = None) -> None:
        self.session, self.actor = session, actor or account()
        self.classes, self.matches = Classes(session, self.actor), Matches(session, self.actor)
        self.spaces = Spaces(session)
        self.audit = Audit(session)

    @classmethod
    def open(
        cls,
        store: str | PathLike[str] | None = None,
        config_file: str | PathLike[str] | None = None,
        settings: Mapping[str, Any] | None = None,
        create: bool = False,
        missing_ok: bool = False,
        preset: str | None = None,
        actor: str | None = None,
    ) -> Self:
        """Open the store in that folder; see `retclip.open`."""
        folder = None if store is None else Path(store)
        overrides = {**(settings or {}), "preset": preset} if preset is not None else settings
        components = Components.configured(folder, Path(config_file) if config_file else None, overrides)
        _ = components.manager  # what is wrong with plugins and their settings is told now
        return cls(Session.open(folder, components, create, missing_ok), actor)

    def __enter__(self) -> Self:
        self.session.without_store()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        parts, state = self.settings.components, ", closed" if self.session.closed else ""
        models = f"{parts.proposer}, {parts.backbone}, {', '.join(parts.classifiers)}"
        store = "no store" if self.session.folder is None else repr(str(self.session.folder))
        return f"<{type(self).__name__} of {store}, preset {self.settings.preset}: {models}{state}>"

    @property
    def settings(self) -> Settings:
        """What was set, of all sources together."""
        return self.session.settings

    @property
    def store(self) -> FeatureStore:
        """The open store. Raises StoreMissing where there is none, StoreError after `close`."""
        return self.session.store

    def close(self) -> None:
        """Release the store. What was found in it stays: results can still be looked at, saved and explained."""
        self.session.close()

    def source(self, address: Source) -> CheckedSource:
        """Open an image source: its name, classes and images. Every method that takes an address takes it, too.

        address: `reader:path?split=NAME`, or a photo, a folder or a glob.
        Raises DataError, ConfigError, PluginError.
        """
        return opened(self.session, address)

    def prepare(self, classes: Names | PreparedVocabulary = None) -> PreparedVocabulary:
        """Match names with the store's classes and encode them, once for many calls of `segment`.

        classes: names, a comma list, a file, or a Vocabulary; None = every class of the store.
        Raises DataError, ConfigError, PluginError, WeightsMissing, StoreError.
        """
        return self.session.prepared(classes)

    @overload
    def segment(self, image: ImageInput, classes: Names | PreparedVocabulary = None) -> SegmentationResult: ...

    @overload
    def segment(
        self, image: list[Any] | tuple[Any, ...] | Iterator[Any], classes: Names | PreparedVocabulary = None
    ) -> list[SegmentationResult]: ...

    def segment(
        self, image: Any, classes: Names | PreparedVocabulary = None
    ) -> SegmentationResult | list[SegmentationResult]:
        """Label every pixel of `image` with one of `classes` (None = every class of the store).

        image: a path; a file's bytes, or one that is open; a Pillow image (upright, as its EXIF data say); an (H, W, 3)
        uint8 RGB or (H, W) grey array; an `Image`. Of a list, a tuple or an iterator of these a list of results, in
        order, `device.batch_size` of them through the models at once.
        classes: names, a comma list, a file, a Vocabulary, or what `prepare` returned.
        Raises DataError, ConfigError, PluginError, and StoreError, also after `close`.
        """
        return self._segmented(image, classes) if several(image) else self._segmented([image], classes)[0]

    def _segmented(self, images: Iterable[Any], classes: Names | PreparedVocabulary) -> list[SegmentationResult]:
        segmenter = self.session.segmenter()  # first of all: what is missing is told before a model library is imported
        from retclip.workflows.segment.segment_image import segment_images

        prepared, photos, results = self.prepare(classes), map(as_image, images), list[SegmentationResult]()
        voters = voting_again(segmenter.classifiers)
        while group := list(islice(photos, self.settings.device.batch_size)):
            answers = segment_images(segmenter, group, prepared)
            results += [
                SegmentationResult(
                    photo, panoptic.label_map, panoptic.segments, evidence, segmenter.store, panoptic.mask_map, voters
                )
                for photo, (panoptic, evidence) in zip(group, answers, strict=True)
            ]
        return results

    def explain(
        self,
        result: SegmentationResult | str | PathLike[str],
        segment: int | None = None,
        at: tuple[int, int] | None = None,
        without: Sequence[str | UUID] = (),
        without_run: Sequence[int] = (),
        without_class: Sequence[str] = (),
    ) -> Explanation:
        """Say why a segment got its label: the stored segments that voted and the scores of each source.

        result: what `segment` returned, or the .evidence.npz that it saved; no model is loaded for it.
        segment: the segment's id in the label map; at: (x, y), a pixel from the upper left; one of the two.
        without: ids of stored segments, whole or their first digits; without_run: numbers of runs; without_class: names
        of classes. Then `what_if` of the answer is the label as it would be without these segments.
        Raises DataError for an id or a pixel that is none of a segment, and for what is not known to leave out;
        ConfigError for both or neither of `segment` and `at`.
        """
        _require_one("--segment ID and --at X,Y", segment, at)
        from retclip.workflows.explain.what_if import Without

        left_out = Without(tuple(without), tuple(without_run), tuple(without_class))
        if isinstance(result, SegmentationResult):
            return result.explain_at(*at, left_out) if at is not None else result.explain(segment or 0, left_out)
        from retclip.workflows.explain.evidence_file import load_evidence
        from retclip.workflows.explain.explain import Again, explain, segment_at
        from retclip.workflows.explain.recorded_voters import RecordedVoters

        store, (decided, evidence) = self.session.without_store(), load_evidence(Path(result))
        number, mask = segment_at(decided, *at) if at is not None else (segment or 0, None)
        voters = RecordedVoters(self.session.components.manager)
        again = Again(voters(evidence) if left_out else voters.or_none(evidence), left_out)
        return explain(store, decided, evidence, number, mask, painter(store, decided), again)

    def trace(self, result: SegmentationResult, days: float | None = None) -> None:
        """Keep the evidence of a result in the store, for `influence`.

        days: until it is forgotten, above 0; None = the setting `segment.trace_days`.
        Raises StoreMissing without a store, ConfigError for days that cannot be.
        """
        kept = self.settings.segment.trace_days if days is None else days
        if not kept > 0:
            raise ConfigError("days above 0", f"{kept:g}", "say how long evidence is kept: --trace-days 30")
        from retclip.workflows.explain.influence import keep_trace

        keep_trace(self.store, result.panoptic, result.evidence, kept)

    def influence(self, segment: str | UUID | None = None, run: int | None = None) -> Influence:
        """Say which kept answers a stored segment decided: where it voted, and where the label would be another one.

        segment: its id, or the first digits of it; run: the number of a run, for all segments that it stored; one of
        the two.
        Raises ConfigError for both or neither, DataError for an unknown segment or run, and for traces of another
        version.
        """
        _require_one("SEGMENT and --run RUN", segment, run)
        from retclip.workflows.explain.influence import influence
        from retclip.workflows.explain.recorded_voters import RecordedVoters

        (number,) = self.store.segments.find([str(segment)]) if segment is not None else (None,)
        return influence(self.store, RecordedVoters(self.session.components.manager), number, run)

    def build(
        self,
        source: Source,
        classes: Names = None,
        without: Sequence[str] = (),
        on_progress: OnProgress = silent,
    ) -> BuildReport:
        """Add a source's labelled segments to the store; stopped or killed, it goes on where it was when called again.

        source: an annotated source, reader:path?split=NAME.
        classes: only these (None = all of the source); without: not these.
        The settings `build.executor` and `build.workers` say who does the work. Into an empty store the settings that
        the memory was opened with are written down (retclip.toml), so that whoever opens it next works with them.
        Raises DataError for a class that the source does not have, ConfigError, SpaceMismatch, StoreBusy, PluginError,
        WeightsMissing; a bad image is a failure in the report. On KeyboardInterrupt finished images are committed.
        """
        from retclip.executors import others_work, starter
        from retclip.workflows.building.build_store import Purpose, build_store
        from retclip.workflows.building.source_classes import chosen_classes

        parts = self.session.builder(others_work(self.settings))  # what cannot be loaded must not be written down
        photos = self.source(source)
        names = chosen_classes(photos, photos.address, as_vocabulary(classes), without)
        remember_first(self.session, on_progress)
        start, purpose = starter(self.settings, photos.address), Purpose(task=f"build {self.store.folder.name}")
        return build_store(parts, photos, photos.address, names, purpose, on_progress, start)

    def estimate(
        self,
        source: Source,
        classes: Names = None,
        without: Sequence[str] = (),
        sample: int = 8,
        on_progress: OnProgress = silent,
    ) -> Estimate:
        """Say what `build` would do, and cost; nothing is written, and no store is needed.

        sample: how many of the images are worked on to find out, drawn at random.
        Raises what `build` raises before it starts.
        """
        parts = self.session.planner()
        from retclip.workflows.building.estimate_build import estimate_build
        from retclip.workflows.building.source_classes import chosen_classes

        photos = self.source(source)
        names = chosen_classes(photos, photos.address, as_vocabulary(classes), without)
        return estimate_build(parts, photos, photos.address, names, sample, on_progress=on_progress)

    def search(  # noqa: PLR0913  (the options of the command, each by its name)
        self,
        text: str | None = None,
        image: ImageInput | None = None,
        segment: UUID | str | None = None,
        *,
        box: tuple[int, int, int, int] | None = None,
        point: tuple[int, int] | None = None,
        mask: str | PathLike[str] | None = None,
        filter: SegmentFilter | None = None,
        limit: int = 20,
        cursor: str | None = None,
        space: str | None = None,
    ) -> SegmentTable:
        """Find stored segments: nearest to words, a photo or another segment, or all that pass a filter, page by page.

        text: needs a backbone with a text tower.
        image: a photo as `segment` takes it.
        box: x, y, width, height of a part of it in pixels.
        point: x, y of a pixel, whose smallest mask is asked for.
        mask: a PNG of the photo's size, set where it is not 0.
        segment: the id of a stored segment, or 8 digits of it or more; it is left out of the answer.
        filter: None = every visible segment.
        limit: segments of a page; cursor: `next` of the page before, asked with the same question and filter.
        space: a backbone or a space's id, where the store holds several.
        Raises ConfigError, DataError, PluginError, WeightsMissing, StoreError.
        """
        from retclip.segment_questions import SegmentQuestion, as_path, search
        from retclip.store.records import SegmentFilter
        from retclip.workflows.search.query_vector import Marked

        question = SegmentQuestion(text, image, segment, Marked(box, point, as_path(mask)), space)
        return search(self.session, question, checked_filter(filter, SegmentFilter), limit, cursor)

    def show(self, segment: UUID | str, neighbours: int = 8, space: str | None = None) -> SegmentReport:
        """Tell everything that is known of a stored segment: origin, facts, the events behind them, its neighbours.

        segment: its id, or 8 digits of it or more.
        neighbours: how many of the nearest visible segments; space: as `search` takes it.
        Raises DataError for an unknown one, ConfigError for neighbours below 0, StoreError.
        """
        from retclip.segment_questions import show

        return show(self.session, segment, neighbours, space)

    def fill_missing(self, classes: Names, again: bool = False, on_progress: OnProgress = silent) -> FillReport:
        """Fetch classes that the store lacks from the data set `fallback.source`, and store them under these names.

        classes: names, a comma list, a file, or a Vocabulary. again: look up once more what was missing before.
        Raises ConfigError without names, DataError, StoreError, PluginError; on KeyboardInterrupt what is done is kept.
        """
        filling = filling_of(self.session)
        from retclip.workflows.classes.fill_missing import fill_missing

        return fill_missing(filling, as_vocabulary(classes), again, on_progress)

    def reject(self, segments: Meant, name: str, why: str = "", take_back: bool = False) -> Edit:
        """Say that stored segments are not of a class: they count against it, whatever their own label.

        segments: as in `quarantine`.
        name: of the class; why: for the history; take_back: it is not said any more.
        Raises DataError for an unknown segment or class, and where nothing changes.
        """
        from retclip.corrections import checked_why, class_name, meant_ids

        ids, name = meant_ids(self.store, segments), class_name(name)
        return self.store.segments.reject(ids, name, self.actor, not take_back, checked_why(why))

    def relabel(
        self, segments: Meant | Mapping[UUID | str, str], name: str | None = None, why: str = "", new: bool = False
    ) -> Edit:
        """Give stored segments another class, in one event; it outlives every rebuild.

        segments: ids, or 8 digits of them or more; a filter with a condition; a table of `search`; or a mapping of ids
        to classes.
        name: the class of all, or an alias; None with a mapping.
        why: the reason, for the log.
        new: make the class where the store does not have it.
        Raises DataError for unknown segments or classes; ConfigError for a filter without a condition, which is the
        whole store, and for what names no segment or class.
        """
        from retclip.corrections import checked_why, labelled

        labels = labelled(self.store, segments, name)
        return self.store.segments.relabel_each(labels, self.actor, checked_why(why), new)

    def quarantine(self, segments: Meant, why: str = "") -> Edit:
        """Keep segments out of every answer, whatever runs find, until they are released. segments, why: as `relabel`.
        Raises DataError for unknown segments."""
        from retclip.corrections import checked_why, meant_ids

        return self.store.segments.quarantine(meant_ids(self.store, segments), self.actor, checked_why(why))

    def release(self, segments: Meant, why: str = "") -> Edit:
        """Let quarantined segments answer again. segments, why: as `relabel`. Raises DataError for unknown segments."""
        from retclip.corrections import checked_why, meant_ids

        return self.store.segments.release(meant_ids(self.store, segments), self.actor, checked_why(why))

    def retire(self, segments: Meant, why: str = "") -> Edit:
        """Take segments out: no run brings them back, only an undo does. segments, why: as `relabel`. Raises DataError
        for unknown segments."""
        from retclip.corrections import checked_why, meant_ids

        return self.store.segments.retire(meant_ids(self.store, segments), self.actor, checked_why(why))

    def suspects(
        self, filter: SegmentFilter | None = None, limit: int = 100, space: str | None = None,
        frames: PhotoGroups | None = None, on_progress: OnProgress = silent, by: Ranking | None = None,
    ) -> SegmentTable:  # fmt: skip
        """List labels that are likely wrong, the likeliest first; see `memory.audit` for this and other audits.

        filter: only segments that it selects, None = every visible one; space: a backbone, where there are several.
        frames: of `memory.audit.frames()`: photos that show nearly the same do not speak for each other.
        by: "doubt" or "trust", None = the better one for a store of its size.
        Raises ConfigError for another ranking, DataError for a filter of what the store does not have, StoreError.
        """
        return self.audit.mislabels(filter, limit, space, frames, on_progress, by)

    def undo(self, event: int) -> Edit:
        """Take a change of the store back, in whatever order. event: its number, as `log` and reports tell it.

        Raises DataError for an event that is not there or was undone, and for an undo itself.
        """
        return self.store.undo(event, self.actor)

    def log(self, filter: EventFilter | None = None) -> EventLog:
        """What happened to the store, builds among them, oldest first, with the head of the chain of events.

        filter: None = everything.
        Raises DataError for an unknown class or segment.
        """
        from retclip.store.records import EventFilter

        return self.store.history.log(checked_filter(filter, EventFilter))

    def classes_at(self, event: int) -> tuple[StoreClass, ...]:
        """The classes as of an event, with the segments that were visible then. event: its number, as `log` tells it.

        Raises DataError for an event that is not there.
        """
        return tuple(self.store.history.classes_at(event))

    def diff(self, first: int, second: int) -> StoreDifference:
        """The classes and segments that are otherwise as of the second event than as of the first.

        Raises DataError for an event that is not there.
        """
        return self.store.history.difference(first, second)

    def evaluate(  # noqa: PLR0913  (the options of the command, each by its name)
        self,
        source: Source,
        seen: Names = None,
        report: str | PathLike[str] | None = None,
        pictures: int = 12,
        on_progress: OnProgress = silent,
        bootstrap: Bootstrap | None = None,
        predictions: str | PathLike[str] | None = None,
        out: str | PathLike[str] | None = None,
        part: Part | None = None,
        oracles: str | Sequence[str] = (),
        workers: int = 1,
        figures: str | PathLike[str] | None = None,
    ) -> Evaluation:
        """Segment an annotated source with its own classes and compare: PQ, SQ, RQ, mAP, mIoU, FWIoU, boundary IoU and
        the calibration of the scores, in percent, with intervals over the images.

        seen: the classes that the fine-tuning saw, for figures apart (None = the in-vocabulary classifier's).
        report: write one HTML page, FILE.html or a folder; pictures: images it shows, and as many of the worst.
        bootstrap: how the intervals are drawn; None = 1,000 drawings of seed 0.
        predictions: a COCO panoptic JSON of any tool, with its folder of PNGs, in the place of this memory's answers:
        neither models nor a store are used; AP is not counted.
        out: a folder for the counts of each image and `run.json`; an evaluation that was stopped goes on there.
        part: only these images, of one of several processes; `evaluate-merge` adds the folders up. It needs `out`.
        oracles: what is counted as well with the truth in the place of parts of the system: "masks", "labels",
        "selection", several joined by +, or "all" (`oracles` of the answer says what each part costs).
        workers: processes that share the images; the figures are those of one.
        figures: a folder for classes, confusion, reliability and costs of parts as PNG and SVG.
        Raises DataError where the source has no classes or no image could be used, and where `report` cannot be
        written, before the work; ConfigError, PluginError, WeightsMissing, StoreError.
        """
        from retclip.evaluation_parts import evaluate_with
        from retclip.evaluation_run import Answers, Output
        from retclip.workflows.evaluation.oracle import oracles_of

        answers = Answers(seen, bootstrap, _path(predictions), oracles_of(oracles))
        output = Output(_path(report), pictures, _path(out), part, figures=_path(figures))
        return evaluate_with(workers, self.session, source, answers, output, on_progress)

    def compare(  # noqa: PLR0913  (as evaluate)
        self,
        source: Source,
        presets: Sequence[str],
        seen: Names = None,
        report: str | PathLike[str] | None = None,
        pictures: int = 12,
        on_progress: OnProgress = silent,
        bootstrap: Bootstrap | None = None,
        out: str | PathLike[str] | None = None,
        oracles: str | Sequence[str] = (),
        workers: int = 1,
        figures: str | PathLike[str] | None = None,
    ) -> PresetComparison:
        """Evaluate several presets on one source and this store, side by side, and compare each with the first.

        presets: names; what else was set holds for each of them.
        report, figures: of each preset, its name behind the file's or in the folder; the page itself shows all.
        out: each preset keeps its counts and `run.json` in a folder of its name below it.
        The others, and what is raised: see `evaluate`. Raises ConfigError for less than two presets.
        """
        from retclip.evaluation_run import Answers, Output
        from retclip.preset_comparison import compare
        from retclip.workflows.evaluation.oracle import oracles_of

        answers = Answers(seen, bootstrap, None, oracles_of(oracles))
        output = Output(_path(report), pictures, _path(out), figures=_path(figures))
        return compare(self.session, presets, source, answers, output, workers, on_progress)

    def tune(  # noqa: PLR0913  (the options of the command, each by its name)
        self,
        source: Source,
        val: Source,
        out: str | PathLike[str],
        grid: str | Sequence[str] | Mapping[str, Any] | PathLike[str] = (),
        figure: str = "pq",
        trials: int | None = None,
        seed: int = 0,
        seen: Names = None,
        bits: int = 24,
        bootstrap: Bootstrap | None = None,
        on_progress: OnProgress = silent,
    ) -> TuningReport:
        """Choose settings that decide after the models, by photos that the store does not have, and judge the choice on
        held-out ones. Each photo goes through the models once; its scores are cached.

        source: annotated photos to choose by; val: held-out ones.
        out: a folder for the scores, run.json, settings.toml, settings.csv and a picture; a pass that was stopped goes
        on there.
        grid: what is tried: `NAME=VALUES` each (alpha=0:1:11), a mapping of names to values, or a TOML file; empty =
        alpha, beta and gamma from 0 to 1 in steps of 0.1.
        figure: that is to be as high as can be: pq, sq, rq, pq_things, pq_stuff, miou, fwiou, boundary_iou,
        pixel_accuracy; of the classes apart e.g. unseen.pq.
        trials: settings that Optuna tries in the grid's ranges; None = the whole grid. seed: of its search.
        seen: the classes that the fine-tuning saw, for figures apart (None = the in-vocabulary classifier's).
        bits: of 128 in which the hashes of photos may differ that are taken for the same one.
        bootstrap: how the intervals of the held-out figures are drawn; None = 1,000 drawings of seed 0.
        Raises DataError for photos that store, source and val share, ConfigError for a setting that cannot be tried and
        for cached scores that do not fit, PluginError, WeightsMissing, StoreError.
        """
        from retclip.tuning_run import TuningRequest, tune

        request = TuningRequest(grid, figure, trials, seed, seen, bits, bootstrap)
        return tune(self.session, source, val, Path(out), request, on_progress)

    def finetune(
        self,
        source: Source,
        out: str | PathLike[str],
        val: Source | None = None,
        classes: Names = None,
        fresh: bool = False,
        on_progress: OnProgress = silent,
    ) -> FinetuneReport:
        """Train the proposer on an annotated source, by FC-CLIP's recipe; no store is needed.

        out: folder of the run; its weights lie in `weights.safetensors`. A run that lies there goes on from its last
        checkpoint, with the same numbers as one that was not stopped; fresh: replace it.
        val: validate on it while training. classes: only these; their synonyms count.
        Raises ConfigError, DataError, PluginError, WeightsMissing.
        """
        from retclip.own_files import require_writable
        from retclip.report.training_curve import write_curve
        from retclip.workflows.training.finetune import accelerator_of, finetune
        from retclip.workflows.training.finetune_job import finetune_job, trainable
        from retclip.workflows.training.training_run import read_metrics

        components, vocabulary = self.session.components, as_vocabulary(classes)
        require_writable(Path(out), "--out")
        trainable(components)  # what is missing is told before a data set is read
        photos, validation = self.source(source), None if val is None else self.source(val)
        job = finetune_job(components, photos, Path(out), validation, vocabulary, fresh)
        main = accelerator_of(job.device).is_main_process  # of several processes one speaks
        report = finetune(job, on_progress if main else silent)
        if report.main:
            write_curve(job.run.folder / "curve.png", read_metrics(job.run.metrics))
        return report

    def doctor(self, repair: bool = False, chain_head: str | None = None) -> DoctorReport:
        """Check Python, torch, plugins, weights, and whether catalog, archive and index of the open store agree.

        repair: make the index right where it differs from the catalog. A store that does not open: `retclip.doctor`.
        chain_head: the head of the chain of events as it was noted once (`log().head`), in full or from 8 digits on.
        """
        return check(self.session.components, repair, store=self.session.without_store(), chain_head=chain_head)


def _require_one(options: str, first: object, second: object) -> None:
    """Require one of two options. Raises ConfigError."""
    if (first is None) == (second is None):
        raise ConfigError(f"one of {options}", "neither" if first is None else "both", "give one")


def _path(name: str | PathLike[str] | None) -> Path | None:
    return None if name is None else Path(name)
