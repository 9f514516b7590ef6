"""The picture of an explanation: what it holds, and that it is drawn even where photos or segments are gone."""

from dataclasses import replace

import numpy as np
import pytest

from retclip.quantities import quantity
from retclip.report import explanation
from retclip.report.explanation import COLUMNS, GAP, LEFT, SHOWN, SIDE, TILE, picture
from retclip.report.palette import class_colours
from retclip.types import Image as Photo
from retclip.workflows.explain.explanation import NegativeExample
from retclip.workflows.explain.margin import Margin


@pytest.fixture
def why(result):
    return result.explain(result.segments[0])


def tile(sheet, why, number):
    """The crop and the whole photo of a neighbour, found by the colour that frames the crop."""
    colour = class_colours([*why.classes])[why.neighbours[number].class_then]
    columns = slice(LEFT + number * (TILE + GAP), LEFT + number * (TILE + GAP) + SIDE)
    rows = np.flatnonzero((sheet[:, columns] == colour).all(axis=2).sum(axis=1) > 20)
    return sheet[rows.min() : rows.min() + SIDE, columns.start : columns.start + TILE], colour


def test_it_names_the_segment_its_scores_and_each_neighbours_share_distance_and_photo(memory, result, why, texts):
    sheet = picture(memory.store, result.panoptic, why)
    assert sheet.dtype == np.uint8
    assert sheet.shape[1:] == (LEFT + COLUMNS * (TILE + GAP), 3)
    said = "\n".join(texts)
    assert f"segment {why.segment.id}: {why.segment.class_name}" in said
    assert {"retrieval.vote", "together", why.verdict()} <= set(texts)
    for rank, near in enumerate(why.neighbours[:SHOWN], 1):
        assert f"{rank}. {near.class_then}" in said
        assert f"share {near.share:.4f}, distance {near.distance:.4f}" in texts
        assert near.stored.image_uri.rpartition("/")[2] in texts
    assert f"{SHOWN + 1}. " not in said


def test_it_says_the_vote_its_rule_and_counts_that_add_up(memory, result, why, texts):
    picture(memory.store, result.panoptic, why)
    said = " ".join(texts).replace("  ", " ")
    assert f"the rule: {why.vote.rule}" in said
    assert f"{len(why.neighbours)} nearest stored segments, {SHOWN} of them shown" in said
    start = said.index("retrieval.vote: ")
    parts = said[start : said.index(" the rule:")].removeprefix("retrieval.vote: ").split("), ")
    numbers = [int(part.rstrip(")").rpartition("(")[2]) for part in parts]
    assert len(parts) == 6 and " more " in parts[-1]
    assert sum(numbers) == len(why.neighbours) == 32


def test_each_neighbours_crop_stands_in_its_tile_framed_in_the_colour_of_its_class(memory, result, why):
    sheet = picture(memory.store, result.panoptic, why)
    for number in range(3):
        crop, colour = tile(sheet, why, number)
        assert (crop[:, :SIDE] == colour).all(axis=2).sum() > 100
        assert len(np.unique(crop[:, :SIDE].reshape(-1, 3), axis=0)) > 50  # a photo, not a flat box


def test_the_whole_photo_stands_beside_it_with_the_mask_in_it(memory, result, why, monkeypatch):
    asked = []
    original = explanation.CropCutter.whole

    def whole(self, uri, sha256, box, mask, colour, room):
        found = original(self, uri, sha256, box, mask, colour, room)
        asked.append((uri, box, mask, found))
        return found

    monkeypatch.setattr(explanation.CropCutter, "whole", whole)
    sheet = picture(memory.store, result.panoptic, why)
    (uri, box, mask, _), *neighbours = asked
    assert (uri, box) == (why.image_uri, why.box) and (mask == (result.mask_map == why.mask)).all()
    assert [(one[0], one[1]) for one in neighbours] == [
        (near.stored.image_uri, near.stored.box) for near in why.neighbours[:SHOWN]
    ]
    assert [int(one[2].sum()) for one in neighbours] == [near.stored.area for near in why.neighbours[:SHOWN]]
    pair, _ = tile(sheet, why, 0)
    drawn = neighbours[0][3]
    height, width = drawn.shape[:2]
    assert (pair[1 : height - 1, SIDE + 7 : SIDE + 5 + width] == drawn[1:-1, 1:-1]).all()


def test_a_photo_that_is_gone_is_said_and_the_rest_is_drawn(memory, result, why, texts, monkeypatch):
    monkeypatch.setattr(explanation.CropCutter, "cut", lambda *_: None)
    picture(memory.store, result.panoptic, why)
    assert texts.count("photo not found") == 1 + min(SHOWN, len(why.neighbours))


