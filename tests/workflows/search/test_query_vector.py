"""The vector of a question: which mask a mark means, and that it is the one a build would have stored."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from retclip.errors import ConfigError, DataError
from retclip.types import MaskProposals
from retclip.workflows.search import query_vector
from retclip.workflows.search.query_vector import Marked, marked_pixels, photo_vector, smallest_mask, text_vector


@pytest.fixture
def backbone(memory):
    return memory.session.components.component("backbone", "reference.colour_texture")


def test_a_box_is_its_pixels_and_nothing_is_the_whole_photo(scene):
    height, width = scene.size
    box = marked_pixels(scene, Marked(box=(90, 60, width - 89, height - 60)))  # another program's count of corners
    assert box.sum() == (width - 90) * (height - 60) and box[60:, 90:].all()
    assert marked_pixels(scene, Marked()).all()
    for box in ((width, 0, 5, 5), (0, 0, 0, 5), (-9, -9, 5, 5), (90, 60, 50, 50), (-9, 0, 20, 20)):
        with pytest.raises(DataError, match="inside 96 x 64"):
            marked_pixels(scene, Marked(box=box))
    with pytest.raises(ConfigError, match="--box and --point"):
        Marked(box=(0, 0, 1, 1), point=(0, 0))


def test_corners_as_lists_show_them_are_not_taken_for_a_width_and_a_height(scene):
    with pytest.raises(DataError, match=r"from \(50, 30\) to \(140, 90\); write x, y, width, height"):
        marked_pixels(scene, Marked(box=(50, 30, 90, 60)))


def test_a_mask_is_what_is_not_0_and_one_whose_palette_says_the_contrary_is_refused(scene, tmp_path):
    drawn = np.zeros(scene.size, np.uint8)
    drawn[5:9, 5:9] = 1
    picture = Pillow.fromarray(drawn, mode="P")
    picture.putpalette([0, 0, 0, 255, 255, 255])
    picture.save(tmp_path / "right.png")
    assert (marked_pixels(scene, Marked(mask=tmp_path / "right.png")) == (drawn > 0)).all()
    picture = Pillow.fromarray(1 - drawn, mode="P")
    picture.putpalette([255, 255, 255, 0, 0, 0])
    picture.save(tmp_path / "packed.png")
    with pytest.raises(DataError, match="0 beside the object"):
        marked_pixels(scene, Marked(mask=tmp_path / "packed.png"))


def test_the_smallest_mask_that_contains_the_pixel_is_taken(memory, scene, monkeypatch):
    masks = torch.zeros(3, *scene.size)
    masks[0], masks[1, 10:40, 10:40], masks[2, 20:25, 20:25] = 1, 1, 1
    proposals = MaskProposals(masks, torch.tensor([0.9, 0.8, 0.7]), scene.size)
    monkeypatch.setattr(query_vector, "proposals_of", lambda *_: [(None, proposals)])
    models, names = memory.session.segmenter(), memory.session.prepared(None).vocabulary
    for point, number in (((22, 22), 2), ((12, 30), 1), ((90, 5), 0)):
        assert torch.equal(smallest_mask(models, scene, point, names).masks[0], masks[number]), point
    monkeypatch.setattr(query_vector, "proposals_of", lambda *_: [(None, replace(proposals, masks=masks * 0.4))])
    with pytest.raises(DataError, match="none of 3 masks"):
        smallest_mask(models, scene, (22, 22), names)
    with pytest.raises(DataError, match="a pixel inside"):
        smallest_mask(models, scene, (22, -1), names)


def test_the_vector_is_of_the_marked_part_and_of_unit_length(backbone, scene):
    whole, part = (photo_vector(backbone, scene, Marked(box=box), None, None) for box in (None, (0, 0, 20, 20)))
    assert abs(np.linalg.norm(whole) - 1) < 1e-5 and part @ whole < 0.9999


def test_a_mask_that_no_cell_sees_is_refused(backbone, scene, monkeypatch):
    monkeypatch.setattr(query_vector, "pooled", lambda *_: type("S", (), {"covered": torch.tensor([False])}))
    with pytest.raises(DataError, match="meets a cell"):
        photo_vector(backbone, scene, Marked(), None, None)


def test_words_need_a_text_tower(backbone):
    with pytest.raises(ConfigError, match="no text tower"):
        text_vector(backbone, "car")
