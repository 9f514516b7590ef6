"""The grid: points and stability by hand, masks against the model's own answers."""

import json
import logging
import shutil

import pytest
import torch
from retclip_sam2 import GridSettings
from retclip_sam2.grid import Grid, grid_points, mask_boxes, stability
from torchvision.ops import nms
from transformers import Sam2VideoConfig, Sam2VideoModel

from retclip.algorithms.mask_frames import pixel_probabilities
from retclip.errors import ConfigError
from retclip.plugin.checkpoints import read_state
from retclip.plugin.checks import checked_proposals
from retclip.types import Device, Vocabulary

LOOSE = {"points_per_side": 2, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "box_nms_thresh": 1.0}


def grid(folder, **more):
    return Grid(GridSettings(model=str(folder), **{**LOOSE, **more}), Device())


def propose(proposer, image):
    with torch.inference_mode():
        return checked_proposals(proposer.propose([image], Vocabulary((), ()), []), [image], "sam2.grid")[0]


def test_points_are_the_centres_of_equal_cells_row_by_row():
    assert grid_points(2, (64, 32)).tolist() == [[8, 16], [24, 16], [8, 48], [24, 48]]


def test_stability_is_the_overlap_of_a_stricter_and_a_looser_cut():
    logits = torch.tensor([[[2.0, 0.5, -0.5, -3.0]], [[-5.0] * 4], [[3.0] * 4]])
    assert stability(logits, 1.0).tolist() == pytest.approx([1 / 3, 0, 1])


def test_doubles_of_a_mask_one_cell_high_are_found():
    logits = torch.full((2, 6, 8), -1.0)
    logits[:, 2, 1:5] = 1.0
    assert mask_boxes(logits)[0].tolist() == [1, 2, 5, 3]
    assert nms(mask_boxes(logits), torch.tensor([0.8, 0.9]), 0.7).tolist() == [1]


def test_masks_are_the_model_s_own_of_those_points(folder, photo):
    proposer, image = grid(folder), photo(48, 80)
    found = propose(proposer, image)
    with torch.inference_mode():
        pixels = proposer.processor(images=image.pixels, return_tensors="pt", input_data_format="channels_last")
        points = grid_points(2, (64, 64))[None, :, None]
        said = proposer.model(pixel_values=pixels["pixel_values"], input_points=points, multimask_output=True)
        masks, quality = said.pred_masks[0].flatten(0, 1), said.iou_scores[0].flatten()
        full = proposer.processor.post_process_masks([masks[:, None]], [image.size], binarize=False)[0][:, 0]
    visible = (masks > 0).flatten(1).any(1) & (quality >= 0)
    order = quality[visible].argsort(descending=True, stable=True)
    assert 0 < len(found) <= 12
    assert torch.allclose(found.objectness, quality[visible][order].clamp(0, 1), atol=1e-5)
    assert torch.equal(found.mask_scores, found.objectness) and found.detector_scores is None
    assert torch.allclose(found.logits.values, masks[visible][order], atol=1e-4)
    mine = pixel_probabilities(found.logits, torch.arange(len(found)), image.size)
    assert torch.allclose(mine, full[visible][order].sigmoid(), atol=1e-3)


def test_fewer_points_at_once_change_nothing(folder, photo):
    one, several = (propose(grid(folder, points_per_batch=size), photo(48, 80)) for size in (1, 64))
    assert torch.allclose(one.masks, several.masks, atol=1e-4)


def test_unsure_unstable_and_repeated_masks_are_dropped(folder, photo):
    every = propose(grid(folder), photo(48, 80))
    assert len(propose(grid(folder, box_nms_thresh=0.2), photo(48, 80))) < len(every)
    level = float(every.objectness.median())
    sure = propose(grid(folder, pred_iou_thresh=max(0.0, min(1.0, level))), photo(48, 80))
    assert (sure.objectness >= level - 1e-6).all()
    steady = propose(grid(folder, stability_score_thresh=0.9), photo(48, 80))
    assert (stability(steady.logits.values, 1.0) >= 0.9).all()


def test_only_good_masks_are_kept_while_points_are_decoded(folder, photo, monkeypatch):
    """Otherwise all masks of a photo lie in memory together."""
    proposer = grid(folder, pred_iou_thresh=1.0, stability_score_thresh=1.0)
    kept = []
    decoded = proposer._decoded
    monkeypatch.setattr(proposer, "_decoded", lambda *given: kept.extend(found := decoded(*given)) or found)
    assert len(propose(proposer, photo(48, 80))) == sum(len(one) for one, _ in kept) < 12
    assert len(kept) == 4


def test_the_published_folders_hold_the_video_model_and_are_read_without_a_word(
    folder, photo, tmp_path, caplog, monkeypatch
):
    published = shutil.copytree(folder, tmp_path / "published")
    config, memory = json.loads((folder / "config.json").read_text()), 32
    sizes = dict.fromkeys(("memory_attention_hidden_size", "memory_encoder_hidden_size"), memory)
    parts = {name: config[name] for name in ("vision_config", "prompt_encoder_config", "mask_decoder_config")}
    video = Sam2VideoModel(
        Sam2VideoConfig(
            **parts, **sizes, image_size=64, memory_attention_num_layers=1,
            memory_attention_feed_forward_hidden_size=16,
            memory_encoder_output_channels=8, mask_downsampler_embed_dim=memory, memory_fuser_embed_dim=memory,
            memory_fuser_intermediate_dim=16, memory_fuser_num_layers=1,
        )
    )  # fmt: skip
    state = {**video.state_dict(), **read_state(folder / "model.safetensors")}
    video.load_state_dict(state)
    video.save_pretrained(published)
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)  # else caplog hears nothing
    mine = propose(grid(published), photo(48, 80))
    assert caplog.text == ""
    assert torch.equal(mine.masks, propose(grid(folder), photo(48, 80)).masks)


def test_another_model_is_refused(folder, tmp_path):
    other = shutil.copytree(folder, tmp_path / "other")
    (other / "config.json").write_text(json.dumps({"model_type": "dinov2"}))
    with pytest.raises(ConfigError, match="a SAM 2 in"):
        grid(other)


def test_a_photo_three_pixels_high_is_read_the_right_way(folder, photo):
    assert propose(grid(folder), photo(3, 9)).image_size == (3, 9)
