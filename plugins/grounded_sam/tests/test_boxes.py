"""Boxes to masks on small random models: pixels, scores and masks against the libraries' own."""

import numpy as np
import pytest
import torch
from retclip_grounded_sam import BoxesSettings
from retclip_grounded_sam.boxes import Boxes
from retclip_grounded_sam.detector import Detections, in_pixels
from segment_anything import SamPredictor

from retclip.algorithms.mask_frames import pixel_probabilities
from retclip.errors import ConfigError, WeightsMissing
from retclip.plugin.checks import checked_proposals
from retclip.types import Device, Vocabulary

WORDS = Vocabulary(("sky", "vehicle", "lamp"), (False, True, True), ((), ("car",), ("traffic light",)))


@pytest.fixture
def boxes(detector_folder, sam_file):
    def load(**more):
        given = {"detector": str(detector_folder), "sam": str(sam_file), "box_threshold": 0.0, **more}
        return Boxes.load(BoxesSettings(**given), Device())

    return load


def propose(proposer, *images, vocabulary=WORDS):
    with torch.inference_mode():
        return checked_proposals(proposer.propose(images, vocabulary, []), images, "grounded_sam.boxes")


def test_shares_of_the_image_become_pixels_that_stay_inside():
    found = in_pixels(torch.tensor([[0.5, 0.5, 0.2, 0.4], [0.0, 1.0, 0.5, 0.5]]), (100, 200))
    assert found.tolist() == [pytest.approx([80, 30, 120, 70]), pytest.approx([0, 75, 50, 100])]


def test_every_box_becomes_a_mask_with_the_name_of_the_class_that_found_it(boxes, photo):
    (found,) = propose(boxes(), photo(48, 80))
    assert 0 < len(found) <= 20
    assert set(found.prompts) <= set(WORDS.names)  # a synonym speaks for its class
    assert (found.objectness.diff() <= 0).all()
    assert found.logits.inner == (38, 64)  # 48 x 80 with its longer side at 64
    assert found.masks.shape[1:] == (10, 16)


def test_the_masks_are_what_sam_s_own_predictor_draws(boxes, sam, photo):
    proposer, image = boxes(), photo(48, 80)
    with torch.inference_mode():
        detections = proposer.detector.detect(image, WORDS.terms)
        (found,) = proposer.propose([image], WORDS, [])
        predictor = SamPredictor(sam)
        predictor.set_image(image.pixels)
        scaled = predictor.transform.apply_boxes_torch(detections.boxes, image.size)
        masks, quality, _ = predictor.predict_torch(None, None, boxes=scaled, multimask_output=False)
    objectness = detections.scores * quality[:, 0].clamp(0, 1)
    order = objectness.argsort(descending=True, stable=True)
    assert torch.allclose(found.objectness, objectness[order], atol=1e-5)
    assert torch.equal(found.detector_scores, detections.scores[order])
    assert torch.allclose(found.mask_scores, quality[:, 0].clamp(0, 1)[order], atol=1e-5)
    full = pixel_probabilities(found.logits, torch.arange(len(found)), image.size) > 0.5
    assert (full == masks[order, 0]).float().mean() > 0.999


def test_fewer_boxes_at_once_change_nothing(boxes, photo):
    one, several = (propose(boxes(boxes_at_once=size), photo(48, 80))[0] for size in (1, 64))
    assert torch.allclose(one.masks, several.masks, atol=1e-5)


def test_the_scores_are_those_of_the_model_on_the_whole_prompt(boxes, photo):
    """One prompt by the library's own processor: the best mean probability of a term's tokens, box by box."""
    proposer = boxes(nms_within=1.0, nms_across=1.0)
    detector, image = proposer.detector, photo(48, 80)
    terms = ("sky", "traffic light")
    with torch.inference_mode():
        inputs = detector.processor(images=image.pixels, return_tensors="pt", input_data_format="channels_last")
        text = detector.tokenizer("sky. traffic light.", return_tensors="pt")
        said = detector.model(**inputs, **text)
        found = detector.detect(image, terms)
    probabilities = said.logits[0].sigmoid()  # [CLS] sky . traffic light . [SEP]
    scores = torch.stack((probabilities[:, 1], probabilities[:, 3:5].mean(1)), dim=1)
    assert sorted(found.scores.tolist()) == pytest.approx(sorted(scores.amax(1).tolist()), abs=1e-5)


def test_several_prompts_find_what_each_finds_alone(boxes, photo):
    """The cut changes which prompt a term stands in, never which terms are asked for."""
    image = photo(48, 80)
    short = boxes(tokens=8, nms_within=1.0, nms_across=1.0)
    with torch.inference_mode():
        found = short.detector.detect(image, ("sky", "car", "traffic light"))
        alone = short.detector.detect(image, ("traffic light",))
    assert len(found.scores) == 2 * 20  # [CLS] sky . car . [SEP] | [CLS] traffic light . [SEP]
    mine = found.scores[found.terms == 2]
    assert sorted(mine.tolist()) == pytest.approx(sorted(alone.scores.tolist()), abs=1e-5)


def test_overlapping_boxes_leave_the_best(boxes, photo, monkeypatch):
    """Two prompts. IoU of the pairs, by hand: within the first 90/110 = .82, across 75/125 = .6 and 80/120 = .67."""
    answers = [
        Detections(torch.tensor([[0.0, 0, 10, 10], [0, 1, 10, 11]]), torch.tensor([0.5, 0.9]), torch.tensor([0, 1])),
        Detections(
            torch.tensor([[0.0, 3, 10, 13], [0, 2.5, 10, 12.5]]), torch.tensor([0.8, 0.7]), torch.tensor([2, 2])
        ),
    ]

    def kept(**more):
        detector = boxes(tokens=8, **more).detector
        several = iter(answers)
        monkeypatch.setattr(detector, "_prompted", lambda *_: next(several))
        return detector.detect(photo(20, 20), ("sky", "car", "traffic light")).scores.tolist()

    assert kept(nms_within=1.0, nms_across=1.0) == pytest.approx([0.9, 0.8, 0.7, 0.5])
    assert kept(nms_within=0.8, nms_across=1.0) == pytest.approx([0.9, 0.8])  # .7 overlaps .8 by 95/105
    assert kept(nms_within=1.0, nms_across=0.7) == pytest.approx([0.9, 0.8])
    assert kept(nms_within=1.0, nms_across=0.6) == pytest.approx([0.9])  # 80/120 > .6


def test_nothing_found_is_no_masks(boxes, photo):
    (found,) = propose(boxes(box_threshold=1.0), photo(48, 80))
    assert found.masks.shape[0] == 0
    (none,) = propose(boxes(), photo(48, 80), vocabulary=Vocabulary((), ()))
    assert len(none) == 0


def test_a_name_that_no_prompt_can_hold_is_refused(boxes, photo):
    with pytest.raises(ConfigError, match="tokens"):
        propose(boxes(), photo(48, 80), vocabulary=Vocabulary(("x " * 300,), (True,)))


def test_files_of_one_s_own_that_are_not_there_are_named(detector_folder, sam_file, tmp_path):
    for given, told in (
        ({"detector": str(tmp_path), "sam": str(sam_file)}, r"config\.json"),
        ({"detector": str(detector_folder), "sam": str(tmp_path / "no.safetensors")}, r"no\.safetensors"),
    ):
        with pytest.raises(WeightsMissing, match=told):
            Boxes.load(BoxesSettings(**given), Device())


def test_a_photo_of_three_pixels_has_masks_too(boxes, photo):
    (found,) = propose(boxes(), photo(1, 3))
    assert np.isfinite(found.masks.numpy()).all()
