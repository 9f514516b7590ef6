"""The composition root: a store and the components that work on it, handed to the workflows.

with RetCLIP.open("store") as retclip:
    retclip.segment("street.jpg", ["sky", "car"]).save("out")
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from retclip.arguments import Classes, ImageInput, as_image, as_vocabulary, several
from retclip.open_store import OpenStore
from retclip.progress import OnProgress, silent
from retclip.result import SegmentationResult

if TYPE_CHECKING:
    from retclip.workflows.building.add_space import AddSpaceReport
    from retclip.workflows.building.build_loop import BuildReport
    from retclip.workflows.building.estimate_build import Estimate
    from retclip.workflows.classes.checked_addition import AdditionReport
    from retclip.workflows.classes.fill_report import FillReport
    from retclip.workflows.classes.look_up import Filling
    from retclip.workflows.evaluation.evaluate import Evaluation, Evaluator
    from retclip.workflows.segment.parts import Parts
    from retclip.workflows.training.finetune import FinetuneReport


class RetCLIP(OpenStore):
    """What can be done with an open store, a method for each walk."""

    def build(
        self,
        address: str,
        classes: Sequence[str] | None = None,
        on_progress: OnProgress = silent,
    ) -> BuildReport:
        """Add the segments of a source to the store (None = all its classes). See `workflows.build_store`; the
        settings `build.executor` and `build.workers` say who does the work."""
        from retclip.executors import starter
        from retclip.workflows.building.build_store import Purpose, build_store

        parts, source = self.parts_to_build(), self.source(address)
        start, purpose = starter(self.settings, address), Purpose(task=f"build {self.store.folder.name}")
        return build_store(parts, source, address, classes, purpose, on_progress, start)

    def parts_to_build(self) -> Parts:
        """What `build` works with. Raises what cannot be loaded."""
        from retclip.executors import others_work

        return self.parts(building=True, idle=others_work(self.settings))

    def estimate(
        self,
        address: str,
        classes: Sequence[str] | None = None,
        sample: int = 8,
        on_progress: OnProgress = silent,
    ) -> Estimate:
        """What `build` would do, and cost; nothing is written. See `workflows.estimate_build`."""
        parts = self.parts(building=True)
        from retclip.workflows.building.estimate_build import estimate_build

        return estimate_build(parts, self.source(address), address, classes, sample, on_progress=on_progress)

    def add_class(
        self, name: str, sources: Sequence[str], is_thing: bool | None = None,
        on_progress: OnProgress = silent,
    ) -> list[BuildReport]:  # fmt: skip
        """Add one class from sources or photos; no training, and the next `segment` knows it."""
        parts = self.parts(building=True)
        from retclip.data.source_address import shown_address
        from retclip.workflows.classes.add_class import add_class

        return [
            add_class(parts, name, self.source(address), shown_address(address), is_thing, on_progress=on_progress)
            for address in sources
        ]

    def add_class_checked(
        self, name: str, sources: Sequence[str], probe: str, limit: float | None = None, is_thing: bool | None = None,
        actor: str = "retclip", on_progress: OnProgress = silent,
    ) -> AdditionReport:  # fmt: skip
        """`add_class` between two looks at a probe; taken back where an old class loses more than `limit` points."""
        from retclip.data.source_address import shown_address
        from retclip.workflows.classes.checked_addition import Gate, add_class_checked

        opened = [(self.source(one), shown_address(one)) for one in sources]
        gate = Gate(self.source(probe), limit, actor)
        return add_class_checked(self.parts(building=True), self.parts(), name, opened, gate, is_thing, on_progress)

    def fill_missing(self, classes: Classes, again: bool = False, on_progress: OnProgress = silent) -> FillReport:
        """Fetch classes that the store lacks from `fallback.source`. See `workflows.fill_missing`."""
        from retclip.workflows.classes.fill_missing import fill_missing

        return fill_missing(self.filling(), as_vocabulary(classes), again, on_progress)

    def filling(self) -> Filling:
        """What a fill works with."""
        parts = self.parts(building=True)
        from retclip.workflows.classes.fill_missing import Filling

        return Filling(parts, self.component("backbone", self.settings.components.backbone), self.source)

    def add_space(self, backbone: str, accept_failed: bool = False, on_progress: OnProgress = silent) -> AddSpaceReport:
        """Vectors of one more backbone for all that is stored. See `workflows.add_space`."""
        self.manager.require_weights([self.manager.find("backbone", backbone)], self.settings.of_component)
        from retclip.workflows.building.add_space import add_space

        loaded, images = self.component("backbone", backbone), self.settings.build.commit_images
        place = self.settings.weights.place
        return add_space(self.store, loaded, self.source, images, accept_failed, on_progress, place)

    @overload
    def segment(self, image: ImageInput, classes: Classes = None) -> SegmentationResult: ...

    @overload
    def segment(
        self, image: list[Any] | tuple[Any, ...] | Iterator[Any], classes: Classes = None
    ) -> list[SegmentationResult]: ...

    def segment(self, image: Any, classes: Classes = None) -> SegmentationResult | list[SegmentationResult]:
        """Label every pixel of `image` with one of `classes` (None = every class of the store).

        image: a path; a file's bytes, or one that is open; a Pillow image (upright, as its EXIF data say); an (H, W, 3)
        uint8 RGB or (H, W) grey array; an `Image`. Of a list of these a list of results.
        classes: names, a comma list, a file, or a Vocabulary.
        Raises DataError, ConfigError, PluginError, and StoreError, also after `close`.
        """
        return self.segment_all(image, classes) if several(image) else self.segment_all([image], classes)[0]

    def segment_all(self, images: Iterable[Any], classes: Classes = None) -> list[SegmentationResult]:
        """`segment` for several images at once, which a GPU does faster; one result each, in order."""
        parts = self.parts()  # first of all: what is missing is told before a model library is imported
        from retclip.workflows.segment.segment_image import segment_images

        photos = [as_image(image) for image in images]
        answers = segment_images(parts, photos, self.prepared(classes))
        return [
            SegmentationResult(photo, found.label_map, found.segments, evidence, self.store, found.mask_map)
            for photo, (found, evidence) in zip(photos, answers, strict=True)
        ]

    def evaluate(self, address: str, seen: Classes = None, on_progress: OnProgress = silent) -> Evaluation:
        """PQ, mAP and mIoU over an annotated source, for seen and unseen classes apart. See `workflows.evaluate`."""
        evaluator = self.evaluator(address, seen)
        for _ in evaluator.judged(on_progress):
            pass
        return evaluator.evaluation()

    def evaluator(self, address: str, seen: Classes = None) -> Evaluator:
        """The same image by image."""
        parts = self.parts()
        from retclip.workflows.evaluation.evaluate import Evaluator

        return Evaluator(parts, self.source(address), as_vocabulary(seen))

    def finetune(
        self, address: str, out: str | Path, val: str | None = None,
        classes: Classes = None, fresh: bool = False, on_progress: OnProgress = silent,
    ) -> FinetuneReport:  # fmt: skip
        """Train the proposer on an annotated source; its weights lie in `out` then. See `workflows.finetune`."""
        from retclip.finetune_job import finetune_job, run

        return run(finetune_job(self, address, Path(out), val, classes, fresh), on_progress)
