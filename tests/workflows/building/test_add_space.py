"""A second backbone's vectors for what is stored: the same as a build would give, resumed anywhere, and honest about
what it could not do."""

from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from PIL import Image as Pillow
from sqlalchemy import select

from retclip.data.images import read_image
from retclip.errors import DataError, SpaceIncomplete, SpaceMismatch, StoreMissing
from retclip.store.index import reconcile
from retclip.store.sql.engine import transaction
from retclip.store.sql.tables import FeatureGap, Mask, Run, SegmentFeature
from retclip.types import FeatureSpace, MaskProposals, SegmentFeatures
from retclip.workflows.building import add_space as workflow
from retclip.workflows.building import mask_vectors
from retclip.workflows.building.add_space import add_space
from retclip.workflows.building.build_store import build_store
from retclip.workflows.segment.vocabulary import prepare


@pytest.fixture
def second(kit):
    """A backbone of another space: the colours turned round, and blind to masks of fewer than `least` pixels."""

    class Second(kit.Backbone):
        space = FeatureSpace("stub.second", "none", "none", "mean-1", 3)
        least, asked = 1, 0

        def dense_features(self, images):
            type(self).asked += len(images)
            return [replace(one, grid=one.grid.flip(0), space=self.space) for one in super().dense_features(images)]

        def segment_vectors(self, features, masks, logits=None):
            found = super().segment_vectors(features, masks)
            return SegmentFeatures(found.vectors, masks.sum((1, 2)) >= self.least, self.space)

    return kit.loaded("stub.second", Second())


@pytest.fixture
def world(kit, tmp_path):
    """A source of five annotated photos that lie on the disk."""
    images = []
    for number in range(5):
        drawn = kit.picture(seed=number)
        path = tmp_path / f"{number}.png"
        Pillow.fromarray(drawn.pixels).save(path)
        images.append(replace(drawn, sha256=read_image(path).sha256, uri=str(path)))
    return kit.Source(images)


@pytest.fixture
def add(fresh, kit, second, world):
    def run(**options):
        return add_space(fresh.store, second, lambda _: world, **{"commit_images": 32, **options})

    return run


@pytest.fixture
def built(fresh, kit, world):
    build_store(kit.parts(fresh.store), world, "listed:x")
    world.loaded.clear()
    return fresh.store


def rows(store, *columns, **where):
    with transaction(store.engine) as connection:
        return [tuple(row) for row in connection.execute(select(*columns))]


def state(store):
    one = store.spaces.all()[-1]
    return one.segments, one.lacking, one.without


def test_every_segment_gets_the_vector_that_a_build_would_have_given(built, add, fresh, kit, second, world):
    report = add(commit_images=2)
    assert (report.total, report.images, report.segments, report.lacking, report.failures) == (5, 5, 10, 0, ())
    assert world.loaded == [], "photos on the disk need no source"
    projection = built.projection(second.component.space)
    assert reconcile.differences(projection).clean
    added = projection.index.vectors([point for point, _ in projection.index.scan()])
    parts = replace(kit.parts(built), second_backbone=second)
    build_store(parts, world, "listed:x")
    made = projection.index.vectors(list(added))
    assert len(made) == 10
    for point, vector in added.items():
        np.testing.assert_allclose(made[point], vector, atol=2e-3)


def test_the_same_again_does_nothing_and_later_segments_are_made_up_for(built, add, kit, second, world):
    add()
    second.component.asked = 0
    assert (add().total, second.component.asked) == (0, 0)
    more = kit.picture("sky", "car", seed=9)
    world.items.append(more)
    build_store(kit.parts(built), world, "listed:x")
    assert state(built) == (10, 2, 0)
    report = add()
    assert (report.total, report.segments, state(built)) == (1, 2, (12, 0, 0))
    assert world.loaded[-1] == 5, "this photo is nowhere on the disk: its source knows it"


