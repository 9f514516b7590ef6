"""Segmenting one image with stub parts: masks to vectors to scores to one map, every step as worked out by hand."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch

from retclip.config import load
from retclip.errors import ContractBroken
from retclip.plugin import NEIGHBOURS, PATCHES
from retclip.types import ClassScores, Image, MaskProposals, Neighbours, Role, SegmentFeatures, Vocabulary
from retclip.workflows.building.build_store import build_store
from retclip.workflows.explain.evidence_file import save_evidence
from retclip.workflows.segment.segment_image import describe_images, segment_images
from retclip.workflows.segment.vocabulary import prepare

NAMES = Vocabulary(("sky", "grass", "car"), (False, False, True))
COLOURS = ("sky", "grass", "car", "sand")  # of the pictures
RIGHT = [[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]]


class NearGrass:
    """A store that remembers what was searched for; every mask finds one grass segment."""

    def __init__(self, names):
        self.classes, self.matches, self.spaces = names.classes, names.matches, self
        self.asked = []

    def require_complete(self, space):
        self.space = space

    def nearest(self, vectors, store_classes, k, per_class, space, trusted, min_trust):
        assert space == self.space
        self.asked.append((vectors, store_classes, k, per_class))
        count = len(vectors)
        ids = np.full((count, 1), "near", dtype=object)
        return Neighbours(ids, torch.ones(count, 1).long(), torch.zeros(count, 1), torch.tensor([False, True, False]))


def giving(masks, prompts=None):
    """A proposer's answer: these masks, for every image."""
    return lambda image, _: MaskProposals(masks, torch.ones(len(masks)), image.size, prompts)


LEFT, RIGHT_HALF = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[0.0, 1.0], [0.0, 1.0]])


def segment(kit, image, answer=None, classifiers=None, settings=None, store=None, provides=()):
    flags = {"device": {"name": "cpu"}, **(settings or {})}
    chosen = classifiers if classifiers is not None else [kit.Classifier(RIGHT)]
    parts = kit.parts(store or NearGrass(kit.StoredNames()), answer or kit.annotated, chosen, load(None, flags))
    parts = replace(parts, proposer=replace(parts.proposer, provides=frozenset(provides)))
    return segment_images(parts, [image], prepare(parts, NAMES))[0]


def test_each_mask_gets_the_class_with_the_highest_score(kit):
    image = kit.picture()
    result, evidence = segment(kit, image)
    assert [(one.class_name, one.is_thing, one.class_index) for one in result.segments] == [
        ("sky", False, 0),
        ("grass", False, 1),
    ]
    assert (result.label_map == image.truth.label_map).all()
    assert result.label_map.dtype == np.int32
    assert [one.score for one in result.segments] == pytest.approx([0.9, 0.8])
    assert evidence.combined.tolist() == [pytest.approx(row) for row in RIGHT]
    assert evidence.boxes.tolist() == [[0, 0, 12, 16], [12, 0, 24, 16]]
    assert (evidence.image_sha256, evidence.image_uri) == (image.sha256, image.uri)
    assert [one.classifier for one in evidence.scores] == ["stub.table"]


def test_areas_are_those_of_the_map_whatever_the_masks_grid(kit):
    """Masks on 2 x 2 cells, an image of 150 x 101 pixels, merged on at most 64 pixels and brought to full size."""
    image = Image(np.full((150, 101, 3), 100, dtype=np.uint8), "a" * 64, "x")
    coarse = giving(torch.stack([LEFT, RIGHT_HALF]))
    result, _ = segment(kit, image, coarse, settings={"segment": {"merge_side": 64}})
    assert result.label_map.shape == (150, 101)
    assert {one.id: one.area for one in result.segments} == {
        i: int((result.label_map == i).sum()) for i in np.unique(result.label_map) if i
    }
    assert (result.label_map[:, 0] == 1).all()
    assert (result.label_map[:, -1] == 2).all()


def test_stuff_of_one_class_grows_together_and_things_stay_apart(kit):
    image = kit.picture()
    stuff, _ = segment(kit, image, classifiers=[kit.Classifier([[0.9, 0.1, 0], [0.5, 0.3, 0.2]])])
    assert [(one.class_name, one.area) for one in stuff.segments] == [("sky", image.pixels[..., 0].size)]
    things, _ = segment(kit, image, classifiers=[kit.Classifier([[0, 0.1, 0.9], [0.0, 0.3, 0.7]])])
    assert [(one.class_name, one.id) for one in things.segments] == [("car", 1), ("car", 2)]


