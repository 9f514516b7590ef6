"""The counts of a walk over a source: in memory, or in the folder of an evaluation that goes on where it stopped."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from retclip.passed_over import Tally
from retclip.plugin.contracts import ImageSource, SourceImage
from retclip.workflows.evaluation.counters import Counters
from retclip.workflows.evaluation.image_counts import ImageCounts
from retclip.workflows.evaluation.run_folder import Part, RunFolder


class KeptCounts:
    """Takes the counts image by image, and adds them up at the end.

    counters: empty.
    run: the folder where the counts are written; None = they are added at once.
    part: of the images; the folder's own where there is one.
    beside: the counts of the same images with something else, as of an oracle.
    """

    def __init__(
        self, counters: Counters, run: RunFolder | None = None, part: Part = Part(), beside: Sequence[KeptCounts] = ()
    ) -> None:
        self.beside, self.counted_elsewhere = beside, frozenset[int]()  # images that another folder has
        self._counters, self.run, self.part = counters, run, part if run is None else run.part
        self._tally, self._numbers = Tally(), deque[int]()
        self.names: list[str] = []  # of all records of the source, of other parts, too

    def records(self, source: ImageSource) -> Iterator[SourceImage]:
        """Yield the records of the part that are not counted yet. `next_number` tells the number of each, in turn."""
        for number, record in enumerate(source.images()):
            self.names.append(record.external_id)
            if self.part.has(number) and number not in self.counted_elsewhere and not self._has_everywhere(number):
                self._numbers.append(number)
                yield record

    def __contains__(self, number: int) -> bool:
        return self.run is not None and number in self.run

    def _has_everywhere(self, number: int) -> bool:
        return all(number in kept for kept in (self, *self.beside))

    def next_number(self) -> int:
        """Return the number of the next record that was yielded."""
        return self._numbers.popleft()

    def add(self, counts: ImageCounts) -> None:
        """Take the counts of an image; of one that lies in the folder already nothing is written."""
        if self.run is None:
            self._include(counts)
        elif counts.number not in self.run:
            self.run.append(counts)

    def total(self, tally: Tally) -> Counters:
        """Return the sums. tally: gets what was left out. Raises DataError where a line of the folder is damaged."""
        for counts in () if self.run is None else self.run.counts():
            self._include(counts)
        tally.add(self._tally.total)
        return self._counters

    def _include(self, counts: ImageCounts) -> None:
        self._counters.include(counts)
        self._tally.add(counts.passed_over)