def test_ctrl_c_keeps_what_is_done_and_the_next_run_goes_on(built, add, second, monkeypatch):
    original, seen = workflow.mask_vectors, []

    def until_stopped(backbone, image, masks):
        seen.append(image.sha256)
        if len(seen) == 4:
            raise KeyboardInterrupt
        return original(backbone, image, masks)

    monkeypatch.setattr(workflow, "mask_vectors", until_stopped)
    with pytest.raises(KeyboardInterrupt):
        add(commit_images=2)
    assert state(built) == (6, 4, 0)
    assert rows(built, Run.kind, Run.state)[-1] == ("add_space", "interrupted")
    (counts,) = rows(built, Run.counts)[-1]
    told = ("images", "segments", "seen", "total", "lacking")
    assert [counts[one] for one in told] == [3, 6, 3, 5, 4], "the group that was stopped counts as far as it is stored"
    report = add()
    assert (report.total, report.segments, state(built)) == (2, 4, (10, 0, 0))


def test_progress_is_told_after_each_committed_group(built, add):
    seen = []
    add(commit_images=2, on_progress=lambda now: seen.append((now.done, state(built)[0])))
    assert seen == [(2, 4), (4, 8), (5, 10)]


def test_photos_that_are_gone_are_named_and_block_until_somebody_accepts_it(built, add, kit, second, world, tmp_path):
    (tmp_path / "1.png").unlink()
    Pillow.new("RGB", (24, 16)).save(tmp_path / "2.png")
    world.items[:] = world.items[:1]  # its source does not know them any more
    report = add()
    assert (report.images, report.segments, report.lacking) == (3, 6, 4)
    assert {one.uri for one in report.failures} == {str(tmp_path / f"{n}.png") for n in (1, 2)}
    assert "No such file" in report.failures[0].reason and "another photo" in report.failures[1].reason
    parts = replace(kit.parts(built), second_backbone=second, classifiers=(voting(kit),))
    with pytest.raises(SpaceIncomplete, match=r"4 of 10 segments have no vector in this space"):
        prepare(parts, None)
    accepted = add(accept_failed=True)
    assert (accepted.accepted, accepted.lacking, len(accepted.failures)) == (4, 0, 2)
    assert prepare(parts, None).vocabulary.names and state(built) == (6, 0, 4)
    assert add().failures == (), "it was accepted"
    Pillow.fromarray(kit.picture(seed=1).pixels).save(tmp_path / "1.png")
    assert (add().segments, state(built)) == (2, (8, 0, 2)), "a photo that is back is made up for"


def voting(kit):
    return kit.loaded("stub.table", kit.Classifier([[1.0]]), needs=("neighbours",))


def test_masks_that_meet_no_cell_are_dropped_named_and_block_nothing(built, add, kit, second, world):
    small = kit.picture("sky", "car", seed=7)

    def tiny(image, vocabulary):
        found = kit.annotated(image, vocabulary)
        masks = found.masks.clone()
        masks[1], masks[1, 3, 15] = 0.0, 1.0
        return MaskProposals(masks, found.objectness, found.image_size, found.prompts)

    build_store(kit.parts(built, tiny), kit.Source([small], name="listed"), "listed:y")
    world.items[:] = [small]
    second.component.least = 4
    report = add()
    assert (report.dropped, report.segments, state(built)) == (1, 11, (11, 0, 1))
    assert report.failures[0].reason.startswith("dropped: the mask of segment ")
    assert "(car) meets no feature cell of stub.second" in report.failures[0].reason
    built.spaces.require_complete(second.component.space)
    again = add()
    assert (again.total, again.failures) == (0, ()), "no repetition changes that"
    build_store(kit.parts(built), kit.Source([small], name="listed"), "listed:y", None)
    assert state(built) == (11, 0, 1), "the same annotation: nothing was done again"


