"""Our formulas against numbers that the original FC-CLIP computed on random weights, both backbone families."""

import json

import pytest
import torch
import torch.nn.functional as F

from retclip.algorithms.ensemble import EnsembleWeights, ensemble
from retclip.algorithms.mask_pooling import mask_pooling
from retclip.algorithms.panoptic_merge import MergeThresholds, panoptic_merge
from retclip.algorithms.semantic_map import semantic_map
from retclip.algorithms.text_scores import text_logits, text_scores
from retclip.types import ClassScores, Role

safetensors = pytest.importorskip("safetensors.torch", reason="needs safetensors to read the fixtures")
FOLDERS = ("convnext", "resnet")


class Fixture:
    def __init__(self, folder):
        self.folder = folder
        self.config = json.loads((folder / "config.json").read_text())
        self.classes = self.config["test_vocabulary"]

    def load(self, name):
        return safetensors.load_file(self.folder / f"{name}.safetensors")


@pytest.fixture(params=FOLDERS)
def fixture(request, shared_data):
    return Fixture(shared_data / "fcclip_parity" / request.param)


def row_class(fixture):
    counts = torch.tensor([one["synonyms"] for one in fixture.classes])
    return torch.repeat_interleave(torch.arange(len(counts)), counts)


def test_mask_pooling_agrees_with_fcclip(shared_data):
    fixture = Fixture(shared_data / "fcclip_parity" / "convnext")
    numbers = fixture.load("classification")
    grid = fixture.load("backbone")["backbone.clip_vis_dense"][0]
    weights = (numbers["mask_for_pooling"][0] > 0).float()
    pooled, covered = mask_pooling(grid, weights, eps=1e-8)
    assert not covered.all(), "the fixture holds empty masks"
    torch.testing.assert_close(pooled, numbers["clip.maskpool_raw"][0], atol=1e-6, rtol=1e-6)


def test_text_logits_and_scores_agree_with_fcclip(fixture):
    numbers, text = fixture.load("classification"), fixture.load("text")["test.classifier"]
    vectors = F.normalize(numbers["clip.pooled"][0], dim=-1)
    scale = float(numbers["clip.logit_scale_exp_clamped"])
    wanted = numbers["clip.out_vocab_logits"][0][:, :-1]
    rows = row_class(fixture)
    torch.testing.assert_close(
        text_logits(vectors, text, rows, len(fixture.classes), scale), wanted, atol=2e-5, rtol=1e-6
    )
    scores = text_scores(vectors, text, rows, len(fixture.classes), scale)
    torch.testing.assert_close(scores, numbers["out_vocab_probs"][0], atol=1e-5, rtol=1e-5)


def test_the_geometric_ensemble_agrees_with_fcclip(fixture):
    numbers = fixture.load("classification")
    everything = torch.ones(len(fixture.classes), dtype=torch.bool)
    scores = [
        ClassScores(numbers["in_vocab_probs"][0], everything, Role.IN_VOCABULARY, void=numbers["void_prob"][0, :, 0]),
        ClassScores(numbers["out_vocab_probs"][0], everything, Role.CLIP),
    ]
    seen = numbers["category_overlapping_mask"].bool()
    weights = EnsembleWeights(fixture.config["alpha"], fixture.config["beta"], form="geometric")
    covered = numbers["valid_mask"][0].bool() if fixture.config["ensemble_on_valid_mask"] else None
    combined, void = ensemble(scores, seen, weights, covered)
    torch.testing.assert_close(combined, numbers["mask_cls_probs"][0][:, :-1], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(void, numbers["mask_cls_probs"][0][:, -1], atol=1e-6, rtol=1e-6)


def full_size_masks(fixture):
    logits = fixture.load("decoder")["dec.layer_masks.4"]
    padded = F.interpolate(logits, size=fixture.config["padded_hw"], mode="bilinear", align_corners=False)
    height, width = fixture.config["net_hw"]
    cropped = padded[:, :, :height, :width]
    return F.interpolate(cropped, size=fixture.config["output_hw"], mode="bilinear", align_corners=False)[0].sigmoid()


def test_the_panoptic_merge_agrees_with_fcclip_under_every_threshold(fixture):
    masks, results = full_size_masks(fixture), fixture.load("results")
    probabilities = fixture.load("classification")["mask_cls_probs"][0]
    is_thing = torch.tensor([one["isthing"] for one in fixture.classes])
    settings = json.loads((fixture.folder / "panoptic.json").read_text())
    assert len(settings) == 7
    for setting in settings.values():
        label_map, _, segments = panoptic_merge(
            masks,
            probabilities[:, :-1],
            probabilities[:, -1],
            is_thing,
            thresholds=MergeThresholds(setting["object_mask_threshold"], setting["overlap_threshold"]),
        )
        wanted = results[setting["key"]]
        assert (label_map == wanted).float().mean() >= 0.999
        told = [{"id": s.id, "isthing": s.is_thing, "category_id": s.class_index} for s in segments]
        assert told == [{**s, "isthing": bool(s["isthing"])} for s in setting["segments_info"]]


def test_the_semantic_map_agrees_with_fcclip_away_from_ties(fixture):
    results = fixture.load("results")
    probabilities = fixture.load("classification")["mask_cls_probs"][0][:, :-1]
    found = semantic_map(full_size_masks(fixture), probabilities, tuple(fixture.config["output_hw"]))
    top = results["sem_seg"].topk(2, dim=0).values
    clear = top[0] - top[1] > 1e-3
    assert clear.float().mean() > 0.7
    assert (found[clear] == results["sem_seg_argmax"].long()[clear]).all()
