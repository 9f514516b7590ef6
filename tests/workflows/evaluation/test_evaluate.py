"""Evaluate: figures worked out by hand with fixed scores, failures listed, and what cannot be evaluated refused."""

import json

import pytest
import torch

from retclip.errors import DataError
from retclip.plugin.contracts import SourceClass
from retclip.types import ClassScores, Image, MaskProposals, PanopticSegmentation, Role, Vocabulary
from retclip.workflows.evaluation.evaluate import Evaluator, evaluate
from retclip.workflows.evaluation.evaluation_figures import Confusion


def scored(kit, values, answer=None):
    """Parts that give each of two masks these scores over (sky, grass, car, sand)."""
    return kit.parts(kit.StoredNames(), answer or kit.annotated, [kit.Classifier(values)])


RIGHT = [[1.0, 0, 0, 0], [0, 1.0, 0, 0]]
ALL_SKY = [[1.0, 0, 0, 0], [1.0, 0, 0, 0]]


def test_right_masks_with_right_names_are_perfect(kit):
    found = evaluate(scored(kit, RIGHT), kit.Source([kit.picture(), kit.picture(seed=1)]))
    assert (found.images, found.pq, found.sq, found.rq, found.miou) == (2, 100, 100, 100, 100)
    assert (found.pixel_accuracy, found.segment_accuracy) == (100, 100)
    assert (found.pq_things, found.pq_stuff) == (None, 100)
    counted = ("pq", "sq", "rq", "iou", "boundary_iou")
    whole, nothing = dict.fromkeys(counted, 100), dict.fromkeys(counted)
    assert (found.fwiou, found.boundary_iou) == (100, 100)
    assert found.intervals["all"]["pq"] == (100, 100) and found.calibration_error is not None
    assert found.per_class["sky"] == {**whole, "ap": None, "tp": 2, "fp": 0, "fn": 0, "seen": None}
    assert found.per_class["car"] == {**nothing, "ap": None, "tp": 0, "fp": 0, "fn": 0, "seen": None}
    assert (found.map, found.map50, found.map75) == (None, None, None)  # no thing is annotated
    assert (found.groups, found.confusion, found.settings["seen"]) == ({}, (), None)
    assert found.missing == ("sky", "grass", "car", "sand")
    assert found.failures == ()


def test_half_of_the_pixels_under_a_wrong_name(kit):
    found = evaluate(scored(kit, ALL_SKY), kit.Source([kit.picture()]))
    # the two masks grow into one sky over everything: IoU 0.5 with the true sky is not above 0.5, so no match
    assert found.pq == 0
    none = {"pq": 0, "sq": 0, "rq": 0, "ap": None, "seen": None}
    edges = {name: row.pop("boundary_iou") for name, row in found.per_class.items()}
    assert found.per_class["sky"] == {**none, "iou": 50, "tp": 0, "fp": 1, "fn": 1}
    assert found.per_class["grass"] == {**none, "iou": 0, "tp": 0, "fp": 0, "fn": 1}
    assert 0 < edges["sky"] < 50 and edges["grass"] == 0 and found.boundary_iou == edges["sky"] / 2
    assert found.fwiou == 25 and found.intervals["all"]["miou"] == (25, 25), "one image: every drawing is the same"
    assert found.confusion == (Confusion("grass", "sky", 16 * 12, 100.0),)
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
    # two cars of the same score, the false one in the other image: whichever is first, a precision of at least one half
    assert found.per_class["car"]["ap"] == found.map
    assert found.map >= 50


def test_void_of_the_annotation_counts_nowhere(kit):
    image = kit.picture()
    half = PanopticSegmentation(image.truth.label_map * (image.truth.label_map == 1), image.truth.segments[:1])
    partly = Image(image.pixels, image.sha256, image.uri, half)
    found = evaluate(scored(kit, RIGHT, lambda _, names: kit.annotated(image, names)), kit.Source([partly]))
    assert found.per_class["grass"]["fp"] == 0  # it lies in void
    assert (found.pq, found.miou, found.pixel_accuracy, found.segment_accuracy) == (100, 100, 100, 100)


class Head:
    """An in-vocabulary classifier with a table of scores, that says what it was trained on."""

    role = Role.IN_VOCABULARY

    def __init__(self, values, trained_on):
        self.values, self.trained_on = torch.tensor(values), trained_on

    def score(self, proposals, segments, vocabulary, neighbours):
        return ClassScores(self.values, torch.ones(len(vocabulary), dtype=torch.bool), self.role)


def test_seen_and_unseen_are_those_of_the_in_vocabulary_classifier(kit):
    right_and_wrong = [[1.0, 0, 0, 0], [0, 0, 1.0, 0]]
    parts = kit.parts(kit.StoredNames(), kit.annotated, [Head(right_and_wrong, ("Sky", "car", "boat"))])
    found = evaluate(parts, kit.Source([kit.picture("sky", "car"), kit.picture("sky", "grass")]))
    # sky is always right; car: one match, one false alarm; grass: missed; sand: nowhere
    seen, unseen = found.groups["seen"], found.groups["unseen"]
    assert (seen.classes, unseen.classes) == (2, 2)
    assert (seen.pq, seen.rq) == (pytest.approx((100 + 100 / 1.5) / 2), pytest.approx((100 + 100 / 1.5) / 2))
    assert (unseen.pq, unseen.sq, unseen.rq, unseen.miou) == (0, 0, 0, 0)
    assert (seen.miou, seen.map, unseen.map) == (75, found.map, None)
    assert [one["seen"] for one in found.per_class.values()] == [True, False, True, False]
    assert found.settings["seen"] == {"said_by": "the in-vocabulary classifier", "classes": 2}