def test_a_mask_that_was_corrected_lacks_its_vector_until_the_next_run(built, add, kit, second, world):
    add()
    first = world.items[0]
    label_map = first.truth.label_map.copy()
    label_map[:, 10:] = 2
    infos = tuple(replace(one, area=int((label_map == one.id).sum())) for one in first.truth.segments)
    world.items[0] = replace(first, truth=replace(first.truth, label_map=label_map, segments=infos))
    build_store(kit.parts(built), world, "listed:x")
    assert state(built) == (8, 2, 0)
    with pytest.raises(SpaceIncomplete, match="2 of 10"):
        built.spaces.require_complete(second.component.space)
    built.spaces.require_complete(kit.Backbone.space)
    assert add().segments == 2
    built.spaces.require_complete(second.component.space)


def test_a_bad_mask_in_the_catalog_is_a_failure_of_its_image(built, add):
    with transaction(built.engine, write=True) as connection:
        connection.exec_driver_sql("DROP TRIGGER mask_no_update")
        connection.execute(Mask.__table__.update().where(Mask.segment_id == 1).values(rle=b"nonsense"))
    report = add()
    assert (report.images, report.lacking, len(report.failures)) == (4, 2, 1)
    assert "COCO mask" in report.failures[0].reason


def test_many_masks_are_pooled_a_few_at_a_time(built, add, monkeypatch, second):
    sizes, original = [], mask_vectors.pooled

    def counted(backbone, image, features, proposals):
        sizes.append(len(proposals))
        return original(backbone, image, features, proposals)

    monkeypatch.setattr(mask_vectors, "pooled", counted)
    monkeypatch.setattr(mask_vectors, "MASK_CELLS", 16 * 24)
    assert add().segments == 10 and sizes == [1] * 10


def test_the_run_says_with_what_it_was_made_and_what_it_did(built, add, second):
    report = add()
    kind, program, config, counts = rows(built, Run.kind, Run.program, Run.config, Run.counts)[-1]
    assert kind == "add_space" and program == __import__("retclip").__version__
    assert (config["backbone"], config["settings"], config["commit_images"]) == ("stub.second", {}, 32)
    assert (counts["total"], counts["images"], counts["segments"], counts["lacking"]) == (5, 5, 10, 0)
    assert {run for (run,) in rows(built, FeatureGap.run_id)} == set() and report.run == 2
    assert len(rows(built, SegmentFeature.segment_id)) == 20


def test_the_run_names_the_backbone_and_the_digests_of_its_weights(built, second, world, tmp_path):
    (tmp_path / "model.safetensors").write_text("tensors")
    loaded = replace(second, files={"second/model.safetensors": tmp_path / "model.safetensors"})
    add_space(built, loaded, lambda _: world, commit_images=32)
    (made_with,) = rows(built, Run.components)[-1]
    assert list(made_with) == ["backbone"]
    assert (made_with["backbone"]["name"], made_with["backbone"]["version"]) == ("stub.second", "1")
    assert made_with["backbone"]["weights"] == {"second/model.safetensors": sha256(b"tensors").hexdigest()}


def test_an_empty_store_and_a_space_that_is_not_there_are_told(fresh, kit, second, world, add):
    with pytest.raises(StoreMissing, match="retclip build"):
        add()
    build_store(kit.parts(fresh.store), world, "listed:x")
    parts = replace(kit.parts(fresh.store), second_backbone=second)
    with pytest.raises(SpaceMismatch, match=r"stub\.colour.*retclip store add-space --backbone stub\.second"):
        build_store(parts, world, "listed:x")
    with pytest.raises(SpaceMismatch, match="store add-space"):
        prepare(replace(parts, classifiers=(voting(kit),)), None)


def test_a_photo_that_the_backbone_refuses_is_a_failure(built, add, second, monkeypatch):
    original = type(second.component).dense_features

    def refusing(self, images):
        if self.asked == 2:
            type(self).asked += 1
            raise DataError("a photo", "too odd", "leave it out")
        return original(self, images)

    monkeypatch.setattr(type(second.component), "dense_features", refusing)
    report = add()
    assert (report.images, len(report.failures), state(built)) == (4, 1, (8, 2, 0))
