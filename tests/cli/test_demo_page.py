"""The sentences of the demo's page follow its figures, whatever these are; its commands are what a shell takes."""

import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from retclip.cli.demo_page import (
    COLUMNS,
    addition,
    best_of,
    class_iou,
    comparison,
    next_commands,
    right_share,
    scene_caption,
)
from retclip.types import PanopticSegmentation, SegmentInfo


def row(system, pq, miou, unseen_pq, unseen_miou):
    known = {"pq": pq, "miou": miou, "unseen_pq": unseen_pq, "unseen_miou": unseen_miou}
    return {"system": system, **dict.fromkeys(COLUMNS, 50.0), **known}


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (
            [row("FC-CLIP", 27.6, 34.3, 13.9, 24.7), row("alone", 21.5, 38.5, 12.2, 34.0),
             row("ours", 34.7, 51.1, 11.2, 31.7)],
            "Beside FC-CLIP, ours gains 7.1 PQ, 16.8 mIoU and 7.0 mIoU of unseen classes; "
            "it loses 2.7 PQ of unseen classes. FC-CLIP has the best PQ of unseen classes, 13.9; alone has the best "
            "mIoU of unseen classes, 34.0.",
        ),
        (
            [row("FC-CLIP", 1.0, 1.0, 1.0, 1.0), row("ours", 2.0, 2.0, 2.0, 1.02)],
            "Beside FC-CLIP, ours gains 1.0 PQ, 1.0 mIoU and 1.0 PQ of unseen classes. It "
            "is the best of the 2 in all of these.",
        ),
        (
            [row("FC-CLIP", 5.0, 5.0, 5.0, 5.0), row("ours", 4.0, 5.0, 5.0, 5.0)],
            "Beside FC-CLIP, ours loses 1.0 PQ. FC-CLIP has the best PQ, 5.0.",
        ),
        (
            [row("FC-CLIP", 5.0, 5.0, None, None), row("ours", 5.0, 5.0, None, None)],
            "Beside FC-CLIP, ours is level. It is the best of the 2 in all of these.",
        ),
    ],
)  # fmt: skip
def test_the_comparison_says_what_the_table_says(table, sentence):
    assert comparison(table, "ours", "FC-CLIP") == sentence


def test_the_best_of_a_column_is_marked_where_there_is_one():
    best = best_of([row("a", 1.0, 2.0, None, 4.0), row("b", 3.0, 1.0, None, None)])
    assert (best["pq"], best["miou"], best["unseen_miou"]) == (3.0, 2.0, 4.0)
    assert "unseen_pq" not in best


def painted(*columns, width=10):
    """(class, first column, end) as a map of one row."""
    label_map = np.zeros((1, width), dtype=np.int32)
    for number, (_, start, end) in enumerate(columns, 1):
        label_map[0, start:end] = number
    infos = [SegmentInfo(n, name, name == "fox", end - start) for n, (name, start, end) in enumerate(columns, 1)]
    return PanopticSegmentation(label_map, tuple(infos))


@pytest.fixture
def answer(result):
    """A result with that answer and that annotation."""

    def make(found, truth):
        image = replace(result.image, pixels=np.zeros((*truth.label_map.shape, 3), np.uint8), truth=truth)
        return replace(result, image=image, label_map=found.label_map, segments=found.segments)

    return make


TRUTH = painted(("fox", 0, 4), ("sky", 4, 8))


def test_figures_of_the_added_class_are_counted_over_all_scenes(answer):
    first = answer(painted(("fox", 0, 2), ("sky", 2, 10)), TRUTH)  # fox: 2 of 4; right: 2 + 4 of 8
    second = answer(painted(("sky", 0, 10)), painted(("sky", 0, 10)))
    assert class_iou({"a": first}, "fox") == pytest.approx(50)
    assert class_iou({"a": first, "b": second}, "fox") == pytest.approx(50)
    assert class_iou({"b": second}, "fox") is None
    assert right_share({"a": first}) == pytest.approx(6 / 8)
    assert right_share({"a": first, "b": second}) == pytest.approx(16 / 18)


def test_the_addition_is_told_as_it_came_out(answer):
    before = {"a": answer(painted(("sky", 0, 10)), TRUTH)}
    after = {"a": answer(painted(("fox", 0, 2), ("sky", 2, 10)), TRUTH)}
    told = addition("fox", before, after)
    assert told == (
        "Over the 1 scenes, the IoU of fox was 0.0 % before and is 50.0 % now; 50.0 % of all annotated pixels had the "
        "right class before, 75.0 % have it now."
    )
    assert "was 50.0 % before and is 0.0 % now" in addition("fox", after, before)
    assert addition("bear", before, after).endswith("none of them shows bear.")


def test_a_scene_has_a_caption_that_a_person_can_read(answer):
    found = answer(painted(("fox", 0, 2), ("sky", 2, 9)), TRUTH)
    assert scene_caption(7, found) == (
        "scene 7: 1 fox, sky 70 %, 90 % labelled, 75 % of the annotated pixels right"
    )  # fmt: skip


def test_the_commands_name_the_demo_s_own_files_as_a_shell_takes_them():
    commands = next_commands(Path("my demo"), "/photos of mine/x_1.png", "fox", 3, (12, 34))
    parts = [shlex.split(one.line) for one in commands]
    assert all(one[0] == "retclip" for one in parts) and all(one.what for one in commands)
    assert [
        "retclip",
        "segment",
        "/photos of mine/x_1.png",
        "--store",
        "my demo/store",
        "--out",
        "my demo/found",
    ] in parts
    assert [
        "retclip",
        "explain",
        "my demo/found/x_1.evidence.npz",
        "--store",
        "my demo/store",
        "--at",
        "12,34",
    ] in parts
    assert ["retclip", "undo", "3", "--store", "my demo/store"] in parts