def test_the_user_may_say_what_is_seen_and_that_changes_no_answer(kit):
    said = Vocabulary(("lawn", "unicorn"), (None, None), (("grass",), ()))
    parts = kit.parts(kit.StoredNames(), kit.annotated, [Head(ALL_SKY, ("sky",))])
    one, other = (evaluate(parts, kit.Source([kit.picture()]), seen=seen) for seen in (None, said))
    assert [row["seen"] for row in other.per_class.values()] == [False, True, False, False]
    assert (one.groups["unseen"].miou, other.groups["seen"].miou) == (0, 0)
    assert (one.pq, one.miou, one.confusion) == (other.pq, other.miou, other.confusion)
    assert other.settings["seen"] == {"said_by": "the user", "classes": 1}
    with pytest.raises(DataError, match=r"seen classes of the source, e\.g\. sky, grass"):
        evaluate(parts, kit.Source([kit.picture()]), seen=Vocabulary(("unicorn",), (None,)))


def test_a_synonym_of_the_source_makes_a_class_seen(kit):
    source = kit.Source([kit.picture()])
    source.classes = lambda: (SourceClass("sky", False, ("heaven",)), SourceClass("grass", False))
    parts = kit.parts(kit.StoredNames(), kit.annotated, [kit.Classifier([[1.0, 0], [0, 1.0]])])
    found = evaluate(parts, source, seen=Vocabulary(("Heaven",), (None,)))
    assert (found.per_class["sky"]["seen"], found.per_class["grass"]["seen"]) == (True, False)


def test_every_counted_image_is_told_with_its_answer(kit):
    source = kit.Source([DataError("a photo", "none", "copy it"), kit.picture(), kit.picture(seed=1)])
    told = []
    told += Evaluator(scored(kit, ALL_SKY), source).judged()
    assert [(one.number, one.total, one.name, one.accuracy) for one in told] == [
        (1, 3, "item1", 0.5), (2, 3, "item2", 0.5),
    ]  # fmt: skip
    assert told[0].image is source.items[1]
    assert [one.class_name for one in told[0].predicted.segments] == ["sky"]


def test_a_bad_image_is_listed_and_the_others_are_counted(kit):
    unlabelled = Image(kit.picture().pixels, "0" * 64, "/photos/unlabelled.png")
    source = kit.Source([DataError("a photo", "none", "copy it"), kit.picture(), unlabelled])
    steps = []
    found = evaluate(scored(kit, RIGHT), source, on_progress=lambda now: steps.append((now.done, now.total)))
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
    evaluate(kit.parts(kit.StoredNames(), kit.annotated, [table]), kit.Source([kit.picture()]))
    proposals, neighbours = table.seen
    assert proposals.prompts is None
    assert neighbours is None


def test_the_figures_are_plain_data_with_their_provenance(memory, built):
    found = memory.evaluate(built.source)
    document = json.loads(json.dumps(found.as_dict()))
    assert document["map"] > 50
    assert document["per_class"]["sky"]["ap"] is None
    assert document["images"] == 6
    assert document["miou"] > 95
    assert document["settings"]["proposer"]["name"] == "reference.ground_truth"
    assert document["settings"]["space"] == memory.store.spaces.first().id


class OfUnknownKind:
    """A source that says only of the sky what it is."""

    def __init__(self, source, kinds):
        self.source, self.kinds, self.name = source, kinds, source.name

    def classes(self):
        return tuple(SourceClass(one.name, self.kinds.get(one.name)) for one in self.source.classes())

    def images(self):
        return self.source.images()

    def __len__(self):
        return len(self.source)


def test_where_nobody_says_what_is_a_thing_there_is_no_pq_and_no_map_but_a_reason_and_miou(kit):
    images = [kit.picture("sky", "car")]
    parts = scored(kit, [[1.0, 0, 0, 0], [0, 0, 1.0, 0]])
    found = evaluate(parts, OfUnknownKind(kit.Source(images), {"sky": False}), Vocabulary(("sky",), (None,)))
    document = json.loads(json.dumps(found.as_dict()))
    absent = (
        "pq",
        "sq",
        "rq",
        "pq_things",
        "pq_stuff",
        "map",
        "map50",
        "map75",
        "map_small",
        "map_medium",
        "map_large",
    )
    assert {document[key] for key in absent} == {None}
    assert "nobody says of 3 classes, e.g. grass, car, sand" in document["no_pq"]
    assert "isthing=FILE" in document["no_pq"] and document["no_map"] == document["no_pq"]
    assert (found.miou, found.pixel_accuracy, found.segment_accuracy) == (100, 100, 100)
    counts = {key: found.per_class["car"][key] for key in ("pq", "sq", "rq", "ap", "tp", "fp", "fn", "iou")}
    assert counts == {**dict.fromkeys(("pq", "sq", "rq", "ap", "tp", "fp", "fn")), "iou": 100}
    assert (found.per_class["sky"]["pq"], found.per_class["sky"]["tp"]) == (100, 1), "what is known is counted"
    assert (found.groups["seen"].pq, found.groups["unseen"].pq, found.groups["unseen"].miou) == (100, None, 100)


def test_a_source_that_says_it_of_every_class_has_a_pq(kit):
    kinds = {"sky": False, "grass": False, "car": True, "sand": False}
    parts = scored(kit, [[1.0, 0, 0, 0], [0, 0, 1.0, 0]])
    found = evaluate(parts, OfUnknownKind(kit.Source([kit.picture("sky", "car")]), kinds))
    assert (found.pq, found.no_pq, found.no_map) == (100, "", "") and found.map == pytest.approx(100)
