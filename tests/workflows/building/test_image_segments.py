"""One image's segments: numbered per class by falling score, with box, area, run lengths and a vector each."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from retclip.config import load
from retclip.data import rle
from retclip.errors import DataError
from retclip.passed_over import CROWDS, PassedOver
from retclip.plugin import ANNOTATION, WHOLE, SourceImage
from retclip.types import MaskProposals
from retclip.workflows.building.image_segments import image_segments
from retclip.workflows.building.label_assignment import LabelAssignment
from retclip.workflows.building.units import Unit

THINGS = {"sky": False, "car": True}


def work(kit, image, answer=None, classes=("sky", "car"), provides=(), settings=None, extra=()):
    proposer = kit.loaded("stub.masks", kit.Proposer(answer or kit.annotated), provides=provides)
    parts = replace(kit.parts(None, settings=load(None, settings)), proposer=proposer)
    record = SourceImage("a.png", image.uri, lambda: image, lambda: image.sha256, extra=dict(extra))
    naming = LabelAssignment(parts, (*classes, "sand"), THINGS)
    return image_segments(parts, Unit(record, "key", "content", classes, ("sand",)), image, naming)


def quarters(image, _):
    """Three quarters of the picture, the second nowhere there, in no order of objectness."""
    masks = torch.zeros(3, 2, 2)
    masks[0, 0, 0] = masks[2, 1, 1] = 1.0
    return MaskProposals(masks, torch.tensor([0.2, 0.5, 0.9]), image.size, ("sky", "car", "sky"))


def test_slots_are_numbered_per_class_by_falling_score_and_vectors_keep_their_order(kit):
    image = kit.picture(size=(8, 8))
    result, dropped = work(kit, image, lambda i, v: MaskProposals(
        torch.stack([torch.from_numpy(image.truth.label_map == n).float() for n in (1, 2)]), torch.tensor([0.2, 0.9]),
        i.size, ("sky", "sky")))  # fmt: skip
    assert dropped == 0
    assert [(one.prompt, one.ordinal, one.box, one.area) for one in result.segments] == [
        ("sky", 0, (4, 0, 4, 8), 32), ("sky", 1, (0, 0, 4, 8), 32),
    ]  # fmt: skip
    assert [one.score for one in result.segments] == pytest.approx([0.9, 0.2])
    means = [image.pixels[:, 4:].reshape(-1, 3).mean(0), image.pixels[:, :4].reshape(-1, 3).mean(0)]
    for vector, mean in zip(result.vectors, means, strict=True):
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-5)


def test_the_run_lengths_decode_to_the_mask(kit):
    image = kit.picture("sky", "car", size=(6, 10))
    result, _ = work(kit, image)
    for one, segment in zip(image.truth.segments, result.segments, strict=True):
        pixels = rle.decode({"size": [6, 10], "counts": segment.rle.decode()})
        assert (pixels == (image.truth.label_map == one.id)).all()


def test_a_mask_that_meets_nothing_is_dropped_with_its_vector(kit):
    result, dropped = work(kit, kit.picture(size=(8, 8)), quarters)
    assert dropped == 1
    assert [one.box for one in result.segments if one.prompt == "sky"] == [(4, 4, 4, 4), (0, 0, 4, 4)]
    assert result.vectors.shape == (2, 3)
    assert (result.key, result.content, result.prompts, result.absent) == ("key", "content", ("sky", "car"), ("sand",))


def test_who_named_it_is_kept(kit):
    image = kit.picture("sky", "car")
    assert {one.label_source for one in work(kit, image)[0].segments} == {"detector"}
    assert {one.label_source for one in work(kit, image, provides=(ANNOTATION,))[0].segments} == {"annotation"}


def test_a_whole_photo_is_named_by_whoever_said_what_it_shows(kit):
    """No detector looked: a data set's folder or table said it, or the person who added the photos."""
    image = kit.picture("sky", "car")
    for extra, said_by in (({}, "annotation"), ({"said_by": "person"}, "person"), ({"said_by": "a"}, "annotation")):
        found = work(kit, image, provides=(WHOLE,), extra=extra)[0].segments
        assert {one.label_source for one in found} == {said_by}
    assert {one.label_source for one in work(kit, image, extra={"said_by": "person"})[0].segments} == {"detector"}


