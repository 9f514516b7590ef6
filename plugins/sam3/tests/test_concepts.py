"""Concepts: the model's own instances of every name, with its class."""

import json
import shutil

import pytest
import torch
from retclip_sam3 import ConceptsSettings
from retclip_sam3.concepts import Concepts
from safetensors.torch import load_file, save_file

from retclip.algorithms.mask_frames import pixel_probabilities
from retclip.errors import ConfigError
from retclip.plugin.checks import checked_proposals
from retclip.types import Device, Vocabulary

WORDS = Vocabulary(("sky", "vehicle"), (False, True), ((), ("car",)))


def concepts(folder, **more):
    return Concepts(ConceptsSettings(model=str(folder), **{"score_threshold": 0.0, "nms": 1.0, **more}), Device())


def propose(proposer, image, vocabulary=WORDS):
    with torch.inference_mode():
        return checked_proposals(proposer.propose([image], vocabulary, []), [image], "sam3.concepts")[0]


def test_the_instances_of_a_name_are_the_library_s_own(folder, photo):
    """The whole model on one name, and its own post-processing."""
    proposer, image = concepts(folder), photo(40, 60)
    found = propose(proposer, image, Vocabulary(("sky",), (False,)))
    with torch.inference_mode():
        pixels = proposer.processor(images=image.pixels, return_tensors="pt", input_data_format="channels_last")
        text = proposer.tokenizer("sky", padding="max_length", max_length=32, return_tensors="pt")
        said = proposer.model(pixel_values=pixels["pixel_values"], **text)
        (wanted,) = proposer.processor.post_process_instance_segmentation(
            said, threshold=0.0, target_sizes=[image.size]
        )
    order = wanted["scores"].argsort(descending=True, stable=True)
    assert len(found) == 6
    assert torch.allclose(found.objectness, wanted["scores"][order], atol=1e-5)
    assert torch.equal(found.detector_scores, found.objectness) and found.mask_scores is None
    mine = pixel_probabilities(found.logits, torch.arange(6), image.size) > 0.5
    assert (mine == wanted["masks"][order].bool()).float().mean() > 0.97  # it resizes after the sigmoid


def test_a_synonym_speaks_for_its_class_and_the_best_come_first(folder, photo):
    found = propose(concepts(folder), photo(40, 60))
    assert len(found) == 3 * 6
    assert found.prompts.count("vehicle") == 12
    assert (found.objectness.diff() <= 0).all()


def test_doubles_are_dropped_within_a_class_and_kept_between_classes(folder, photo):
    same = Vocabulary(("sky",), (False,), (("sky",),))
    other = Vocabulary(("sky", "heaven"), (False, False), ((), ("sky",)))
    few = propose(concepts(folder, nms=0.99), photo(40, 60), same)
    assert len(few) <= 6
    both = propose(concepts(folder, nms=0.99), photo(40, 60), other)
    assert {"sky", "heaven"} == set(both.prompts)


def test_weak_instances_are_dropped(folder, photo):
    every = propose(concepts(folder), photo(40, 60))
    level = float(every.objectness.median())
    assert len(propose(concepts(folder, score_threshold=level), photo(40, 60))) < len(every)
    assert len(propose(concepts(folder, score_threshold=1.0), photo(40, 60))) == 0
    assert len(propose(concepts(folder), photo(40, 60), Vocabulary((), ()))) == 0


def test_names_are_asked_for_in_any_number_of_passes(folder, photo):
    one, several = (propose(concepts(folder, names_at_once=size), photo(40, 60)) for size in (1, 3))
    assert torch.allclose(one.masks, several.masks, atol=1e-4)
    assert torch.allclose(one.objectness, several.objectness, atol=1e-5)
    assert one.prompts == several.prompts


def test_a_photo_and_a_name_are_encoded_once(folder, photo, monkeypatch):
    proposer, counted = concepts(folder, names_at_once=2), {"get_vision_features": 0, "get_text_features": 0}

    def counting(name):
        given = getattr(proposer.model, name)

        def call(*values, **named):
            counted[name] += 1
            return given(*values, **named)

        return call

    for name in counted:
        monkeypatch.setattr(proposer.model, name, counting(name))
    with torch.inference_mode():
        proposer.propose([photo(40, 60), photo(30, 30)], WORDS, [])
    assert counted == {"get_vision_features": 2, "get_text_features": 2}  # two photos; three names, two at once


def test_the_published_folder_holds_the_video_model(folder, photo, tmp_path):
    """Its tensors lie one level down, beside a tracker's, and the image processor's numbers in processor_config."""
    published = shutil.copytree(folder, tmp_path / "published")
    detector = json.loads((folder / "config.json").read_text())
    (published / "config.json").write_text(json.dumps({"model_type": "sam3_video", "detector_config": detector}))
    tensors = {f"detector_model.{key}": one for key, one in load_file(folder / "model.safetensors").items()}
    tensors |= {"tracker_model.weight": torch.ones(1), "tracker_neck.weight": torch.ones(1)}
    save_file(tensors, published / "model.safetensors", metadata={"format": "pt"})
    (published / "preprocessor_config.json").unlink()
    processor = json.loads((folder / "preprocessor_config.json").read_text())
    written = {"image_processor": processor, "processor_class": "Sam3VideoProcessor"}
    (published / "processor_config.json").write_text(json.dumps(written))
    assert torch.equal(
        propose(concepts(published), photo(40, 60)).masks, propose(concepts(folder), photo(40, 60)).masks
    )


def test_a_name_that_would_be_cut_off_is_refused(folder, photo):
    with pytest.raises(ConfigError, match="at most 32 tokens"):
        propose(concepts(folder), photo(40, 60), Vocabulary(("a" * 40,), (True,)))


def test_a_photo_three_pixels_high_is_read_the_right_way(folder, photo):
    assert propose(concepts(folder), photo(3, 9)).image_size == (3, 9)