def test_prompts_count_only_where_they_were_asked_for(kit):
    both_sky = [kit.Classifier([[0.9, 0.0, 0.1], [0.6, 0.4, 0.0]])]
    prompted = giving(torch.stack([LEFT, RIGHT_HALF]), ("grass", "car"))
    plain, _ = segment(kit, kit.picture(), prompted, both_sky)
    assert [one.class_name for one in plain.segments] == ["sky"]
    pruned, evidence = segment(kit, kit.picture(), prompted, both_sky, {"segment": {"use_prompts": True}})
    assert [one.class_name for one in pruned.segments] == ["car", "grass"]
    assert evidence.scores[0].values[:, 0].tolist() == [0, 0]


def test_a_mask_that_meets_no_feature_has_no_neighbours_and_the_others_keep_theirs(kit):
    store = NearGrass(kit.StoredNames())
    answer = giving(torch.stack([torch.zeros(2, 2), RIGHT_HALF]))
    voter = kit.loaded("stub.vote", kit.Classifier(RIGHT), needs={NEIGHBOURS})
    settings = {"retrieval": {"k": 5, "per_class": True}}
    _, evidence = segment(kit, kit.picture(), answer, [voter], settings, store)
    ((vectors, store_classes, k, per_class),) = store.asked
    assert (len(vectors), store_classes, k, per_class) == (1, (None, None, None), 5 + 5, True)  # as many again are kept
    assert evidence.neighbours.ids.tolist() == [[None], ["near"]]
    assert evidence.neighbours.classes.tolist() == [[-1], [1]]
    assert evidence.neighbours.distances.tolist() == [[torch.inf], [0]]
    assert evidence.combined[0].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("settings", "asked"), [({"k": 9}, (2 + 2, True)), ({"k": 9, "per_class": True}, (9 + 9, True))]
)
def test_a_classifier_that_reads_the_best_of_each_class_gets_them(kit, settings, asked):
    store, classifier = NearGrass(kit.StoredNames()), kit.Classifier(RIGHT)
    classifier.neighbours_per_class = 2
    voter = kit.loaded("stub.vote", classifier, needs={NEIGHBOURS})
    segment(kit, kit.picture(), None, [voter], {"retrieval": settings}, store)
    assert store.asked[0][2:] == asked


def test_the_best_of_each_class_are_those_of_the_whole_store(kit, fresh):
    """Against every stored vector: with k = 1 of all classes most classes would have none."""
    pictures = [kit.picture(left, right, seed=n) for n, (left, right) in enumerate(permutations(COLOURS, 2))]
    build_store(kit.parts(fresh.store), kit.Source(pictures), "listed:")
    classifier = kit.Classifier([[0.5] * 4] * 2)
    classifier.neighbours_per_class = 2
    parts = kit.parts(fresh.store, classifiers=[kit.loaded("stub.vote", classifier, needs={NEIGHBOURS})])
    parts = replace(parts, settings=load(None, {"retrieval": {"k": 1}}))
    words, image = Vocabulary(COLOURS, (None,) * 4), kit.picture("sky", "sand", seed=99)
    ((_, evidence),) = segment_images(parts, [image], prepare(parts, words))
    (described,) = describe_images(parts, [image], prepare(parts, words))
    keys = [described_of(parts, picture, words) for picture in pictures]
    for row, query in enumerate(described.keys.vectors):
        for index, name in enumerate(COLOURS):
            same = [vectors[names.index(name)] for names, vectors in keys if name in names]
            every = sorted(float(1 - query @ vector) for vector in same)
            nearest = evidence.neighbours.distances[row][evidence.neighbours.classes[row] == index]
            assert nearest.tolist() == pytest.approx(every[:2], abs=2e-3), "stored as float16"


def described_of(parts, picture, words):
    """Return the names of a picture's segments and their vectors."""
    (described,) = describe_images(parts, [picture], prepare(parts, words))
    return [one.class_name for one in picture.truth.segments], described.keys.vectors


@pytest.mark.parametrize(("other_knows", "labelled"), [([True, True, False], True), ([True, False, False], False)])
def test_no_object_is_not_said_where_another_source_knows_more_classes(kit, other_knows, labelled):
    """The first source knows the sky alone and takes both masks for none of the classes; the second may know grass."""
    sure = kit.Classifier(RIGHT, void=torch.tensor([0.95, 0.95]))
    sure.score, score = (lambda *given: replace(score(*given), knows=torch.tensor([True, False, False]))), sure.score
    other = kit.Classifier(RIGHT)
    other.score, plain = (lambda *given: replace(plain(*given), knows=torch.tensor(other_knows))), other.score
    result, evidence = segment(kit, kit.picture(), classifiers=[sure, other])
    assert bool(result.segments) is labelled
    assert bool(evidence.void.max() > 0.9) is not labelled


