"""The tree from a build to an explanation: stored by one process as by two, cut, counted and explained."""

import numpy as np
import pytest

import retclip

SCENES = "reference.scenes:{1}?split={0}&count=4"
SETTINGS = {
    "store": {"index": "resident"},
    "device": {"name": "cpu"},
    "components": {"proposer": "regions.tree"},
    "plugin": {"regions": {"tree": {"count": 60}}},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tree")


def build(folder, name, **section):
    settings = {**SETTINGS, "build": {"proposer": "regions.tree", **section}}
    with retclip.open(folder / name, create=True, settings=settings) as memory:
        report = memory.build(SCENES.format("train", folder / "photos"))
        classes = [(one.name, one.segments) for one in memory.classes.list()]
        return report.segments, classes


def test_two_processes_store_the_tree_as_one_does(folder):
    segments, classes = build(folder, "alone")
    assert segments > 4 * 30 and build(folder, "two", workers=2) == (segments, classes)


def test_a_scene_is_cut_counted_and_explained(folder):
    build(folder, "walk")
    with retclip.open(folder / "walk", settings=SETTINGS) as memory:
        val = SCENES.format("val", folder / "others")
        result = memory.segment(next(iter(memory.source(val).images())).load())
        masks = np.unique(result.mask_map[result.mask_map >= 0])
        assert len(masks) <= len(result.evidence.combined) < 60, "those of the cut alone, larger than superpixels"
        why = result.explain(result.segments[0])
        assert why.neighbours and why.segment.class_name in why.combined
        assert memory.evaluate(val).pixel_accuracy > 50  # 16 classes; by chance it would be about 6