def test_a_photo_that_is_no_file_is_drawn_where_it_is_at_hand(memory, scene, texts):
    loose = memory.segment(Photo(scene.pixels, scene.sha256, "PIL image", truth=scene.truth))
    why = loose.explain(loose.segments[0])
    picture(memory.store, loose.panoptic, why)
    assert "photo not found" in texts
    texts.clear()
    picture(memory.store, loose.panoptic, why, loose.image)
    assert "photo not found" not in texts


def test_a_neighbour_that_left_the_store_is_said(memory, result, why, texts):
    gone = replace(why, neighbours=tuple(replace(one, stored=None) for one in why.neighbours[:2]))
    picture(memory.store, result.panoptic, gone)
    assert texts.count("no longer in the store") == 2


def test_a_neighbour_that_was_renamed_since_says_so(memory, result, why, texts):
    first = why.neighbours[0]
    renamed = replace(first, stored=replace(first.stored, class_name="heaven"))
    picture(memory.store, result.panoptic, replace(why, neighbours=(renamed,)))
    assert any(text.endswith(", now heaven") for text in texts)


def test_without_neighbours_there_is_still_a_picture(memory, result, why):
    alone = replace(why, neighbours=(), vote=None)
    assert picture(memory.store, result.panoptic, alone).shape[0] >= 200


def test_it_says_who_made_each_neighbour_how_sure_and_with_which_weights(memory, result, why, texts):
    record = {"proposer": {"name": "a.b", "version": "7", "weights": {"m/x.safetensors": "0123456789abcdef"}}}
    changes = [
        {"proposer": "a.b", "proposer_version": "7", "detector_score": 0.5, "mask_score": 0.25, "components": record},
        {"detector_score": None, "mask_score": 0.75, "components": {}},
        {"score": 0.125, "detector_score": None, "mask_score": None, "label_source": "person", "labelled_by": "ann"},
    ]
    near = [
        replace(one, stored=replace(one.stored, **change)) for one, change in zip(why.neighbours, changes, strict=False)
    ]
    picture(memory.store, result.panoptic, replace(why, neighbours=tuple(near)))
    wanted = ["a.b 7", "detector 0.50 mask 0.25 weights 01234567", "mask 0.75 weights not recorded"]
    wanted += ["score 0.12 weights none", "said by person, ann"]
    assert set(wanted) <= set(texts)


def test_a_class_of_which_a_source_cannot_speak_has_no_score_of_zero(memory, result, why, texts):
    (source, scores) = next(iter(why.scores.items()))
    name = next(iter(scores))
    picture(memory.store, result.panoptic, replace(why, unknown={source: [name]}))
    assert texts.count("unknown") == 1


def test_the_margin_is_said_and_its_neighbours_and_those_without_a_vote_are_marked(memory, result, why, texts):
    first, second, *others = why.neighbours
    margin = Margin((first.id,), "dog", True, 1)
    changed = replace(why, margin=margin, neighbours=(first, replace(second, barred=True), *others))
    picture(memory.store, result.panoptic, changed)
    said = " ".join(texts)
    assert f"margin: dog without 1 neighbour: {str(first.id)[:8]}" in said
    assert f"1. {first.class_then}, in the margin" in texts and f"2. {second.class_then}, no vote" in texts
    assert said.count("in the margin") == said.count("no vote") == 1
    texts.clear()
    picture(memory.store, result.panoptic, replace(why, margin=None))
    assert "margin" not in " ".join(texts)


def test_negative_examples_are_drawn_below_the_neighbours(memory, result, why, texts):
    names = list(why.classes)[: COLUMNS + 1]
    ids = [near.id for near in why.neighbours]
    negatives = tuple(NegativeExample(name, ids[n], 0.25, 3, n) for n, name in enumerate(names))
    plain = picture(memory.store, result.panoptic, why)
    texts.clear()
    sheet = picture(memory.store, result.panoptic, replace(why, negatives=negatives))
    for example in negatives[:COLUMNS]:
        assert (
            f"not {example.class_name}" in texts
            and f"it keeps {quantity(example.barred, 'neighbour')} from voting" in texts
        )
    assert f"not {negatives[-1].class_name}" not in texts
    assert texts.count("0.2500 decorrelated, of 3 examples") == COLUMNS
    assert f", of {COLUMNS} of {COLUMNS + 1} classes" in " ".join(texts)
    assert f"stored as {why.neighbours[0].stored.class_name}" in texts
    below = sheet[len(plain) :, LEFT : LEFT + SIDE]
    assert len(below) > SIDE and (below == class_colours([*why.classes])[names[0]]).all(axis=2).sum() > 100
    texts.clear()
    picture(None, result.panoptic, replace(why, negatives=negatives[:1]))
    assert texts.count("gone") == 1