def test_an_image_without_masks_is_void_all_over(kit):
    voter = kit.loaded("stub.vote", kit.Classifier(RIGHT), needs={NEIGHBOURS})
    result, evidence = segment(kit, kit.picture(), giving(torch.zeros(0, 4, 4)), [voter])
    assert not result.label_map.any()
    assert result.segments == ()
    assert evidence.neighbours.ids.shape[0] == 0


def test_what_is_probably_nothing_is_left_void(kit):
    sure = kit.Classifier(RIGHT, void=torch.tensor([0.0, 0.9]))
    result, evidence = segment(kit, kit.picture(), classifiers=[sure])
    assert [one.class_name for one in result.segments] == ["sky"]
    assert evidence.void.tolist() == pytest.approx([0.0, 0.9])
    assert (result.label_map[:, 12:] == 0).all()


def test_classes_of_fine_tuning_are_weighed_as_seen(kit):
    head = kit.Classifier([[0.0, 0.0, 1.0]] * 2)
    head.role, head.trained_on = Role.IN_VOCABULARY, ("SKY", "house")
    weights = {"ensemble": {"alpha": 0.5, "beta": 1.0, "renormalise": False}}
    _, evidence = segment(kit, kit.picture(), classifiers=[kit.Classifier(RIGHT), head], settings=weights)
    assert evidence.combined[0].tolist() == pytest.approx(
        [0.45, 0.1, 0.0]
    )  # sky is seen: half its weight is the head's


def test_what_made_a_result_is_written_down(kit):
    settings = segment(kit, kit.picture(), settings={"retrieval": {"k": 3}})[1].settings
    assert settings["retrieval"]["k"] == 3
    assert settings["backbone"] == {"name": "stub.colour", "version": "1", "settings": {}}
    assert settings["classifiers"] == [{"name": "stub.table", "version": "1", "settings": {}}]
    assert settings["space"] == kit.Backbone.space.id


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"objectness": torch.ones(3)}, "objectness with axes"),
        ({"masks": torch.full((2, 4, 4), 1.5)}, r"values in \[1.5, 1.5\]"),
        ({"masks": torch.full((2, 4, 4), torch.nan)}, "finite"),
        ({"image_size": (1, 1)}, "image_size"),
        ({"prompts": ("sky",)}, "2 prompts"),
    ],
)
def test_a_proposer_that_breaks_its_contract_is_named(kit, change, said):
    def answer(image, _):
        good = {"masks": torch.ones(2, 4, 4), "objectness": torch.ones(2), "image_size": image.size}
        return MaskProposals(**{**good, **change})

    with pytest.raises(ContractBroken, match=rf"{said}.*plugins check stub\.masks"):
        segment(kit, kit.picture(), answer)


def test_a_classifier_or_backbone_that_breaks_its_contract_is_named(kit, monkeypatch):
    with pytest.raises(ContractBroken, match=r"stub\.table"):
        segment(kit, kit.picture(), classifiers=[kit.Classifier([[0.5, 0.5]] * 2)])
    with pytest.raises(ContractBroken, match=r"stub\.table"):
        segment(kit, kit.picture(), classifiers=[kit.Classifier([[0.5, 0.5, 7.0]] * 2)])
    long = SegmentFeatures(torch.full((2, 3), 2.0), torch.ones(2).bool(), kit.Backbone.space)
    monkeypatch.setattr(kit.Backbone, "segment_vectors", lambda *_: long)
    with pytest.raises(ContractBroken, match=r"length 1 from stub\.colour"):
        segment(kit, kit.picture())


def test_a_classifier_with_weights_works_without_gradients_and_its_answer_can_be_saved(kit, tmp_path):
    class Learned(kit.Classifier):
        def __init__(self):
            self.layer = torch.nn.Linear(2, 3)

        def score(self, proposals, segments, vocabulary, neighbours):
            values = self.layer(proposals.embeddings).sigmoid()
            return ClassScores(values, torch.ones(3, dtype=torch.bool), self.role)

    def described(image, _):
        return replace(giving(torch.stack([LEFT, RIGHT_HALF]))(image, _), embeddings=torch.ones(2, 2))

    result, evidence = segment(kit, kit.picture(), described, [Learned()])
    assert not evidence.combined.requires_grad
    save_evidence(tmp_path / "a.evidence.npz", result, evidence)


