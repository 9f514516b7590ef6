"""A photo as one segment."""

import numpy as np
import pytest
import torch
from retclip_reference.whole_image import WholeImage

from retclip.types import Device, Image, Vocabulary

SIZES = [(1, 1), (30, 40), (7, 300)]


def propose(names, sizes=SIZES):
    images = [Image(np.zeros((*size, 3), np.uint8), "a" * 64) for size in sizes]
    return WholeImage(Device()).propose(images, Vocabulary(names, (True,) * len(names)), [])


def test_one_mask_covers_each_photo_whatever_its_size():
    found = propose(("cat",))
    assert [one.image_size for one in found] == SIZES
    for one in found:
        assert torch.equal(one.masks, torch.ones(1, 1, 1))
        assert one.objectness.tolist() == [1.0]


@pytest.mark.parametrize(("names", "prompt"), [(("cat",), "cat"), (("cat", "dog"), None), ((), None)])
def test_it_names_the_class_only_where_there_is_no_choice(names, prompt):
    assert [one.prompts for one in propose(names)] == [(prompt,)] * len(SIZES)


def test_no_photo_is_no_answer():
    assert propose(("cat",), sizes=[]) == []
