"""Marked objects to masks on a small random SAM: every mask against SAM's own predictor."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from retclip_grounded_sam import PromptedSettings
from retclip_grounded_sam.prompted import Prompted
from segment_anything import SamPredictor

from retclip.algorithms.mask_frames import pixel_probabilities
from retclip.errors import DataError, WeightsMissing
from retclip.plugin.checks import checked_proposals
from retclip.regions import Point, Region
from retclip.types import Device, Vocabulary

FOX = Vocabulary(("fox",), (True,))
REGIONS = (
    Region("fox", (10.0, 5.0, 40.5, 30.0)),
    Region("fox", None, (Point(60.0, 20.0),)),
    Region("owl", (0.0, 0.0, 9.0, 9.0)),
    Region("fox", None, (Point(60.0, 20.0), Point(5.0, 40.0, positive=False))),
    Region("fox", (10.0, 5.0, 40.0, 30.0), (Point(20.0, 20.0),)),
    Region("fox", (30.0, 25.0, 70.0, 47.0)),
)


def propose(sam, image, vocabulary=FOX, **settings):
    with torch.inference_mode():
        found = Prompted(sam, PromptedSettings(**settings), Device()).propose([image], vocabulary, [])
        return checked_proposals(found, [image], "grounded_sam.prompted")[0]


def drawn(predictor, region):
    """(mask, predicted IoU) by the library's own predictor, the best of three of a single point."""
    points = np.array([(one.x, one.y) for one in region.points]) if region.points else None
    labels = np.array([int(one.positive) for one in region.points]) if region.points else None
    box = np.array(region.box) if region.box else None
    several = region.box is None and len(region.points) == 1
    masks, quality, _ = predictor.predict(points, labels, box, multimask_output=several)
    return masks[quality.argmax()], float(quality.max())


@pytest.mark.parametrize("region", [one for one in REGIONS if one.class_name == "fox"], ids=str)
def test_a_mask_is_what_sam_s_own_predictor_draws(sam, photo, region):
    image = replace(photo(48, 80), regions=(region,))
    found = propose(sam, image)
    with torch.inference_mode():
        predictor = SamPredictor(sam)
        predictor.set_image(image.pixels)
        mask, quality = drawn(predictor, region)
    assert found.prompts == ("fox",)
    assert float(found.objectness[0]) == pytest.approx(min(max(quality, 0.0), 1.0), abs=1e-5)
    full = pixel_probabilities(found.logits, torch.arange(1), image.size) > 0.5
    assert (full[0].numpy() == mask).mean() > 0.999


def test_together_they_are_what_they_are_alone_best_first(sam, photo):
    image = photo(48, 80)
    alone = [propose(sam, replace(image, regions=(one,))) for one in REGIONS if one.class_name == "fox"]
    together = propose(sam, replace(image, regions=REGIONS))
    order = sorted(range(5), key=lambda n: -float(alone[n].objectness[0]))
    assert together.prompts == ("fox",) * 5 and (together.objectness.diff() <= 0).all()
    assert torch.allclose(together.masks, torch.cat([alone[n].masks for n in order]), atol=1e-5)


def test_fewer_at_once_change_nothing(sam, photo):
    image = replace(photo(48, 80), regions=REGIONS)
    one, several = (propose(sam, image, regions_at_once=size) for size in (1, 64))
    assert torch.allclose(one.masks, several.masks, atol=1e-5)


def test_only_what_is_asked_for_gets_a_mask(sam, photo):
    image = replace(photo(48, 80), regions=REGIONS)
    assert propose(sam, image, Vocabulary(("owl", "elk"), (True, True))).prompts == ("owl",)
    assert len(propose(sam, image, Vocabulary(("elk",), (True,)))) == 0


def test_a_photo_in_which_nothing_is_marked_is_refused(sam, photo):
    with pytest.raises(DataError, match=r"boxes or points for image .*; got none; mark objects"):
        propose(sam, photo(48, 80))


def test_a_photo_of_three_pixels_has_a_mask_too(sam, photo):
    found = propose(sam, replace(photo(1, 3), regions=(Region("fox", None, (Point(2.5, 0.5),)),)))
    assert len(found) == 1 and torch.isfinite(found.masks).all()


def test_it_loads_the_sam_that_is_named(sam_file, tmp_path, photo):
    loaded = Prompted.load(PromptedSettings(sam=str(sam_file)), Device())
    image = replace(photo(20, 30), regions=(Region("fox", None, (Point(3.0, 3.0),)),))
    with torch.inference_mode():
        assert len(loaded.propose([image], FOX, [])[0]) == 1
    with pytest.raises(WeightsMissing, match=r"no\.safetensors"):
        Prompted.load(PromptedSettings(sam=str(tmp_path / "no.safetensors")), Device())
