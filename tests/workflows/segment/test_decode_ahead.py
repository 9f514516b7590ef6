"""Decoding ahead: order, bad files as answers, and never more in memory than was asked for."""

import threading

import numpy as np
import pytest

from retclip.errors import DataError
from retclip.plugin import SourceImage
from retclip.types import Image
from retclip.workflows.segment.decode_ahead import decoded


class Records:
    """Records that remember which of them were asked for and which were loaded."""

    def __init__(self, answers):
        self.answers, self.asked, self.loaded, self.threads = answers, [], [], set()

    def __iter__(self):
        for number in range(len(self.answers)):
            self.asked.append(number)
            yield SourceImage(f"item{number}", f"/{number}", lambda number=number: self.load(number), str)

    def load(self, number):
        self.loaded.append(number)
        self.threads.add(threading.current_thread())
        if isinstance(self.answers[number], BaseException):
            raise self.answers[number]
        return self.answers[number]


def test_every_record_comes_once_in_order_with_its_image():
    for count in (0, 1, 3, 8):
        records = Records([f"image{n}" for n in range(count)])
        found = [(record.external_id, image) for record, image in decoded(records)]
        assert found == [(f"item{n}", f"image{n}") for n in range(count)]
        assert records.loaded == list(range(count))


def test_a_bad_file_is_an_answer_and_stops_nothing():
    bad = DataError("a photo", "none", "copy it again")
    errors = [OSError("gone"), ValueError("odd"), MemoryError("huge")]
    answers = [image for _, image in decoded(Records(["first", bad, *errors, "last"]))]
    assert (answers[0], answers[1], answers[-1]) == ("first", bad, "last")
    for answer, error in zip(answers[2:5], errors, strict=True):
        assert isinstance(answer, DataError)
        assert answer.got == f"{type(error).__name__}: {error}"


def test_a_mistake_in_a_reader_is_not_taken_for_a_bad_photo():
    with pytest.raises(KeyError):
        list(decoded(Records(["first", KeyError("typo")])))


def test_only_as_many_records_are_taken_as_may_wait():
    records = Records(["image"] * 10)
    running = decoded(records, ahead=2)
    assert records.asked == []
    next(running)
    assert records.asked == [0, 1, 2]
    next(running)
    assert records.asked == [0, 1, 2, 3]
    running.close()
    assert len(records.loaded) <= 4


@pytest.mark.parametrize(("megapixels", "waiting"), [(50, 0), (25, 1), (24, 2), (1, 2)])
def test_of_large_images_fewer_wait(megapixels, waiting):
    """48 megapixels together, and two images."""
    pixels = np.broadcast_to(np.uint8(0), (megapixels * 1000, 1000, 3))  # which takes no memory
    records = Records([Image(pixels, str(n)) for n in range(10)])
    running = decoded(records)
    for number in range(3):
        next(running)
        assert len(records.asked) == number + 1 + waiting
    running.close()


def test_stopping_early_leaves_no_thread_behind():
    records = Records(["image"] * 10)
    running = decoded(records)
    next(running)
    running.close()
    assert records.threads
    assert threading.current_thread() not in records.threads
    assert not any(one.is_alive() for one in records.threads)
