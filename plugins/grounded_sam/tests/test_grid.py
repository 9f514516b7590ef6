"""SAM's automatic masks: the library's own, coarser, best first."""

import copy
import statistics

import pytest
import torch
from retclip_grounded_sam import GridSettings, automatic_masks
from retclip_grounded_sam.grid import Grid
from retclip_grounded_sam.sam import sam_of
from segment_anything import SamAutomaticMaskGenerator

from retclip.errors import ConfigError, WeightsDamaged
from retclip.plugin.checks import checked_proposals
from retclip.types import Device, Vocabulary

MEDIANS = {"pred_iou_thresh": "predicted_iou", "stability_score_thresh": "stability_score"}
LOOSE = {"points_per_side": 4, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}


def propose(sam, image, **more):
    proposer = Grid(sam, GridSettings(**{**LOOSE, **more}), Device())
    with torch.inference_mode():
        return checked_proposals(proposer.propose([image], Vocabulary((), ()), []), [image], "grounded_sam.grid")[0]


def of_the_generator(sam, image, **settings):
    """Masks (n, H, W) and predicted IoUs of segment-anything's own generator, best first."""
    records = SamAutomaticMaskGenerator(sam, **{**LOOSE, **settings}).generate(image.pixels)
    records.sort(key=lambda record: -record["predicted_iou"])
    return torch.stack([torch.from_numpy(record["segmentation"]) for record in records]), [
        record["predicted_iou"] for record in records
    ]


def test_they_are_the_generator_s_own(sam, photo):
    image = photo(48, 80)
    proposals = propose(sam, image)
    masks, quality = of_the_generator(sam, image)
    assert len(proposals) == len(masks) > 0
    assert torch.equal(proposals.masks.bool(), masks)
    assert proposals.objectness.tolist() == pytest.approx([min(1, max(0, share)) for share in quality], abs=1e-6)
    assert proposals.prompts is None and proposals.detector_scores is None
    assert torch.equal(proposals.mask_scores, proposals.objectness)


@pytest.mark.parametrize("chunk", [1, 1 << 23])
@pytest.mark.parametrize(
    "settings",
    [
        {"points_per_batch": 3},
        {"box_nms_thresh": 0.95},
        {"pred_iou_thresh": "median"},
        {"stability_score_thresh": "median", "stability_score_offset": 0.05},
        {"crop_n_layers": 1, "crop_nms_thresh": 0.9, "box_nms_thresh": 0.95},
    ],
    ids=lambda settings: " ".join(settings),
)
def test_settings_choose_the_masks_that_the_generator_s_choose(sam, photo, monkeypatch, settings, chunk):
    monkeypatch.setattr(automatic_masks, "CHUNK", chunk)
    image = photo(48, 80)
    sam = copy.deepcopy(sam)
    sam.mask_decoder.iou_prediction_head.layers[-1].bias.data += 0.5  # a random one predicts less than nothing
    for name in settings.keys() & MEDIANS.keys():  # so that half of them stay
        loose = {**LOOSE, **settings, "box_nms_thresh": 1.0, name: 0.0}
        records = SamAutomaticMaskGenerator(sam, **loose).generate(image.pixels)
        median = statistics.median(record[MEDIANS[name]] for record in records)
        settings = {**settings, "box_nms_thresh": 1.0, name: median}
        assert 0 < len(of_the_generator(sam, image, **settings)[0]) < len(records)
    masks, quality = of_the_generator(sam, image, **settings)
    assert len(masks) > 0
    proposals = propose(sam, image, **settings)
    assert torch.equal(proposals.masks.bool(), masks)
    assert proposals.objectness.tolist() == pytest.approx([min(1, max(0, share)) for share in quality], abs=1e-6)


def test_holes_and_islands_go_by_the_generator_s_function(sam, photo):
    pytest.importorskip("cv2")
    image, settings = photo(48, 80), {"min_mask_region_area": 30, "box_nms_thresh": 0.95}
    masks, _ = of_the_generator(sam, image, **settings)
    plain, _ = of_the_generator(sam, image, box_nms_thresh=0.95)
    assert masks.shape != plain.shape or not torch.equal(masks, plain)
    assert torch.equal(propose(sam, image, **settings).masks.bool(), masks)