def test_an_image_without_masks_is_a_result_without_segments(kit):
    def nothing(image, _):
        return MaskProposals(torch.zeros(0, 2, 2), torch.zeros(0), image.size, ())

    result, dropped = work(kit, kit.picture(), nothing)
    assert (result.segments, result.vectors.shape, dropped) == ((), (0, 3), 0)


def test_masks_that_nobody_named_cannot_be_stored(kit):
    def unnamed(image, _):
        return MaskProposals(torch.ones(2, 2, 2), torch.ones(2), image.size, ("sky", None))

    with pytest.raises(DataError, match=r"masks without a name from stub\.masks"):
        work(kit, kit.picture(), unnamed)


def test_where_nothing_is_to_be_found_no_model_is_asked(kit, monkeypatch):
    """An image that only lost classes: they are retired, and that is all."""
    monkeypatch.setattr(kit.Backbone, "dense_features", None)
    result, dropped = work(kit, kit.picture(), classes=())
    assert (result.segments, result.vectors.shape, result.prompts, dropped) == ((), (0, 3), (), 0)


def test_scores_that_rounding_moved_out_of_range_are_brought_back(kit):
    def rounded(image, _):
        return MaskProposals(torch.ones(2, 2, 2), torch.tensor([1.000005, -0.000005]), image.size, ("sky", "car"))

    result, _ = work(kit, kit.picture(), rounded)
    assert [one.score for one in result.segments] == [one.confidence for one in result.segments] == [1.0, 0.0]


def test_two_spellings_of_a_class_share_their_numbers(kit):
    def several(image, _):
        return MaskProposals(torch.ones(3, 2, 2), torch.ones(3), image.size, ("sky", "Sky", "sky"))

    result, _ = work(kit, kit.picture(), several, classes=("sky", "Sky"))
    assert [one.ordinal for one in result.segments] == [0, 1, 2]


def test_the_detector_s_and_the_mask_model_s_scores_stay_with_their_mask(kit):
    def scored(image, vocabulary):
        scores = {"detector_scores": torch.tensor([0.4, 0.5, 1.000005]), "mask_scores": torch.tensor([0.5, 0.25, 0.9])}
        return replace(quarters(image, vocabulary), **scores)

    result, _ = work(kit, kit.picture(size=(8, 8)), scored)
    found = [(one.score, one.detector_score, one.mask_score) for one in result.segments]
    assert found == [pytest.approx((0.9, 1.0, 0.9)), pytest.approx((0.2, 0.4, 0.5))]
    assert result.segments[0].detector_score == 1.0  # SQL refuses more
    best, _ = work(kit, kit.picture(size=(8, 8)), scored, settings={"build": {"max_segments": 1}})
    assert [one.detector_score for one in best.segments] == [1.0]


def test_a_proposer_without_such_models_leaves_them_open(kit):
    def half(image, vocabulary):
        return replace(quarters(image, vocabulary), mask_scores=torch.tensor([0.5, 0.25, 0.75]))

    for answer, wanted in ((quarters, [None, None]), (half, [0.75, 0.5])):
        result, _ = work(kit, kit.picture(size=(8, 8)), answer)
        assert [one.detector_score for one in result.segments] == [None, None]
        assert [one.mask_score for one in result.segments] == wanted


def test_what_an_image_passed_over_is_told_crowds_and_what_its_proposer_left_out(kit):
    image = kit.picture("sky", "car", size=(8, 8))
    sky, car = image.truth.segments
    told = PassedOver({"objects": 2}, (), {"turned": 1})
    image = replace(image, truth=replace(image.truth, segments=(replace(sky, is_crowd=True), car)), passed_over=told)

    def nothing(image, _):
        return MaskProposals(torch.zeros(0, *image.size), torch.zeros(0), image.size, ())

    result, _ = work(kit, image, nothing, provides={ANNOTATION})
    counts = {"objects": 2, CROWDS: 1, "annotated segments that the proposer left out": 1}
    assert (dict(result.passed_over.counts), dict(result.passed_over.assumed)) == (counts, {"turned": 1})
    result, _ = work(kit, image, nothing, classes=("car",), provides={ANNOTATION})
    assert CROWDS not in result.passed_over.counts, "nobody asked for the sky"
    assert work(kit, image, nothing)[0].passed_over.counts == {"objects": 2}, "a detector owes no annotated segment"


def test_masks_beyond_the_limit_are_counted(kit):
    result, _ = work(kit, kit.picture(size=(8, 8)), quarters, settings={"build": {"max_segments": 2}})
    assert dict(result.passed_over.counts) == {"masks beyond build.max_segments": 1}