def test_what_is_pruned_has_no_share_of_the_vote_either(kit):
    """Neighbours of grass: their shares go with the class where the detector never found grass, else they stay."""

    class Shared(kit.Classifier):
        role = Role.RETRIEVAL

        def score(self, proposals, segments, vocabulary, neighbours):
            shares = torch.full((2, 1), 0.5)
            values = torch.tensor([[0.0, 0.5, 0.0]] * 2)
            return ClassScores(values, neighbours.supported, self.role, shares=shares, rule="half each")

    settings = {"segment": {"use_prompts": True}}
    voting = [kit.loaded("stub.shared", Shared([]), needs=(NEIGHBOURS,))]
    for prompts, wanted in ((("sky", None), [0.0, 0.5]), (("sky", "grass"), [0.5, 0.5]), ((None, None), [0.5, 0.5])):
        answer = giving(torch.stack([LEFT, RIGHT_HALF]), prompts)
        _, evidence = segment(kit, kit.picture(), answer, voting, settings)
        (scores,) = evidence.scores
        assert scores.shares[:, 0].tolist() == scores.values[:, 1].tolist() == wanted, prompts
        assert scores.rule == "half each"


def test_void_specks_are_closed_only_where_it_is_set_and_in_the_map_itself(kit):
    """Two halves that are unsure of a pixel in the corner of each: 8 x 8 pixels, two specks of 1 and of 2 pixels."""
    image = Image(np.full((8, 8, 3), 100, dtype=np.uint8), "a" * 64, "x")
    masks = torch.zeros(2, 8, 8)
    masks[0, :, :4], masks[1, :, 4:] = 1, 1
    masks[0, 0, 0] = masks[1, 7, 6:] = 0.4
    plain, _ = segment(kit, image, giving(masks))
    assert [one.area for one in plain.segments] == [31, 30]
    assert [int(plain.label_map[place]) for place in ((0, 0), (7, 6), (7, 7))] == [0, 0, 0]
    for share, areas in ((1 / 64, [32, 30]), (2 / 64, [32, 32]), (0.0, [31, 30])):
        result, _ = segment(kit, image, giving(masks), settings={"segment": {"smallest_void": share}})
        assert [one.area for one in result.segments] == areas
        assert (result.mask_map == result.label_map - 1).all()


def test_masks_that_nobody_prompted_keep_every_class(kit):
    """From a grid of points say; of prompted ones beside them, classes that were never found are pruned."""
    settings = {"segment": {"use_prompts": True}, "ensemble": {"renormalise": False}}
    masks = torch.stack([LEFT, RIGHT_HALF])
    flat = [kit.Classifier([[0.4, 0.5, 0.6]] * 2)]
    for prompts, rows in (
        ((None, None), [[0.4, 0.5, 0.6]] * 2),
        (("sky", None), [[0.4, 0.0, 0.0], [0.4, 0.5, 0.6]]),
        (("sky", "grass"), [[0.4, 0.5, 0.0]] * 2),
    ):
        _, evidence = segment(kit, kit.picture(), giving(masks, prompts), flat, settings)
        assert evidence.combined.tolist() == [pytest.approx(row) for row in rows], prompts


def test_both_backbones_look_at_all_images_together(kit):
    """A second one (kNN-CLIP) as the first; each image's keys are those that it gets alone."""

    class Counting(kit.Backbone):
        def __init__(self, space):
            self.space, self.calls = space, []

        def dense_features(self, images):
            self.calls.append(len(images))
            return super().dense_features(images)

    first, second = Counting(kit.Backbone.space), Counting(replace(kit.Backbone.space, backbone="stub.keys"))
    parts = replace(
        kit.parts(NearGrass(kit.StoredNames())),
        backbone=kit.loaded("stub.colour", first),
        second_backbone=kit.loaded("stub.keys", second),
    )
    images, prepared = [kit.picture("sky", right) for right in ("grass", "car", "sand")], prepare(parts, NAMES)
    together = describe_images(parts, images, prepared)
    assert first.calls == second.calls == [3]
    for image, described in zip(images, together, strict=True):
        (alone,) = describe_images(parts, [image], prepared)
        assert described.keys.space == second.space
        assert torch.equal(described.keys.vectors, alone.keys.vectors)
    assert not torch.equal(together[0].keys.vectors, together[1].keys.vectors)


def test_touching_patches_of_a_thing_are_one_instance_and_masks_of_objects_are_not(kit):
    two_cars = [kit.Classifier([[0.0, 0.2, 0.8], [0.0, 0.4, 0.6]])]
    image = kit.picture()
    result, _ = segment(kit, image, classifiers=two_cars)
    assert [one.class_name for one in result.segments] == ["car", "car"]
    result, evidence = segment(kit, image, classifiers=two_cars, provides={PATCHES})
    (car,) = result.segments
    assert (car.area, car.score) == (16 * 24, pytest.approx(0.7)) and (result.label_map == 1).all()
    assert set(np.unique(result.mask_map)) == {0, 1} and len(evidence.combined) == 2  # each patch keeps its evidence
