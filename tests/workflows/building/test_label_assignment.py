"""A build from pictures whose classes are known, but not where: unnamed masks get the class that they look like."""

from dataclasses import replace

import pytest
import torch
from sqlalchemy import select

from retclip.config import load
from retclip.store.sql import catalog, tables
from retclip.store.sql.engine import transaction
from retclip.types import MaskProposals
from retclip.workflows.building.build_store import build_store
from retclip.workflows.building.label_assignment import LabelAssignment
from retclip.workflows.classes.add_class import add_class
from retclip.workflows.classes.addition import Addition

COLOURS = {"sky": (40.0, 90, 220), "grass": (30.0, 160, 40), "car": (210.0, 30, 30)}  # as the pictures show them


@pytest.fixture
def reading(kit):
    """A backbone whose vectors are mean colours, and whose names are colours."""

    class Reading(kit.Backbone):
        def text_vectors(self, names):
            return torch.nn.functional.normalize(torch.tensor([COLOURS[name] for name in names]), dim=-1)

    return kit.loaded("stub.reading", Reading(), provides=("text",))


def halves(image, vocabulary):
    """The left half, nearly the same again, and the right half; nobody says what they are."""
    masks = torch.zeros(3, 4, 8)
    masks[0, :, :4] = masks[1, :, :3] = masks[2, :, 4:] = 1.0
    return MaskProposals(masks, torch.tensor([0.9, 0.8, 0.7]), image.size, mask_scores=torch.tensor([0.6, 0.5, 0.4]))


def assignment(kit, reading, answer=halves, store=None, names=("sky", "grass", "car"), **build):
    parts = kit.parts(store or kit.StoredNames(), answer, settings=load(None, {"build": build}))
    return LabelAssignment(replace(parts, backbone=reading), names, {"sky": False})


def described(naming, image):
    (features,) = naming.models.backbone.component.dense_features([image])
    (proposals,) = naming.models.proposer.component.propose([image], naming.everything(), [features])
    return image, proposals, features


def test_each_mask_gets_the_present_class_it_looks_like_once(kit, reading):
    naming = assignment(kit, reading)
    named, _, sure = naming.assigned(*described(naming, kit.picture("sky", "car")), ("sky", "car"))
    assert named.prompts == ("sky", "car") and sure == pytest.approx([0.9, 0.7], abs=1e-4)
    assert torch.equal(named.objectness, torch.tensor([0.9, 0.7]))  # the second said the first again
    assert torch.equal(named.mask_scores, torch.tensor([0.6, 0.4])) and named.detector_scores is None


def test_what_looks_like_an_absent_class_is_left_out_unless_labels_are_believed(kit, reading):
    image = kit.picture("sky", "grass")
    naming = assignment(kit, reading)
    named, _, _ = naming.assigned(*described(naming, image), ("sky", "car"))
    assert named.prompts == ("sky",)
    naming = assignment(kit, reading, assign_absent=0.0, assign_confidence=0.3)
    named, _, sure = naming.assigned(*described(naming, image), ("sky", "car"))
    assert named.prompts == ("sky", "sky") and sure == pytest.approx([0.9, 0.7], abs=1e-4)  # grass is more like sky


def test_the_vocabulary_is_the_present_classes_until_masks_come_without_names(kit, reading):
    naming = assignment(kit, reading)
    assert naming.vocabulary(("car",)).names == ("car",) and naming.vocabulary(("car",)).text is None
    naming.needed = True
    wanted = naming.vocabulary(("car",))
    assert wanted.names == ("sky", "grass", "car") and wanted.is_thing == (False, True, True)
    assert wanted.text.shape == (3, 3) and naming.vocabulary(()) is wanted  # encoded once


def test_a_build_stores_assigned_labels_with_their_confidence(kit, reading, fresh):
    images = [kit.picture("sky", "car"), kit.picture("grass", "sky")]
    parts = replace(kit.parts(fresh.store, halves), backbone=reading)
    report = build_store(parts, kit.Source(images, tuple(COLOURS), names_alone=True), "stub:two")
    assert not report.failures and dict(report.per_class) == {"sky": 2, "car": 1, "grass": 1}
    assert report.dropped == 0, "masks that were left out as unsure are not too small"
    with transaction(fresh.store.engine) as connection:
        stored = catalog.stored_segments(
            connection, connection.execute(select(tables.Segment.point_id)).scalars().all()
        )
    assert {one.label_source for one in stored.values()} == {"assigned"}
    assert sorted(round(one.confidence, 3) for one in stored.values()) == [0.7, 0.7, 0.9, 0.9]


def test_a_class_from_photos_is_compared_with_the_classes_of_the_store(kit, reading, fresh):
    """Photos that show a car on grass: once the store knows grass, the grass is not taken for car."""
    parts = replace(kit.parts(fresh.store, halves), backbone=reading)
    photos = kit.Source([replace(kit.picture("grass", "car", seed=1), truth=None)], ())
    (report,) = add_class(parts, Addition("car", [(photos, "stub:car")])).runs
    assert dict(report.per_class) == {"car": 2}  # nothing else is known: both halves
    build_store(parts, kit.Source([kit.picture("grass", "sky")], tuple(COLOURS)), "stub:all")
    again = kit.Source([replace(kit.picture("grass", "car", seed=2), truth=None)], ())
    assert dict(add_class(parts, Addition("car", [(again, "stub:more")])).runs[0].per_class) == {"car": 1}
