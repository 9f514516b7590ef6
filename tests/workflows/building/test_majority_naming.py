"""Masks without names in annotated photos: the majority under each names it, and what a build makes of it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sqlalchemy import select

from retclip.annotated_objects import AnnotatedObjects, ObjectMask
from retclip.config import load
from retclip.passed_over import Tally
from retclip.store.sql import catalog, tables
from retclip.store.sql.engine import transaction
from retclip.types import FeatureSpace, MaskMap, MaskProposals, PanopticSegmentation, SegmentInfo
from retclip.workflows.building.add_space import add_space
from retclip.workflows.building.build_store import build_store
from retclip.workflows.building.majority_naming import OUTSIDE, UNDECIDED, annotated_masks, majority_named
from retclip.workflows.classes.add_class import add_class
from retclip.workflows.classes.addition import Addition

CLASSES = ("sky", "grass", "car")


def annotation(rows, names, crowds=(), objects=()):
    """An annotation of one digit per pixel, 0 = void; names: of the ids 1, 2, ..."""
    label_map = np.array([[int(digit) for digit in row] for row in rows], np.int32)
    infos = tuple(
        SegmentInfo(n, name, True, int((label_map == n).sum()), is_crowd=n in crowds)
        for n, name in enumerate(names, start=1)
    )
    return PanopticSegmentation(label_map, infos, objects=AnnotatedObjects(tuple(objects)) if objects else None)


def masks(*boxes, size=(4, 8), objectness=None):
    """Binary masks of boxes y0, y1, x0, x1."""
    drawn = torch.zeros(len(boxes), *size)
    for mask, (top, bottom, left, right) in zip(drawn, boxes, strict=True):
        mask[top:bottom, left:right] = 1.0
    return MaskProposals(drawn, torch.tensor(objectness or [1.0] * len(boxes)), size)


def named(proposals, truth, classes=CLASSES, threshold=0.5, most=300):
    tally = Tally()
    labelled, share = majority_named(proposals, truth, classes, threshold, most, tally)
    return list(zip(labelled.prompts, share, strict=True)), dict(tally.total.counts)


def test_the_majority_names_a_mask_and_its_share_is_the_confidence():
    truth = annotation(["11112222"] * 4, ("sky", "car"))
    proposals = masks((0, 4, 0, 4), (0, 4, 3, 8), (0, 2, 2, 6))
    assert named(proposals, truth) == ([("sky", 1.0), ("car", 0.8)], {UNDECIDED: 1})
    assert named(proposals, truth, threshold=0.8) == ([("sky", 1.0)], {UNDECIDED: 2})


def test_void_and_crowds_do_not_vote_and_a_mask_of_little_else_is_left_out():
    truth = annotation(["11100222"] * 4, ("sky", "car"), crowds=(2,))
    proposals = masks((0, 4, 0, 5), (0, 4, 2, 8), (0, 4, 5, 8))
    assert named(proposals, truth) == ([("sky", 1.0)], {OUTSIDE: 2})


def test_pixels_of_classes_that_are_not_built_vote_and_their_masks_are_not_counted():
    truth = annotation(["11222222"] * 4, ("sky", "car"))
    proposals = masks((0, 4, 0, 2), (0, 4, 1, 4), (0, 4, 4, 8))
    assert named(proposals, truth, ("sky",)) == ([("sky", 1.0)], {})


def test_several_objects_of_a_class_vote_together():
    truth = annotation(["11223344"] * 4, ("car", "sky", "car", "car"))
    assert named(masks((0, 4, 0, 8)), truth) == ([("car", 0.75)], {})


def test_best_first_and_no_more_than_the_limit():
    truth = annotation(["11112222"] * 4, ("sky", "car"))
    proposals = masks((0, 4, 0, 4), (0, 4, 4, 8), (0, 4, 2, 6), (0, 2, 4, 8), objectness=[0.2, 0.9, 1.0, 0.9])
    assert named(proposals, truth, most=2) == (
        [("car", 1.0), ("car", 1.0)], {UNDECIDED: 1, "masks beyond build.max_segments": 1},
    )  # fmt: skip


def test_soft_masks_vote_with_the_pixels_that_are_stored():
    """A grid of two columns over eight pixels: the mask rises from 0 to 1, and what is above 0.5 is kept."""
    truth = annotation(["11111222"] * 4, ("sky", "car"))
    soft = MaskProposals(torch.tensor([[[0.0, 1.0]], [[1.0, 0.0]], [[0.4, 0.4]]]), torch.ones(3), (4, 8))
    assert named(soft, truth) == ([("car", 0.75), ("sky", 1.0)], {UNDECIDED: 1})


def overlapping():
    """A car of a person's length with two stickers on it, which cover most of it."""
    rows = ["11222330", "11222330", "11222330", "00000000"]
    whole = np.zeros((4, 8), bool)
    whole[:3, :7] = True
    stickers = [np.array([[digit == n for digit in row] for row in rows]) for n in "23"]
    objects = [ObjectMask.of(whole, "car"), ObjectMask.of(stickers[0], "sky"), ObjectMask.of(stickers[1], "grass")]
    return annotation(rows, ("car", "sky", "grass"), objects=objects)


