"""Boxes: the model's own detections, in image pixels, with the class of the term that found them."""

import pytest
import torch
from retclip_owlv2 import BoxesSettings
from retclip_owlv2.boxes import Boxes, filled

from retclip.errors import ConfigError
from retclip.plugin.checks import checked_proposals
from retclip.types import Device, Vocabulary

WORDS = Vocabulary(("sky", "vehicle"), (False, True), ((), ("car", "bus")))
EVERY = {"box_threshold": 0.0, "nms": 1.0, "template": "{}"}


def boxes(folder, **more):
    return Boxes(BoxesSettings(model=str(folder), **{**EVERY, **more}), Device())


def propose(proposer, image, vocabulary=WORDS):
    with torch.inference_mode():
        return checked_proposals(proposer.propose([image], vocabulary, []), [image], "owlv2.boxes")[0]


def test_a_box_fills_the_cells_that_it_covers():
    found = filled(torch.tensor([[0.0, 0.5, 1 / 3, 1.0]]), (2, 2))
    assert found[0].tolist() == [pytest.approx([0.0, 0.0]), pytest.approx([2 / 3, 0.0])]


def test_the_detections_are_the_library_s_own(folder, photo):
    """Every query in one pass through the model, and its own post-processing."""
    proposer, image = boxes(folder), photo(48, 80)
    with torch.inference_mode():
        scores, terms, found = proposer._detected(image, torch.stack(proposer._read(WORDS.terms)))
        texts = proposer.tokenizer(
            list(WORDS.terms), padding="max_length", max_length=proposer.length, return_tensors="pt"
        )
        pixels = proposer.processor(images=image.pixels, return_tensors="pt", input_data_format="channels_last")
        said = proposer.model(**texts, **pixels)
        (wanted,) = proposer.processor.post_process_object_detection(said, threshold=0.0, target_sizes=[image.size])
    assert torch.allclose(scores, wanted["scores"], atol=1e-5)
    assert torch.equal(terms, wanted["labels"])
    inside = wanted["boxes"].clamp(min=0).minimum(torch.tensor([80.0, 48, 80, 48]))
    assert torch.allclose(found, inside, atol=1e-3)


def test_names_are_read_in_any_number_of_passes(folder, photo):
    one, several = (propose(boxes(folder, names_at_once=size), photo(48, 80)) for size in (1, 64))
    assert torch.allclose(one.masks, several.masks, atol=1e-4)
    assert one.prompts == several.prompts


def test_a_synonym_speaks_for_its_class_and_the_best_come_first(folder, photo):
    found = propose(boxes(folder), photo(48, 80))
    assert set(found.prompts) <= {"sky", "vehicle"}
    assert (found.objectness.diff() <= 0).all()
    assert torch.equal(found.detector_scores, found.objectness) and found.mask_scores is None
    assert found.masks.shape[1:] == (154, 256)


def test_overlapping_boxes_leave_the_best(folder, photo):
    every, few = propose(boxes(folder), photo(48, 80)), propose(boxes(folder, nms=0.1), photo(48, 80))
    assert len(few) < len(every)
    assert few.objectness[0] == every.objectness[0]


@pytest.mark.parametrize("size", [(33, 100), (100, 20)])
def test_boxes_in_the_padding_are_no_masks(folder, photo, size):
    found = propose(boxes(folder), photo(*size))
    assert len(found) > 0
    assert (found.masks.flatten(1).sum(1) > 0).all()


def test_nothing_found_or_asked_for_is_no_masks(folder, photo):
    assert len(propose(boxes(folder, box_threshold=1.0), photo(48, 80))) == 0
    assert len(propose(boxes(folder), photo(48, 80), Vocabulary((), ()))) == 0


def test_a_name_that_would_be_cut_off_is_refused(folder, photo):
    with pytest.raises(ConfigError, match="at most 32 tokens"):
        propose(boxes(folder), photo(48, 80), Vocabulary(("a" * 40,), (True,)))


def test_a_photo_three_pixels_high_is_read_the_right_way(folder, photo):
    assert propose(boxes(folder), photo(3, 9)).image_size == (3, 9)
