"""The picture of an explanation: what it holds, and that it is drawn even where photos or segments are gone."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from retclip.report import explanation
from retclip.report.explanation import COLUMNS, GAP, LEFT, SHOWN, TILE, picture, save_picture
from retclip.report.palette import colour


@pytest.fixture
def why(result):
    return result.explain(result.segments[0])


@pytest.fixture
def texts(monkeypatch):
    """Every text that is drawn."""
    said = []
    original = ImageDraw.ImageDraw.text

    def text(self, place, text, *more, **options):
        said.append(text)
        return original(self, place, text, *more, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    return said


def test_it_names_the_segment_its_scores_and_each_neighbours_distance_and_photo(memory, result, why, texts):
    sheet = picture(memory.store, result.panoptic, why)
    assert sheet.dtype == np.uint8
    assert sheet.shape[1:] == (LEFT + COLUMNS * (TILE + GAP) + GAP, 3)
    said = "\n".join(texts)
    assert f"segment {why.segment.id}: {why.segment.class_name}" in said
    assert {"retrieval.vote", "together"} <= set(texts)
    for rank, near in enumerate(why.neighbours[:SHOWN], 1):
        assert f"{rank}. {near.class_then}" in said
        assert f"distance {near.distance:.3f}" in said
        assert near.stored.image_uri.rpartition("/")[2] in said
    assert f"{SHOWN + 1}. " not in said


def test_each_neighbours_crop_stands_in_its_tile_framed_in_the_colour_of_its_class(memory, result, why):
    sheet = picture(memory.store, result.panoptic, why)
    for number, near in enumerate(why.neighbours[:3]):
        tile = sheet[44 : 44 + TILE, LEFT + number * (TILE + GAP) :][:, :TILE]
        assert (tile == colour(near.class_then)).all(axis=2).sum() > 100
        assert len(np.unique(tile.reshape(-1, 3), axis=0)) > 50  # a photo, not a flat box


def test_a_photo_that_is_gone_is_said_and_the_rest_is_drawn(memory, result, why, texts, monkeypatch):
    monkeypatch.setattr(explanation.CropCutter, "cut", lambda *_: None)
    picture(memory.store, result.panoptic, why)
    assert texts.count("photo not found") == 1 + min(SHOWN, len(why.neighbours))


def test_a_neighbour_that_left_the_store_is_said(memory, result, why, texts):
    gone = replace(why, neighbours=tuple(replace(one, stored=None) for one in why.neighbours[:2]))
    picture(memory.store, result.panoptic, gone)
    assert texts.count("no longer in the store") == 2


def test_without_neighbours_there_is_still_a_picture(memory, result, why):
    alone = replace(why, neighbours=())
    assert picture(memory.store, result.panoptic, alone).shape[0] >= 200 + TILE


def test_it_is_saved_as_a_png_in_a_folder_made_for_it(memory, result, why, tmp_path):
    path = tmp_path / "deep" / "why.png"
    save_picture(path, memory.store, result.panoptic, why)
    assert (np.asarray(Image.open(path)) == picture(memory.store, result.panoptic, why)).all()


def test_it_says_who_made_each_neighbour_how_sure_and_with_which_weights(memory, result, why, texts):
    record = {"proposer": {"name": "a.b", "version": "7", "weights": {"m/x.safetensors": "0123456789abcdef"}}}
    changes = [
        {"proposer": "a.b", "proposer_version": "7", "detector_score": 0.5, "mask_score": 0.25, "components": record},
        {"detector_score": None, "mask_score": 0.75, "components": {}},
        {"score": 0.125, "detector_score": None, "mask_score": None},
    ]
    near = [
        replace(one, stored=replace(one.stored, **change)) for one, change in zip(why.neighbours, changes, strict=False)
    ]
    picture(memory.store, result.panoptic, replace(why, neighbours=tuple(near)))
    wanted = ["a.b", "version 7", "detector 0.50 mask 0.25", "weights 01234567"]
    wanted += ["mask 0.75", "weights not recorded", "score 0.12", "weights none"]
    assert set(wanted) <= set(texts)
