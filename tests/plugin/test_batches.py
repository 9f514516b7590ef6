"""Batches that shrink when memory runs out: every answer, in order, whatever the limit."""

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.errors import ContractBroken
from retclip.plugin.batches import BatchSize, out_of_memory
from retclip.types import Device


class OutOfMemoryError(RuntimeError):
    """Named like torch's own, which is how it is told."""


class Worker:
    """Squares numbers, and runs out of memory above `limit` at once; remembers what it was asked."""

    def __init__(self, limit, error=OutOfMemoryError):
        self.limit, self.error, self.asked = limit, error, []

    def __call__(self, batch):
        self.asked.append(len(batch))
        if len(batch) > self.limit:
            raise self.error("CUDA out of memory")
        return [one * one for one in batch]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 20), st.integers(-1, 20), st.integers(1, 20), st.sampled_from([OutOfMemoryError, MemoryError]))
def test_every_answer_in_order_whatever_fits(count, first, limit, error):
    batches, worker, items = BatchSize(Device(batch_size=first)), Worker(limit, error), list(range(count))
    assert batches.run(items, worker) == [one * one for one in items]
    assert items == list(range(count))
    assert sum(n for n in worker.asked if n <= limit) == count, "nothing that fitted was worked on twice"
    assert max(worker.asked, default=0) <= max(1, first)
    for before, after in zip(worker.asked, worker.asked[1:], strict=False):
        assert before <= limit or after == before // 2


def test_the_size_that_works_is_remembered_and_said(caplog):
    batches = BatchSize(Device(batch_size=8))
    with caplog.at_level(logging.WARNING):
        batches.run(range(8), Worker(3))
    assert batches.size == 2
    assert [one.getMessage() for one in caplog.records] == [
        "out of memory with 8 at once; going on with device.batch_size = 4",
        "out of memory with 4 at once; going on with device.batch_size = 2",
    ]
    worker = Worker(3)
    batches.run(range(5), worker)
    assert worker.asked == [2, 2, 1], "the next call does not run out again"


def test_one_item_that_does_not_fit_raises_what_the_worker_raised():
    batches, worker = BatchSize(Device(batch_size=4)), Worker(0)
    with pytest.raises(OutOfMemoryError):
        batches.run(range(4), worker)
    assert worker.asked == [4, 2, 1]


@pytest.mark.parametrize("error", [ValueError, KeyError, RuntimeError])
def test_any_other_failure_is_not_tried_again(error):
    asked = []

    def work(batch):
        asked.append(len(batch))
        raise error("shapes do not match")

    batches = BatchSize(Device(batch_size=4))
    with pytest.raises(error):
        batches.run(range(4), work)
    assert asked == [4] and batches.size == 4


@pytest.mark.parametrize("answer", [[], [1], [1, 2, 3]])
def test_a_worker_that_drops_or_adds_answers_is_found_out(answer):
    """None at all would otherwise be asked for without end, and a missing one would shift the rest."""
    with pytest.raises(ContractBroken, match=rf"expected 2 answers, one per item; got {len(answer)}"):
        BatchSize(Device(batch_size=2)).run(range(4), lambda batch: answer)


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (OutOfMemoryError("anything"), True),
        (MemoryError(), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("MPS backend Out Of Memory"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate"), True),
        (RuntimeError("[Errno 12] Cannot allocate memory"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (ValueError("out of memory"), False),  # somebody's words, not a device's
    ],
)
def test_what_counts_as_out_of_memory(error, wanted):
    assert out_of_memory(error) is wanted


def test_items_of_one_shape_share_a_batch_and_answers_keep_their_order():
    batches, asked = BatchSize(Device(batch_size=8)), []

    def work(batch):
        asked.append(list(batch))
        return [one.upper() for one in batch]

    assert batches.run_alike(["ab", "c", "de", "f", "ghi"], len, work) == ["AB", "C", "DE", "F", "GHI"]
    assert asked == [["ab", "de"], ["c", "f"], ["ghi"]]
    assert batches.run_alike([], len, work) == []


def test_a_group_that_does_not_fit_is_halved_like_any_batch():
    batches, worker = BatchSize(Device(batch_size=4)), Worker(2)
    assert batches.run_alike([1, 2, 3, 4, 5], lambda one: one % 2, worker) == [1, 4, 9, 16, 25]
    assert worker.asked == [3, 1, 1, 1, 1, 1]
