"""Which image at which step: the same for one process and for two, for a run that went on and for one that did not."""

import numpy as np
import pytest
import torch

from retclip.data.augmentation import Augmentation
from retclip.data.drawn_scenes import DrawnScenes
from retclip.errors import DataError
from retclip.plugin.contracts import SourceClass
from retclip.types import PanopticSegmentation, SegmentInfo, Vocabulary
from retclip.workflows.training.training_data import TrainingData, permutation

VOCABULARY = Vocabulary(("ball",), (True,), (), torch.eye(1))


def draw(index):
    labels = np.zeros((8, 8), np.int32)
    labels[2:5, 2:5] = 1
    name = "ball" if index != 4 else "cube"
    return np.full((8, 8, 3), 20 * index, np.uint8), PanopticSegmentation(labels, (SegmentInfo(1, name, True, 9),))


@pytest.fixture
def data(tmp_path):
    source = DrawnScenes("six", [SourceClass("ball"), SourceClass("cube")], 6, tmp_path, "six", draw)
    return TrainingData(source, VOCABULARY, Augmentation(8, 1.0, 1.0, False), seed=1)


def shown(batches):
    return [[int(sample.image.pixels[0, 0, 0]) // 20 for sample in batch] for batch in batches]


def test_an_epoch_shows_every_useful_image_once_in_an_order_of_its_own(data):
    assert data.passed_over.counts == {"images without a class to train": 1}  # a cube is no ball
    epochs = shown(data.batches(0, 4, 5, range(5), 2))
    assert all(sorted(one) == [0, 1, 2, 3, 5] for one in epochs) and len({tuple(one) for one in epochs}) > 1
    assert permutation(1, 0, 5).tolist() != permutation(2, 0, 5).tolist()


def test_two_processes_share_the_batch_that_one_would_see(data):
    alone = shown(data.batches(0, 5, 4, range(4), 2))
    first, second = (shown(data.batches(0, 5, 4, range(at, at + 2), 1)) for at in (0, 2))
    assert [a + b for a, b in zip(first, second, strict=True)] == alone


def test_going_on_at_a_step_sees_what_would_have_come(data):
    assert shown(data.batches(3, 6, 4, range(4), 2)) == shown(data.batches(0, 6, 4, range(4), 2))[3:]


def test_a_source_without_the_classes_is_told(tmp_path):
    source = DrawnScenes("six", [SourceClass("ball")], 2, tmp_path, "six", draw)
    with pytest.raises(DataError, match="shows a class to train"):
        TrainingData(source, Vocabulary(("dog",), (True,)), Augmentation(8, 1.0, 1.0, False), 0)


def test_image_level_labels_cannot_be_trained_on(tmp_path):
    source = DrawnScenes("six", [SourceClass("ball")], 2, tmp_path, "six", draw, masks=False)
    with pytest.raises(DataError, match="annotated source"):
        TrainingData(source, VOCABULARY, Augmentation(8, 1.0, 1.0, False), 0).sample(0)


def test_the_digest_follows_what_is_annotated(tmp_path, data):
    again = DrawnScenes("six", [SourceClass("ball")], 6, tmp_path, "six", lambda n: draw(min(n, 3)))
    other = TrainingData(again, VOCABULARY, data.augmentation, 1)
    assert data.digest != other.digest
