"""Captions name what the scene shows, each thing once, in words that change."""

import re

import numpy as np
import pytest
from retclip_miniature.captions import OPENINGS, caption

from retclip.types import PanopticSegmentation, SegmentInfo

MAP = np.zeros((10, 10), np.int32)
TRUTH = PanopticSegmentation(
    MAP,
    (
        SegmentInfo(1, "grass", False, 60),
        SegmentInfo(2, "hot dog", True, 20),
        SegmentInfo(3, "ant", True, 2),
        SegmentInfo(4, "ant", True, 5),
    ),
)


@pytest.mark.parametrize("style", ["photo", "drawing"])
def test_every_thing_is_named_and_the_stuff_mostly(style):
    said = [caption(np.random.default_rng(i), TRUTH, style) for i in range(200)]
    assert all(one.count("hot dog") == 1 and len(re.findall(r"\bant\b", one)) == 2 for one in said)
    assert 110 < sum("on grass" in one for one in said) < 190
    assert len(set(said)) > 60 and caption(np.random.default_rng(3), TRUTH, style) == said[3]
    starts = [opening.partition("{")[0] for opening in OPENINGS[style]]
    assert all(any(one.startswith(start) for one in said) for start in starts)


def test_sizes_are_told_truly():
    said = " ".join(caption(np.random.default_rng(i), TRUTH) for i in range(300))
    assert "a large hot dog" in said and "a small ant" in said
    assert "small hot dog" not in said and "large ant" not in said


def test_a_scene_of_stuff_alone_still_has_words():
    truth = PanopticSegmentation(MAP, (SegmentInfo(1, "sand", False, 50), SegmentInfo(2, "sky", False, 50)))
    for i in range(30):
        said = caption(np.random.default_rng(i), truth)
        assert ("sand" in said or "sky" in said) and " on " not in said
