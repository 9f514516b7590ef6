"""The composition root: opens the store, finds and loads components by name, and hands both to the workflows.

with RetCLIP.open("store") as retclip:
    retclip.segment("street.jpg", ["sky", "car"]).save("out")
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from retclip import config
from retclip.arguments import as_image, as_vocabulary
from retclip.components import Components
from retclip.errors import ConfigError, StoreMissing
from retclip.opening import configured, store_options, votes
from retclip.plugin.manager import PluginManager
from retclip.result import SegmentationResult
from retclip.store.feature_store import FeatureStore
from retclip.types import Device, Vocabulary
from retclip.workflows.parts import Loaded, Parts

if TYPE_CHECKING:
    from retclip.plugin.contracts import Classifier, ImageSource
    from retclip.store.catalog import StoreClass
    from retclip.workflows.build_loop import BuildReport
    from retclip.workflows.checked_addition import CheckedAddition
    from retclip.workflows.estimate_build import Estimate
    from retclip.workflows.evaluate import Evaluation, Judged
    from retclip.workflows.finetune import FinetuneReport
    from retclip.workflows.vocabulary import PreparedVocabulary


class RetCLIP:
    """An open store with the components that work on it. Components load on first use and stay."""

    def __init__(
        self,
        store: FeatureStore,
        settings: config.Settings,
        manager: PluginManager,
        passing: TemporaryDirectory[str] | None = None,
    ) -> None:
        self.store, self.components, self._passing = store, Components(settings, manager), passing
        self._parts: dict[bool, Parts] = {}
        self._prepared: dict[str, PreparedVocabulary] = {}

    @classmethod
    def open(
        cls,
        store: str | Path,
        config_file: str | Path | None = None,
        settings: Mapping[str, Any] | None = None,
        create: bool = False,
        missing_ok: bool = False,
    ) -> RetCLIP:
        """Open the store in that folder; with `create`, make it where there is none. missing_ok: where no classifier
        votes with a store, go on without one.

        settings: keys of retclip.toml as nested dicts, above file and environment, e.g. {"retrieval": {"k": 16}}.
        Raises StoreMissing, StoreBehind, ConfigError.
        """
        folder = Path(store)
        chosen, manager = configured(folder, config_file, settings)
        options, passing = store_options(chosen), None
        try:
            opened = FeatureStore.open(folder, options)
        except StoreMissing:
            if not create and (not missing_ok or votes(manager, chosen)):
                raise
            passing = None if create else TemporaryDirectory(prefix="retclip-")
            where = Path(passing.name) if passing else folder
            opened = FeatureStore.create(where, options, exist_ok=True)  # another process may be making it, too
        return cls(opened, chosen, manager, passing)

    def __enter__(self) -> RetCLIP:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the store."""
        self.store.close()
        if self._passing is not None:
            self._passing.cleanup()

    @property
    def settings(self) -> config.Settings:
        """What was set, of all sources together."""
        return self.components.settings

    @property
    def manager(self) -> PluginManager:
        """The plugins that are there."""
        return self.components.manager

    def component(self, kind: str, name: str, device: Device | None = None) -> Loaded[Any]:
        """A component by name, loaded once. kind: backbone, proposer, classifier or source."""
        return self.components.component(kind, name, device)

    def parts(self, building: bool = False) -> Parts:
        """Store and components for a workflow; a build has its own proposer and needs no classifier."""
        if building not in self._parts:
            self._parts[building] = self._new_parts(building)
        return self._parts[building]

    def _new_parts(self, building: bool) -> Parts:
        models = self.components.models(building)
        classifiers = () if building else self._classifiers(self.settings.components.classifiers)
        return Parts(**vars(models), store=self.store, classifiers=classifiers)

    def source(self, address: str) -> ImageSource:
        """The image source behind `reader:path?split=NAME`."""
        return self.components.source(address)

    def build(
        self,
        address: str,
        classes: Sequence[str] | None = None,
        on_progress: Callable[[BuildReport], None] = lambda _: None,
    ) -> BuildReport:
        """Add the segments of a source to the store (None = all its classes). See `workflows.build_store`; the
        settings `build.executor` and `build.workers` say who does the work."""
        from retclip.executors import starter
        from retclip.workflows.build_store import build_store

        self._prepared.clear()
        parts, source = self.parts(building=True), self.source(address)
        start = starter(self.settings, address)
        return build_store(parts, source, address, classes, on_progress=on_progress, start=start)

    def estimate(
        self,
        address: str,
        classes: Sequence[str] | None = None,
        sample: int = 8,
        on_progress: Callable[[int, int], None] = lambda *_: None,
    ) -> Estimate:
        """What `build` would do, and cost; nothing is written. See `workflows.estimate_build`."""
        parts = self.parts(building=True)
        from retclip.workflows.estimate_build import estimate_build

        return estimate_build(parts, self.source(address), address, classes, sample, on_progress=on_progress)

    def add_class(
        self,
        name: str,
        sources: Sequence[str],
        is_thing: bool | None = None,
        on_progress: Callable[[BuildReport], None] = lambda _: None,
    ) -> list[BuildReport]:
        """Add one class from sources or photos; no training, and the next `segment` knows it."""
        self._prepared.clear()
        parts = self.parts(building=True)
        from retclip.data.source_address import shown_address
        from retclip.workflows.add_class import add_class

        return [
            add_class(parts, name, self.source(address), shown_address(address), is_thing, on_progress=on_progress)
            for address in sources
        ]

    def add_class_checked(
        self, name: str, sources: Sequence[str], probe: str, limit: float | None = None, is_thing: bool | None = None,
        actor: str = "retclip", on_step: Callable[[str, int, int], None] = lambda *_: None,
    ) -> CheckedAddition:  # fmt: skip
        """`add_class` between two looks at a probe; taken back where an old class loses more than `limit` points."""
        self._prepared.clear()
        from retclip.data.source_address import shown_address
        from retclip.workflows.checked_addition import Gate, add_class_checked

        opened = [(self.source(one), shown_address(one)) for one in sources]
        gate = Gate(self.source(probe), limit, actor)
        return add_class_checked(self.parts(building=True), self.parts(), name, opened, gate, is_thing, on_step)

    def classes(self) -> list[StoreClass]:
        """The store's classes with their segment counts."""
        return self.store.classes()

    def segment(self, image: Any, classes: Sequence[str] | str | Vocabulary | None = None) -> SegmentationResult:
        """Label every pixel of `image` with one of `classes` (None = every class of the store).

        image: a path, an `Image`, or an (H, W, 3) uint8 RGB array. classes: names, a comma list, a file, or a
        Vocabulary. Raises DataError, ConfigError, PluginError, StoreError.
        """
        return self.segment_all([as_image(image)], classes)[0]

    def segment_all(
        self, images: Sequence[Any], classes: Sequence[str] | str | Vocabulary | None = None
    ) -> list[SegmentationResult]:
        """`segment` for several images at once, which a GPU does faster; one result each, in order."""
        parts = self.parts()  # first of all: what is missing is told before a model library is imported
        from retclip.workflows.segment_image import segment_images

        photos = [as_image(image) for image in images]
        answers = segment_images(parts, photos, self.prepared(classes))
        return [
            SegmentationResult(photo, found.label_map, found.segments, evidence, self.store, found.mask_map)
            for photo, (found, evidence) in zip(photos, answers, strict=True)
        ]

    def evaluate(
        self, address: str, on_progress: Callable[[int, int], None] = lambda *_: None,
        seen: Sequence[str] | str | Vocabulary | None = None, on_image: Callable[[Judged], None] = lambda _: None,
    ) -> Evaluation:  # fmt: skip
        """PQ, mAP and mIoU over an annotated source, for seen and unseen classes apart. See `workflows.evaluate`."""
        parts = self.parts()
        from retclip.workflows.evaluate import evaluate

        return evaluate(parts, self.source(address), on_progress, as_vocabulary(seen), on_image)

    def finetune(
        self,
        address: str,
        out: str | Path,
        val: str | None = None,
        classes: Sequence[str] | str | Vocabulary | None = None,
        fresh: bool = False,
        on_progress: Callable[[FinetuneReport], None] = lambda _: None,
    ) -> FinetuneReport:
        """Train the proposer on an annotated source; its weights lie in `out` then. See `workflows.finetune`."""
        from retclip.finetune_job import finetune_job, run

        return run(finetune_job(self, address, Path(out), val, classes, fresh), on_progress)

    def prepared(self, classes: Sequence[str] | str | Vocabulary | None) -> PreparedVocabulary:
        """A vocabulary matched with the store and encoded, kept for the next image."""
        vocabulary = as_vocabulary(classes)
        key = vocabulary.digest if vocabulary else ""
        if key not in self._prepared:
            parts = self.parts()
            from retclip.workflows.vocabulary import prepare

            self._prepared[key] = prepare(parts, vocabulary)
        return self._prepared[key]

    def _classifiers(self, names: Sequence[str]) -> tuple[Loaded[Classifier], ...]:
        if not names:
            raise ConfigError("at least one classifier", "none", "set components.classifiers or --classifier")
        return tuple(self.component("classifier", name) for name in names)