def test_a_large_photo_has_masks_on_a_coarse_grid(sam, photo):
    fine, coarse = propose(sam, photo(48, 80)), propose(sam, photo(48, 80), side=20)
    assert coarse.masks.shape[1:] == (12, 20)
    assert torch.allclose(coarse.masks, torch.nn.functional.avg_pool2d(fine.masks[:, None], 4)[:, 0], atol=1e-5)


def test_nothing_stable_is_no_masks(sam, photo):
    assert len(propose(sam, photo(48, 80), pred_iou_thresh=1.0, stability_score_thresh=1.0)) == 0


def test_removing_islands_needs_opencv(sam, monkeypatch):
    monkeypatch.setattr("retclip_grounded_sam.grid.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match="opencv"):
        Grid(sam, GridSettings(min_mask_region_area=10), Device())


def test_sizes_are_read_off_the_tensors(sam):
    state = sam.state_dict()
    again = sam_of(state, "mine")
    assert again.image_encoder.img_size == 64
    assert again.image_encoder.blocks[0].window_size == 2
    assert again.image_encoder.blocks[1].window_size == 0
    assert all(torch.equal(value, state[key]) for key, value in again.state_dict().items())


@pytest.mark.parametrize(
    ("build", "heads", "everywhere"), [("vit_b", 12, (2, 5, 8, 11)), ("vit_l", 16, (5, 11, 17, 23))]
)
def test_the_published_sizes_come_out_of_their_tensors(build, heads, everywhere):
    from retclip_grounded_sam.sam import _empty
    from segment_anything import sam_model_registry

    with torch.device("meta"):
        state = sam_model_registry[build]().state_dict()
        model = _empty(state)
    assert {key: value.shape for key, value in model.state_dict().items()} == {k: v.shape for k, v in state.items()}
    assert model.image_encoder.img_size == 1024
    blocks = model.image_encoder.blocks
    assert tuple(n for n, block in enumerate(blocks) if block.window_size == 0) == everywhere
    assert {block.window_size for block in blocks} == {0, 14}
    assert blocks[0].attn.num_heads == heads


def test_tensors_of_something_else_are_refused(sam):
    with pytest.raises(WeightsDamaged, match="a SAM in mine"):
        sam_of({"weight": torch.ones(1)}, "mine")
    state = dict(sam.state_dict())
    del state["mask_decoder.iou_token.weight"]
    with pytest.raises(WeightsDamaged, match=r"Sam in mine.*1 missing: mask_decoder\.iou_token\.weight"):
        sam_of(state, "mine")


def test_fewer_points_are_decoded_together_where_memory_runs_out(sam, photo, caplog):
    """The same masks, of points two at a time; a machine that has no memory for one says so."""
    image, settings = photo(48, 80), GridSettings(**LOOSE, points_per_batch=7)
    automatic = Grid(sam, settings, Device()).automatic
    decoded, sizes = automatic.sam_masks.alternatives, []

    def decode(embedding, boxes, points, multimask):
        sizes.append(len(points[0]))
        if sizes[-1] > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return decoded(embedding, boxes, points, multimask)

    automatic.sam_masks.alternatives, most = decode, 2
    with torch.inference_mode():
        masks, _ = automatic.masks(image.pixels)
        wanted, _ = Grid(sam, GridSettings(**{**LOOSE, "points_per_batch": 1}), Device()).automatic.masks(image.pixels)
        assert torch.equal(masks, wanted) and len(masks)
        assert sizes[:2] == [7, 3] and set(sizes[2:]) == {1} and len(sizes) == 2 + 16
        assert "plugin.grounded_sam.grid.points_per_batch = 1" in caplog.text
        most = 0
        with pytest.raises(torch.OutOfMemoryError):
            automatic.masks(image.pixels)