def test_where_nothing_on_top_has_the_majority_complete_objects_vote():
    truth = overlapping()
    assert named(masks((0, 3, 0, 7)), truth) == ([("car", 1.0)], {})
    assert named(masks((0, 3, 0, 7)), replace(truth, objects=None)) == ([], {UNDECIDED: 1})
    assert named(masks((0, 3, 2, 5), (0, 3, 5, 7)), truth) == ([("sky", 1.0), ("grass", 1.0)], {}), "what lies on top"


def test_hidden_objects_of_a_crowd_do_not_vote():
    truth = overlapping()
    objects = tuple(replace(known, is_crowd=known.class_name == "car") for known in truth.objects.objects)
    assert named(masks((0, 3, 0, 7)), replace(truth, objects=AnnotatedObjects(objects))) == ([], {UNDECIDED: 1})


def test_an_annotation_of_nothing_names_nothing():
    assert named(masks((0, 4, 0, 8)), annotation(["0" * 8] * 4, ())) == ([], {OUTSIDE: 1})
    assert named(masks(), annotation(["1" * 8] * 4, ("sky",))) == ([], {})


def test_ids_may_be_large_and_in_any_order():
    truth = annotation(["11112222"] * 4, ("sky", "car"))
    label_map = np.where(truth.label_map == 1, 16_000_000, 7).astype(np.int32)
    infos = (replace(truth.segments[0], id=16_000_000), replace(truth.segments[1], id=7))
    assert named(masks((0, 4, 0, 3), (0, 4, 5, 8)), PanopticSegmentation(label_map, infos)) == (
        [("sky", 1.0), ("car", 1.0)], {},
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_against_counting_pixel_by_pixel(seed):
    rng = np.random.default_rng(seed)
    rows = ["".join(map(str, row)) for row in rng.integers(0, 5, (9, 11))]
    truth = annotation(rows, ("sky", "grass", "car", "sky"), crowds=(3,))
    drawn = rng.random((12, 9, 11)) < rng.random((12, 1, 1))
    proposals = MaskProposals(torch.from_numpy(drawn).float(), torch.ones(12), (9, 11))
    expected = []
    for mask in drawn:
        said = [{1: "sky", 2: "grass", 4: "sky"}.get(label) for label in truth.label_map[mask].tolist()]
        known = [name for name in said if name]
        best = max(("sky", "grass"), key=known.count)
        if known and known.count(best) / len(known) > 0.5 and 2 * len(known) >= len(said):
            expected.append((best, pytest.approx(known.count(best) / len(known))))
    assert expected, "some mask is named"
    assert named(proposals, truth)[0] == expected


def test_of_a_tree_the_leaves_are_named():
    truth = annotation(["11112222"] * 4, ("sky", "car"))
    tree = replace(masks((0, 4, 0, 4), (0, 4, 4, 8), (0, 4, 0, 8)), parents=torch.tensor([2, 2, -1]))
    assert named(tree, truth) == ([("sky", 1.0), ("car", 1.0)], {}), "the root, half and half, is not counted either"


def test_annotated_masks_beside_patches_on_their_grid():
    truth = annotation(["11111111", "11111111", "11111233", "11111433"], ("sky", "car", "grass", "car"), crowds=(4,))
    patches = replace(masks((0, 2, 0, 4), size=(2, 4)), image_size=(4, 8))
    labelled, _ = majority_named(patches, truth, CLASSES, 0.5, 300, Tally())
    own = annotated_masks(labelled, truth, ("sky", "car", "grass"))
    # the car is one pixel of a cell of four and is lost; the crowd never counts
    assert own.prompts == ("sky", "grass") and own.objectness.tolist() == [1.0, 1.0]
    assert own.masks[0].tolist() == [[1.0] * 4, [1.0, 1.0, 0.5, 0.0]]
    assert len(annotated_masks(labelled, truth, ("car",))) == 0, "nothing to add"


@pytest.mark.parametrize("grid", [(4, 8), (3, 5)])
def test_a_map_of_masks_is_named_as_its_masks_are(grid):
    """Random regions on the photo's grid and on a coarser one, some of them nowhere, with and without overlaps."""
    owners = torch.randint(-1, 5, grid, generator=torch.Generator().manual_seed(sum(grid)))
    as_map = MaskProposals(MaskMap(owners, 6), torch.ones(6), (4, 8))
    drawn = MaskProposals(as_map.masks, torch.ones(6), (4, 8))
    for truth in (overlapping(), annotation(["11100222", "11133222"] * 2, ("sky", "car", "grass"), crowds=(2,))):
        assert named(as_map, truth, threshold=0.3) == named(drawn, truth, threshold=0.3)


# What a build makes of it. The picture's left half is one class, its right half another.


def strips(image, _):
    """Four strips, the second reaching over the border of the two halves by a third of its width."""
    width = image.size[1]
    edges = [(0, width // 3), (width // 3, 7 * width // 12), (7 * width // 12, width), (0, width)]
    return masks(*((0, image.size[0], *edge) for edge in edges), size=image.size)


def stored(fresh):
    with transaction(fresh.store.engine) as connection:
        ids = connection.execute(select(tables.Segment.point_id)).scalars().all()
        found = catalog.stored_segments(connection, ids)
    return sorted((one.class_name, round(one.confidence, 3), one.proposer, one.status) for one in found.values())


def parts_of(kit, fresh, answer=strips, name="stub.masks", **build):
    parts = kit.parts(fresh.store, answer, settings=load(None, {"build": build}))
    return replace(parts, proposer=replace(parts.proposer, name=name))


def test_a_build_stores_proposed_masks_named_by_the_annotation(kit, fresh):
    parts = parts_of(kit, fresh)
    report = build_store(parts, kit.Source([kit.picture("sky", "car"), kit.picture("grass", "sky")]), "listed:x")
    assert not report.failures and dict(report.per_class) == {"sky": 3, "car": 1, "grass": 2}
    assert report.passed_over == {UNDECIDED: 2}, "the strip over all of a picture has two halves"
    assert stored(fresh)[:3] == [
        ("car", 1.0, "stub.masks", "visible"), ("grass", 0.667, "stub.masks", "visible"),
        ("grass", 1.0, "stub.masks", "visible"),
    ]  # fmt: skip
    with transaction(fresh.store.engine) as connection:
        assert set(connection.execute(select(tables.Segment.label_source)).scalars()) == {"annotation"}
        ((config,),) = connection.execute(select(tables.Run.config))
    assert config["build"]["majority_share"] == 0.5, "the run says by which share"
    again = build_store(parts, kit.Source([kit.picture("sky", "car"), kit.picture("grass", "sky")]), "listed:x")
    assert (again.skipped, again.segments) == (2, 0)


def test_a_build_stores_the_annotated_masks_too(kit, fresh):
    parts = parts_of(kit, fresh, annotated_masks=True)
    report = build_store(parts, kit.Source([kit.picture("sky", "car")]), "listed:x")
    assert dict(report.per_class) == {"sky": 3, "car": 2}, "two and one strips, and a half each"


def test_another_share_takes_the_place_of_the_first_and_back(kit, fresh):
    images = [kit.picture("sky", "car")]
    first = stored_after(kit, fresh, images)
    assert first == [("car", 1.0), ("sky", 0.667), ("sky", 1.0)]
    assert stored_after(kit, fresh, images, majority_share=0.7) == [("car", 1.0), ("sky", 1.0)]
    assert stored_after(kit, fresh, images) == first


def stored_after(kit, fresh, images, answer=strips, **build):
    build_store(parts_of(kit, fresh, answer, **build), kit.Source(images), "listed:x")
    return [(name, share) for name, share, _, status in stored(fresh) if status == "visible"]


def test_a_slot_that_gets_another_mask_is_as_sure_as_that_one(kit, fresh):
    """A new setting of the proposer moves the masks; what a person said of a segment stays as it was said."""

    def moved(image, _):
        return masks((0, image.size[0], 0, 16), size=image.size)

    def first(image, _):
        return masks((0, image.size[0], 0, 12), size=image.size)

    images = [kit.picture("sky", "car")]
    assert stored_after(kit, fresh, images, first) == [("sky", 1.0)]
    event = fresh.log()[-1].id
    assert stored_after(kit, fresh, images, moved, max_segments=9) == [("sky", 0.75)]
    fresh.undo(fresh.log()[-1].id)
    assert [pair[:2] for pair in stored(fresh)] == [("sky", 1.0)]
    assert fresh.log()[0].id == event


def test_a_person_s_label_outlives_another_mask(kit, fresh):
    images = [kit.picture("sky", "car")]
    stored_after(kit, fresh, images)
    with transaction(fresh.store.engine) as connection:
        ids = connection.execute(select(tables.Segment.point_id)).scalars().all()
    fresh.store.segments.relabel(ids, "car", "ada")
    assert stored_after(kit, fresh, images, max_segments=9) == [("car", 1.0)] * 3


def test_masks_of_the_annotation_and_of_a_proposer_stand_beside_each_other(kit, fresh):
    images = [kit.picture("sky", "car")]
    build_store(parts_of(kit, fresh, kit.annotated, "stub.truth"), kit.Source(images), "listed:x")
    build_store(parts_of(kit, fresh), kit.Source(images), "listed:x")
    assert [(name, by) for name, _, by, _ in stored(fresh)] == [
        ("car", "stub.masks"), ("car", "stub.truth"), ("sky", "stub.masks"), ("sky", "stub.masks"),
        ("sky", "stub.truth"),
    ]  # fmt: skip
    fresh.undo(fresh.log()[-1].id)
    states = {(by, status) for _, _, by, status in stored(fresh)}
    assert states == {("stub.masks", "retired"), ("stub.truth", "visible")}


def test_a_class_is_added_by_the_masks_whose_majority_it_is(kit, fresh):
    source = kit.Source([kit.picture("sky", "car")])
    (report,) = add_class(parts_of(kit, fresh), Addition("sky", [(source, "listed:x")])).runs
    assert dict(report.per_class) == {"sky": 2} and report.passed_over == {UNDECIDED: 1}
    assert [name for name, *_ in stored(fresh)] == ["sky", "sky"]


def test_another_backbone_pools_the_stored_masks(kit, fresh):
    class Second(kit.Backbone):
        space = FeatureSpace("stub.second", "none", "none", "mean-1", 3)

    images = [kit.picture("sky", "car")]
    build_store(parts_of(kit, fresh), kit.Source(images), "listed:x")
    report = add_space(fresh.store, kit.loaded("stub.second", Second()), lambda _: kit.Source(images), 32)
    assert (report.segments, report.lacking, report.failures) == (3, 0, ())
