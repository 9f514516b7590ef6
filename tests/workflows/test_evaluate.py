"""Evaluate: figures worked out by hand with fixed scores, failures listed, and what cannot be evaluated refused."""

import json
from types import SimpleNamespace

import pytest
import torch

from retclip.errors import DataError
from retclip.types import Image, MaskProposals, PanopticSegmentation
from retclip.workflows.evaluate import evaluate

EMPTY = SimpleNamespace(classes=list)


def scored(kit, values, answer=None):
    """Parts that give each of two masks these scores over (sky, grass, car, sand)."""
    return kit.parts(EMPTY, answer or kit.annotated, [kit.Classifier(values)])


RIGHT = [[1.0, 0, 0, 0], [0, 1.0, 0, 0]]
ALL_SKY = [[1.0, 0, 0, 0], [1.0, 0, 0, 0]]


def test_right_masks_with_right_names_are_perfect(kit):
    found = evaluate(scored(kit, RIGHT), kit.Source([kit.picture(), kit.picture(seed=1)]))
    assert (found.images, found.pq, found.sq, found.rq, found.miou) == (2, 100, 100, 100, 100)
    assert (found.pixel_accuracy, found.segment_accuracy) == (100, 100)
    assert (found.pq_things, found.pq_stuff) == (None, 100)
    assert found.per_class["sky"] == {"pq": 100, "sq": 100, "rq": 100, "iou": 100, "tp": 2, "fp": 0, "fn": 0}
    assert found.per_class["car"] == {"pq": None, "sq": None, "rq": None, "iou": None, "tp": 0, "fp": 0, "fn": 0}
    assert found.missing == ("sky", "grass", "car", "sand")
    assert found.failures == ()


def test_half_of_the_pixels_under_a_wrong_name(kit):
    found = evaluate(scored(kit, ALL_SKY), kit.Source([kit.picture()]))
    # the two masks grow into one sky over everything: IoU 0.5 with the true sky is not above 0.5, so no match
    assert found.pq == 0
    assert found.per_class["sky"] == {"pq": 0, "sq": 0, "rq": 0, "iou": 50, "tp": 0, "fp": 1, "fn": 1}
    assert found.per_class["grass"] == {"pq": 0, "sq": 0, "rq": 0, "iou": 0, "tp": 0, "fp": 0, "fn": 1}
    assert (found.miou, found.pixel_accuracy, found.segment_accuracy) == (25, 50, 50)


def test_things_and_stuff_are_counted_apart(kit):
    parts = scored(kit, [[1.0, 0, 0, 0], [0, 0, 1.0, 0]])
    found = evaluate(parts, kit.Source([kit.picture("sky", "car"), kit.picture("sky", "grass")]))
    # car: one match, one false positive, so RQ = 1 / 1.5; grass: one missed; sky: two matches
    assert found.pq_things == pytest.approx(100 / 1.5)
    assert found.pq_stuff == pytest.approx(50)
    assert found.pq == pytest.approx((100 + 0 + 100 / 1.5) / 3)
    assert (found.per_class["car"]["iou"], found.per_class["grass"]["iou"]) == (50, 0)
    assert found.segment_accuracy == 75


def test_void_of_the_annotation_counts_nowhere(kit):
    image = kit.picture()
    half = PanopticSegmentation(image.truth.label_map * (image.truth.label_map == 1), image.truth.segments[:1])
    partly = Image(image.pixels, image.sha256, image.uri, half)
    found = evaluate(scored(kit, RIGHT, lambda _, names: kit.annotated(image, names)), kit.Source([partly]))
    assert found.per_class["grass"]["fp"] == 0  # it lies in void
    assert (found.pq, found.miou, found.pixel_accuracy, found.segment_accuracy) == (100, 100, 100, 100)


def test_a_bad_image_is_listed_and_the_others_are_counted(kit):
    unlabelled = Image(kit.picture().pixels, "0" * 64, "/photos/unlabelled.png")
    source = kit.Source([DataError("a photo", "none", "copy it"), kit.picture(), unlabelled])
    steps = []
    found = evaluate(scored(kit, RIGHT), source, lambda done, total: steps.append((done, total)))
    assert (found.images, found.pq) == (1, 100)
    assert [one.external_id for one in found.failures] == ["item0", "item2"]
    assert "got none; copy it" in found.failures[0].reason
    assert "an annotation for /photos/unlabelled.png" in found.failures[1].reason
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_what_cannot_be_evaluated_is_refused(kit):
    with pytest.raises(DataError, match="listed without classes"):
        evaluate(scored(kit, RIGHT), kit.Source([kit.picture()], names=()))
    with pytest.raises(DataError, match="1 that failed, first item0"):
        evaluate(scored(kit, RIGHT), kit.Source([DataError("a photo", "none", "copy it")]))


def no_masks(image, _):
    return MaskProposals(torch.zeros(0, 4, 4), torch.zeros(0), image.size)


def test_an_image_without_any_proposal_is_all_missed_but_counted(kit):
    found = evaluate(scored(kit, RIGHT, no_masks), kit.Source([kit.picture()]))
    assert (found.images, found.pq, found.miou, found.pixel_accuracy, found.segment_accuracy) == (1, 0, 0, 0, 0)
    assert (found.per_class["sky"]["fn"], found.per_class["sky"]["fp"]) == (1, 0)


def test_names_from_the_annotation_do_not_leak_into_the_answer(kit):
    table = kit.Classifier(ALL_SKY)
    evaluate(kit.parts(EMPTY, kit.annotated, [table]), kit.Source([kit.picture()]))
    proposals, neighbours = table.seen
    assert proposals.prompts is None
    assert neighbours is None


def test_the_figures_are_plain_data_with_their_provenance(memory, built):
    found = memory.evaluate(built.source)
    document = json.loads(json.dumps(found.as_dict()))
    assert document["images"] == 6
    assert document["miou"] > 95
    assert document["settings"]["proposer"]["name"] == "reference.ground_truth"
    assert document["settings"]["space"] == memory.store.space().id
