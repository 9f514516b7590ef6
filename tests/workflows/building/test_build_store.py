"""Building: what is stored of each image, what is skipped, what a bad image costs, and what a stop leaves behind."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sqlalchemy import select

from retclip.config import load
from retclip.errors import ConfigError, ContractBroken, DataError, SpaceMismatch
from retclip.store.sql.engine import transaction
from retclip.store.sql.tables import ImageRow, Mask, Run, Segment, Unit
from retclip.store.work.ledger import MAX_ATTEMPTS
from retclip.types import FeatureSpace, MaskProposals
from retclip.workflows.building.build_store import build_store

BAD = DataError("a photo", "half of one", "copy it again")


@pytest.fixture
def build(fresh, kit):
    def run(items, classes=None, answer=kit.annotated, settings=None, names=("sky", "grass", "car", "sand"), **options):
        parts = kit.parts(fresh.store, answer, (), load(None, settings))
        return build_store(parts, kit.Source(items, names), "listed:x", classes, **options)

    return run


def rows(fresh, *columns):
    with transaction(fresh.store.engine) as connection:
        return [tuple(row) for row in connection.execute(select(*columns))]


def counts(fresh):
    return {one.name: one.segments for one in fresh.classes.list() if one.segments}


def test_every_annotated_segment_is_stored_with_box_area_and_class(fresh, build, kit):
    report = build([kit.picture(), kit.picture("sky", "car", seed=1)])
    assert (report.images, report.segments, report.total, report.seen) == (2, 4, 2, 2)
    assert report.per_class == {"sky": 2, "grass": 1, "car": 1}
    assert counts(fresh) == {"sky": 2, "grass": 1, "car": 1}
    things = {one.name: one.is_thing for one in fresh.classes.list()}
    assert (things["car"], things["sky"]) == (True, False)
    found = rows(fresh, Mask.x, Mask.y, Mask.width, Mask.height, Mask.area)
    assert sorted(found) == [(0, 0, 12, 16, 192)] * 2 + [(12, 0, 12, 16, 192)] * 2


def test_the_same_again_does_nothing(fresh, build, kit):
    images = [kit.picture(), kit.picture(seed=1)]
    build(images)
    before = rows(fresh, Segment.point_id, Segment.rev)
    again = build(images)
    assert (again.images, again.segments, again.skipped, again.seen) == (0, 0, 2, 2)
    assert rows(fresh, Segment.point_id, Segment.rev) == before
    more = build([*images, kit.picture(seed=2)])
    assert (more.images, more.skipped) == (1, 2)


def test_only_the_classes_asked_for_are_stored_and_images_without_them_are_empty(fresh, build, kit):
    report = build([kit.picture(), kit.picture("grass", "sand")], ["sky"])
    assert (report.images, report.empty, report.segments) == (1, 1, 1)
    assert counts(fresh) == {"sky": 1}


def test_a_bad_image_is_a_failure_with_its_reason_and_the_others_are_stored(fresh, build, kit):
    report = build([BAD, kit.picture(), ValueError("odd")])
    assert (report.images, report.segments, report.seen) == (1, 2, 3)
    assert [(one.external_id, one.uri) for one in report.failures] == [
        ("item0", "/photos/bad0.png"),
        ("item2", "/photos/bad2.png"),
    ]
    assert "half of one" in report.failures[0].reason
    assert "ValueError: odd" in report.failures[1].reason
    assert counts(fresh) == {"sky": 1, "grass": 1}


def test_a_photo_whose_name_is_no_unicode_is_stored_and_a_bad_one_listed(fresh, build, kit):
    odd = replace(kit.picture(), uri="/photos/caf\udce9.png")
    assert build([odd]).segments == 2
    assert rows(fresh, ImageRow.uri) == [("/photos/caf\\udce9.png",)]

    def failing(*_):
        raise BAD

    report = build([replace(kit.picture(seed=1), uri="/photos/\udcff.png")], answer=failing)
    assert [one.uri for one in report.failures] == ["/photos/\\udcff.png"]


def test_a_failed_image_is_tried_again_until_it_is_poison(fresh, kit):
    parts, source = kit.parts(fresh.store), kit.Source([BAD])
    for _ in range(MAX_ATTEMPTS + 2):
        report = build_store(parts, source, "listed:x")
        assert len(report.failures) == 1
    assert source.loaded == [0] * MAX_ATTEMPTS
    assert report.failures[0].attempts == MAX_ATTEMPTS
    assert rows(fresh, Unit.state, Unit.attempts) == [("failed", MAX_ATTEMPTS)]


def test_what_failed_too_often_is_tried_when_somebody_says_so_and_counts_anew(fresh, kit):
    parts, source = kit.parts(fresh.store), kit.Source([BAD, kit.picture()])
    for _ in range(MAX_ATTEMPTS + 1):
        (failure,) = build_store(parts, source, "listed:x").failures
    assert source.loaded.count(0) == MAX_ATTEMPTS and "unless you say --retry-failed" in failure.reason
    again = kit.parts(fresh.store, settings=load(None, {"build": {"retry_failed": True}}))
    (failure,) = build_store(again, source, "listed:x").failures
    assert source.loaded.count(0) == MAX_ATTEMPTS + 1 and "retry" not in failure.reason
    assert sorted(rows(fresh, Unit.state, Unit.attempts)) == [("failed", 1), ("finished", 1)]


def test_while_an_image_is_worked_on_it_alone_is_to_blame_for_a_death(fresh, build, kit):
    blamed = []

    def looking(image, vocabulary):
        (begun,) = [name for name, begun in rows(fresh, Unit.external_id, Unit.begun) if begun]
        blamed.append(begun)
        return kit.annotated(image, vocabulary)

    build([kit.picture(seed=n) for n in range(3)], answer=looking)
    assert blamed == ["item0", "item1", "item2"]
    assert not any(begun for (begun,) in rows(fresh, Unit.begun))


def test_an_image_that_was_repaired_is_stored(fresh, build, kit):
    image = kit.picture()

    def failing(*_):
        raise BAD

    build([image], answer=failing)
    assert counts(fresh) == {}
    assert build([image]).segments == 2
    assert [state for (state,) in rows(fresh, Unit.state)] == ["finished"]


def test_masks_without_names_are_refused_with_a_cure(fresh, build, kit):
    def unnamed(image, _):
        return MaskProposals(torch.ones(1, 2, 2), torch.ones(1), image.size)

    words = "masks without a name from stub.masks, no text tower in stub.colour; build with annotated masks"
    with pytest.raises(ConfigError, match=words):
        build([replace(kit.picture(seed=n), truth=None) for n in (0, 1)], answer=unnamed)
    assert rows(fresh, Unit.state) == [], "no photo is to blame: none has used up an attempt"


def test_a_proposer_that_invents_a_name_is_told_apart_from_a_bad_image(fresh, build, kit):
    def inventing(image, _):
        return MaskProposals(torch.ones(1, 2, 2), torch.ones(1), image.size, ("unicorn",))

    with pytest.raises(ContractBroken, match=r"vocabulary from stub\.masks; got 'unicorn'"):
        build([kit.picture()], answer=inventing)
    assert counts(fresh) == {}
    assert [state for (state,) in rows(fresh, Run.state)] == ["failed"]


def test_masks_that_meet_nothing_are_dropped_and_counted(fresh, build, kit):
    def some(image, _):
        masks = torch.zeros(3, 2, 2)
        masks[0], masks[2] = 1.0, 0.3  # the second meets nothing, the third is nowhere more than half there
        return MaskProposals(masks, torch.tensor([0.9, 0.8, 0.7]), image.size, ("sky", "sky", "sky"))

    report = build([kit.picture()], answer=some)
    assert (report.segments, report.dropped) == (1, 2)


def test_of_many_masks_the_best_are_kept_and_numbered_by_falling_objectness(fresh, build, kit):
    def many(image, _):
        return MaskProposals(torch.ones(4, 2, 2), torch.tensor([0.2, 0.9, 0.5, 0.1]), image.size, ("sky",) * 4)

    report = build([kit.picture()], answer=many, settings={"build": {"max_segments": 3}})
    assert report.segments == 3
    found = sorted(rows(fresh, Segment.ordinal, Segment.score))
    assert [ordinal for ordinal, _ in found] == [0, 1, 2]
    assert [score for _, score in found] == pytest.approx([0.9, 0.5, 0.2])


def relabelled(image, **names):
    """The same photo, annotated otherwise."""
    segments = tuple(replace(one, class_name=names.get(one.class_name, one.class_name)) for one in image.truth.segments)
    return replace(image, truth=replace(image.truth, segments=segments))


def test_a_corrected_annotation_replaces_the_old_one_and_back_again(fresh, build, kit):
    wrong, other = kit.picture("sky", "car"), kit.picture("grass", "sand")
    right = relabelled(wrong, car="grass")
    assert build([wrong, other]).displaced == 0
    assert counts(fresh) == {"sky": 1, "car": 1, "grass": 1, "sand": 1}
    again = build([right, other])
    assert (again.skipped, again.displaced, again.counts()["displaced"]) == (1, 1, 1)
    assert counts(fresh) == {"sky": 1, "grass": 2, "sand": 1}, "no car is left"
    assert build([wrong, other]).segments == 2
    assert counts(fresh) == {"sky": 1, "car": 1, "grass": 1, "sand": 1}


def test_an_image_that_lost_the_only_class_asked_for_is_not_passed_over(fresh, build, kit):
    image = kit.picture("sky", "car")
    build([image, kit.picture("sky", "grass")], ["car"])
    assert counts(fresh) == {"car": 1}
    report = build([relabelled(image, car="sand"), kit.picture("sky", "grass")], ["car"])
    assert (report.images, report.empty, report.segments) == (1, 1, 0)
    assert counts(fresh) == {}


def test_a_smaller_limit_is_not_final(fresh, build, kit):
    def many(image, _):
        return MaskProposals(torch.ones(4, 2, 2), torch.ones(4), image.size, ("sky",) * 4)

    images = [kit.picture()]
    assert build(images, answer=many, settings={"build": {"max_segments": 1}}).segments == 1
    assert build(images, answer=many).segments == 4
    assert counts(fresh) == {"sky": 4}


def test_classes_are_found_however_they_are_spelt_and_typos_are_said(fresh, build, kit):
    assert build([kit.picture()], ["SKY"]).segments == 1
    assert counts(fresh) == {"sky": 1}
    with pytest.raises(DataError, match="did you mean 'sky'"):
        build([kit.picture()], ["skyy"])


def test_an_address_that_is_no_unicode_is_recorded(fresh, kit):
    source = kit.Source([kit.picture()], name="caf\udce9")
    build_store(kit.parts(fresh.store), source, "listed:caf\udce9")
    assert rows(fresh, Run.source) == [(f"listed:{Path.cwd()}/caf\\udce9",)]


def test_a_source_without_classes_needs_names(fresh, build, kit):
    with pytest.raises(DataError, match="add --classes"):
        build([kit.picture()], names=())


def test_progress_is_told_after_each_committed_group(fresh, build, kit):
    seen = []

    def step(progress):
        seen.append((progress.done, sum(counts(fresh).values())))

    images = [kit.picture(seed=n) for n in range(5)]
    build(images, settings={"build": {"commit_images": 2}}, on_progress=step)
    assert seen == [(2, 4), (4, 8), (5, 10)]


def test_ctrl_c_keeps_what_is_done_and_the_next_run_goes_on(fresh, build, kit):
    images, started = [kit.picture(seed=n) for n in range(4)], []

    def until_stopped(image, vocabulary):
        started.append(image.uri)
        if len(started) == 3:
            raise KeyboardInterrupt
        return kit.annotated(image, vocabulary)

    with pytest.raises(KeyboardInterrupt):
        build(images, answer=until_stopped)
    assert counts(fresh) == {"sky": 2, "grass": 2}
    assert [state for (state,) in rows(fresh, Run.state)] == ["interrupted"]
    again = build(images)
    assert (again.skipped, again.images) == (2, 2)
    assert counts(fresh) == {"sky": 4, "grass": 4}


def test_another_feature_space_is_refused_before_anything_is_done(fresh, build, kit, monkeypatch):
    build([kit.picture()])
    monkeypatch.setattr(kit.Backbone, "space", FeatureSpace("stub.colour", "none", "other", "mean-1", 3))
    source = kit.Source([kit.picture(seed=1)])
    with pytest.raises(
        SpaceMismatch, match=r"stub\.colour .* with preprocessing 'other', where the store has.*say the settings"
    ):
        build_store(kit.parts(fresh.store), source, "listed:x")
    assert source.loaded == []


def test_a_run_is_recorded_with_what_it_did(fresh, build, kit):
    build([kit.picture(), BAD])
    ((kind, source, state, told),) = rows(fresh, Run.kind, Run.source, Run.state, Run.counts)
    assert (kind, source, state) == ("build", f"listed:{Path.cwd()}/x", "finished")
    assert (told["images"], told["segments"], told["failures"]) == (1, 2, 1)


def test_a_run_and_its_segments_say_what_made_them(fresh, kit, tmp_path):
    def scored(image, vocabulary):
        found = kit.annotated(image, vocabulary)
        return replace(found, detector_scores=torch.tensor([0.5, 0.25]), mask_scores=torch.tensor([0.75, 1.0]))

    (tmp_path / "masks.safetensors").write_bytes(b"weights")
    parts = kit.parts(fresh.store, scored)
    proposer = replace(parts.proposer, files={"own/masks.safetensors": tmp_path / "masks.safetensors"})
    build_store(replace(parts, proposer=proposer), kit.Source([kit.picture()]), "listed:x")
    ((found,),) = rows(fresh, Run.components)
    assert {role: one["name"] for role, one in found.items()} == {"proposer": "stub.masks", "backbone": "stub.colour"}
    assert found["proposer"]["weights"] == {"own/masks.safetensors": hashlib.sha256(b"weights").hexdigest()}
    scores = rows(fresh, Segment.prompt, Segment.detector_score, Segment.mask_score)
    assert sorted(scores) == [("grass", 0.25, 1.0), ("sky", 0.5, 0.75)]
