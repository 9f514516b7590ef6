"""Which image is trained on at which step, and its crop: a function of the seed and the place in line, nothing else.

Image number g of a run (g = step * batch size + place in the batch) is the same whatever the number of processes, and
whether the run was interrupted or not. An epoch is a permutation of its own. An image that cannot be used is
replaced by the next one of its epoch and reported.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from retclip.data.augmentation import Augmentation, draw, placed
from retclip.errors import DataError
from retclip.names import name_key
from retclip.passed_over import PassedOver, Tally, passed_over_by
from retclip.plugin.contracts import ImageSource, SourceImage
from retclip.store.records import Failure
from retclip.types import Image, PanopticSegmentation, Vocabulary
from retclip.workflows.training.training_targets import IndexedTargets, class_rows, targets_of

NOTHING_TO_TRAIN = "images without a class to train"
ORDER, LOOK = 1, 2  # streams of random numbers that must not meet
AHEAD = 2  # batches decoded before they are wanted


@dataclass(frozen=True, eq=False)
class Sample:
    """An augmented image with its training targets.

    failures: the images that were passed over to find it.
    """

    image: Image
    targets: IndexedTargets
    failures: tuple[Failure, ...] = ()
    external_id: str = ""
    passed_over: PassedOver = field(default_factory=PassedOver)


class TrainingData:
    """The images of a source that show a class of the vocabulary; the others teach nothing and are left out.

    passed_over: those images, and what the source says that belongs to none of its images.
    Raises DataError where none is left.
    """

    def __init__(self, source: ImageSource, vocabulary: Vocabulary, augmentation: Augmentation, seed: int) -> None:
        self.augmentation, self.seed = augmentation, seed
        self.rows = class_rows(vocabulary)
        self.records = [record for record in source.images() if self._shows_a_class(record)]
        tally = Tally(passed_over_by(source))
        tally.skip(NOTHING_TO_TRAIN, len(source) - len(self.records))
        self.passed_over = tally.total
        if not self.records:
            todo = "check path, split and --classes"
            raise DataError(f"an image in {source.name} that shows a class to train", "none", todo)

    def _shows_a_class(self, record: SourceImage) -> bool:
        return record.class_names is None or any(name_key(name) in self.rows for name in record.class_names)

    @cached_property
    def digest(self) -> str:
        """Return the sha256 over the images' identities and annotations, in order, by which another run sees the same
        data.
        """
        import hashlib

        listed = "\n".join(f"{record.external_id} {record.annotation_digest}" for record in self.records)
        return hashlib.sha256(listed.encode()).hexdigest()

    def batches(self, start: int, steps: int, batch: int, places: range, workers: int) -> Iterator[list[Sample]]:
        """Yield the samples of steps start .. steps - 1, decoded ahead by threads.

        batch: images per step.
        places: positions in each batch that this process takes.
        Raises DataError where no image of an epoch can be used.
        """
        waiting: deque[list[Future[Sample]]] = deque()
        with ThreadPoolExecutor(workers, thread_name_prefix="train") as pool:
            try:
                for step in range(start, steps):
                    waiting.append([pool.submit(self.sample, step * batch + place) for place in places])
                    if len(waiting) > AHEAD:
                        yield [future.result() for future in waiting.popleft()]
                while waiting:
                    yield [future.result() for future in waiting.popleft()]
            finally:
                for futures in waiting:
                    for future in futures:
                        future.cancel()

    def sample(self, number: int) -> Sample:
        """Return image number `number` of the run, augmented by its own random numbers.

        Raises DataError where no image of the epoch can be used.
        """
        epoch, first = divmod(number, len(self.records))
        order, failures = permutation(self.seed, epoch, len(self.records)), []
        for further in range(len(self.records)):
            record = self.records[int(order[(first + further) % len(order)])]
            try:
                image, truth = _loaded(record)
            except DataError as error:
                failures.append(Failure(record.external_id, record.uri, str(error)))
                continue
            sample, who = self._augmented(image, truth, number), record.external_id
            return replace(sample, failures=tuple(failures), external_id=who, passed_over=image.passed_over)
        got = f"{len(failures)} that failed, first {failures[0]}"
        raise DataError("an image that can be trained on", got, "check the source, repair the files")

    def _augmented(self, image: Image, truth: PanopticSegmentation, number: int) -> Sample:
        random = np.random.default_rng([self.seed, LOOK, number])
        where = draw(image.size, self.augmentation, random)
        pixels, labels = placed(image.pixels, truth.label_map, where, self.augmentation.crop)
        return Sample(Image(pixels, image.sha256, image.uri), targets_of(labels, truth.segments, self.rows))


@lru_cache(maxsize=4)  # threads of one run work in one epoch, at its end in two
def permutation(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """Return the order of an epoch's images, (count,) int64, each of 0 .. count - 1 once.

    seed: of the run.
    epoch: from 0; each has an order of its own.
    count: images of the source.
    """
    return np.random.default_rng([seed, ORDER, epoch]).permutation(count)


def _loaded(record: SourceImage) -> tuple[Image, PanopticSegmentation]:
    """Return a record's image and annotation. Raises DataError."""
    try:
        image = record.load()
    except (OSError, ValueError, MemoryError) as error:  # a source of a stranger's that did not wrap its reader
        raise DataError("a readable image", f"{type(error).__name__}: {error}", "repair or remove the file") from error
    if image.truth is None:
        raise DataError(f"an annotation for {image.uri}", "none", "train on an annotated source")
    return image, image.truth
