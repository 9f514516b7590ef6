"""What a result holds, in a line and as data; and why it holds nothing, read off the scores."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from retclip.evidence import DecisionInputs, Evidence, TreeParts
from retclip.report import result_summary
from retclip.report.result_summary import Nothing, as_dict, class_shares, labelled_share, summary_line, why_nothing
from retclip.types import REST, ClassScores, Neighbours, PanopticSegmentation, Role, SegmentInfo, Vocabulary


def segmented(*parts, size=(10, 10)):
    """(class, is_thing, rows, columns) painted one after the other; ids count from 1."""
    label_map = np.zeros(size, dtype=np.int32)
    for number, (_, _, rows, columns) in enumerate(parts, 1):
        label_map[rows, columns] = number
    areas = np.bincount(label_map.ravel(), minlength=len(parts) + 1)
    infos = [
        SegmentInfo(number, name, is_thing, int(areas[number]), 0.5)
        for number, (name, is_thing, *_) in enumerate(parts, 1)
    ]
    return PanopticSegmentation(label_map, tuple(infos))


CAT = ("cat", True, slice(5, 7), slice(2, 6))
SKY = ("sky", False, slice(0, 4), slice(0, 10))


def test_things_are_counted_and_stuff_is_measured():
    assert summary_line(segmented(SKY, CAT)) == "1 cat, sky 40 %, 48 % labelled"
    dogs = [("dog", True, slice(row, row + 1), slice(0, 3)) for row in (7, 9)]
    assert summary_line(segmented(SKY, CAT, *dogs)) == "1 cat, 2 dog, sky 40 %, 54 % labelled"
    assert summary_line(segmented()) == "0 % labelled"


def test_a_long_line_names_the_first_classes_and_counts_the_others():
    parts = [(f"class {n:02}", False, slice(n, n + 1), slice(0, 10 - n // 5)) for n in range(10)]
    line = summary_line(segmented(*parts))
    assert line.startswith("class 00 10 %, class 01 10 %") and line.endswith(", 2 other classes, 95 % labelled")


@pytest.mark.parametrize(
    ("share", "told"),
    [(0.0, "0 %"), (1e-6, "under 1 %"), (0.004, "under 1 %"), (0.006, "1 %"), (0.414, "41 %"), (0.9999, "over 99 %"),
     (1.0, "100 %")],
)  # fmt: skip
def test_only_nothing_is_none_and_only_everything_is_all(share, told):
    assert result_summary.percent(share) == told


def test_as_data_with_boxes_as_coco_writes_them():
    found = as_dict(segmented(SKY, CAT))
    assert found["labelled"] == 0.48 == labelled_share(segmented(SKY, CAT))
    assert found["classes"] == {
        "cat": {"is_thing": True, "segments": 1, "share": 0.08},
        "sky": {"is_thing": False, "segments": 1, "share": 0.4},
    }
    assert found["segments"][1] == {
        "id": 2, "class": "cat", "is_thing": True, "score": 0.5, "area": 8, "bbox": [2, 5, 4, 2]
    }  # fmt: skip


def test_the_data_agree_with_the_written_coco_json(result, tmp_path):
    import json

    from retclip.report.result_writer import ResultWriter

    with ResultWriter(tmp_path, result.evidence.vocabulary) as writer:
        name = writer.add(result, "scene")
        assert all(path.is_file() for path in writer.files(name).values())
    document = json.loads((tmp_path / "panoptic.json").read_text(encoding="utf-8"))
    written = {one["id"]: (one["area"], one["bbox"]) for one in document["annotations"][0]["segments_info"]}
    assert {one["id"]: (one["area"], one["bbox"]) for one in as_dict(result.panoptic)["segments"]} == written
    assert sum(one.segments for one in class_shares(result.panoptic)) == len(written)


def evidence(values, void=0.0, knows=True, **settings):
    combined = torch.tensor(values)
    masks, classes = combined.shape
    scores = ClassScores(combined, torch.full((classes,), knows), Role.RETRIEVAL)
    names = tuple(f"name {number}" for number in range(classes))
    return Evidence(
        "", "", Vocabulary(names, (None,) * classes), None, (scores,), combined, torch.full((masks,), void),
        np.zeros((masks, 4), dtype=np.int64), settings,
    )  # fmt: skip


def against_the_rest(values, own, shares, boxes):
    """Evidence of one asked class and the rest, cat and tree; own: (n, k) which of them each neighbour is of."""
    near, votes = torch.tensor(own), torch.tensor(shares)
    ids = np.full(near.shape, "x", dtype=object)
    neighbours = Neighbours(ids, (near >= 0).long(), votes, torch.ones(2).bool(), of_rest=near)
    given, words = evidence(values), Vocabulary(("sky", REST), (False, False), ((), ("cat", "tree")), has_rest=True)
    scores = (replace(given.scores[0], shares=votes),)
    return replace(given, vocabulary=words, neighbours=neighbours, scores=scores, boxes=np.array(boxes))


def test_who_was_not_asked_and_won_is_named_the_largest_first():
    """The first mask is sky's, the second a cat's by its voter, the third, larger, a tree's: the cat has no share."""
    values, boxes = [[0.6, 0.3], [0.2, 0.7], [0.1, 0.5]], [[0, 0, 9, 9], [0, 0, 2, 2], [0, 0, 3, 3]]
    own, shares = [[-1, 1], [0, -1], [0, 1]], [[0.6, 0.3], [0.7, 0.2], [0.0, 0.5]]
    found = against_the_rest(values, own, shares, boxes)
    assert result_summary.unasked_classes(found) == ("tree", "cat")
    assert result_summary.unasked_classes(replace(found, neighbours=replace(found.neighbours, of_rest=None))) == ()
    assert result_summary.unasked_classes(evidence([[0.2, 0.3]])) == ()


def test_a_mask_that_was_cut_from_a_tree_looks_like_its_parts():
    """A lost mask of 100 pixels, nearest to a tree: half of it is a cat, a third a tree, the rest of it is sky."""
    found = against_the_rest([[0.1, 0.5]], [[1]], [[0.5]], [[0, 0, 10, 10]])
    leaves = against_the_rest(
        [[0.1, 0.8], [0.2, 0.6], [0.9, 0.1]], [[1], [0], [1]], [[0.8], [0.6], [0.1]], [[0] * 4] * 3
    )
    parts = TreeParts(
        torch.tensor([0, 0, 0]), torch.tensor([0.33, 0.5, 0.17]), 0.1, leaves.neighbours, leaves.scores, None
    )
    inputs = DecisionInputs(found.neighbours, 1, 0, False, torch.zeros(2).bool(), torch.ones(1).bool(), parts=parts)
    assert result_summary.unasked_classes(found) == ("tree",)
    assert result_summary.unasked_classes(replace(found, inputs=inputs)) == ("cat", "tree")


def test_where_no_mask_has_a_neighbour_nothing_is_named():
    given = against_the_rest([[0.2, 0.7]], [[0]], [[0.7]], [[0, 0, 1, 1]])
    near, votes = given.neighbours, torch.zeros(1, 0)
    nobody = replace(near, ids=near.ids[:, :0], classes=votes.long(), distances=votes, of_rest=votes.long())
    scores = (replace(given.scores[0], shares=votes),)
    assert result_summary.unasked_classes(replace(given, neighbours=nobody, scores=scores)) == ()


def test_where_no_asked_class_has_a_vote_what_was_not_asked_is_the_reason_and_no_model():
    given = against_the_rest([[0.0, 0.7]], [[0]], [[0.7]], [[0, 0, 1, 1]])
    assert why_nothing(given) is Nothing.NOT_ASKED
    assert why_nothing(replace(given, void=torch.tensor([0.9]))) is Nothing.NO_OBJECT


def test_where_what_was_not_asked_wins_everything_that_is_the_reason():
    given = against_the_rest([[0.2, 0.7]], [[0]], [[0.7]], [[0, 0, 1, 1]])
    assert why_nothing(given) is Nothing.NOT_ASKED
    assert result_summary.told_nothing(given).endswith("not asked for (surest: sky 0.20 beside 0.70 for none)")
    knows = torch.tensor([False, True])
    assert why_nothing(replace(given, scores=(replace(given.scores[0], knows=knows),))) is Nothing.NO_NAMES


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (replace(evidence([[0.0]]), combined=torch.zeros(0, 1), void=torch.zeros(0)), Nothing.NO_MASKS),
        (evidence([[0.0, 0.0]], knows=False), Nothing.NO_NAMES),
        (evidence([[0.2, 0.3]], void=0.4), Nothing.NO_OBJECT),
        (evidence([[0.0, 0.0]]), Nothing.TOO_UNSURE),
        (evidence([[0.2, 0.3]], segment={"object_mask_threshold": 0.8}), Nothing.TOO_UNSURE),
        (evidence([[0.2, 0.3]], segment={"object_mask_threshold": 0.1}), Nothing.OVERLAPPED),
    ],
)
def test_the_reason_is_the_rule_that_took_the_last_mask(given, reason):
    assert why_nothing(given) is reason
    assert result_summary.told_nothing(given).startswith(reason)


def test_the_name_that_came_nearest_is_told():
    told = result_summary.told_nothing(evidence([[0.2, 0.1], [0.1, 0.3]], void=0.4))
    assert told == "the models took every mask for no object (surest: name 1 0.30 beside 0.40 for none)"
