"""Photos that show nearly the same are one group, and a wrong label that is repeated over them is found."""

import shutil

import numpy as np
import pytest
from PIL import Image as Pillow

import retclip
from retclip.store.records import SegmentFilter
from retclip.workflows.audit.mislabels import grouped
from retclip.workflows.audit.trust import judged_labels, update_trust

COPIES = 4


def photo(seed, tint):
    """A picture of smooth random shapes in shades of one colour, (160, 240)."""
    grey = np.random.default_rng(seed).integers(60, 255, (6, 8, 1)) / 255
    coarse = (grey * np.array(tint)).astype(np.uint8)
    return Pillow.fromarray(coarse).resize((240, 160), Pillow.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def built_store(tmp_path_factory):
    """Five cats (red) and five skies (blue), and one more cat in four sizes, as frames of a film, all named sky."""
    root = tmp_path_factory.mktemp("frames")
    for name, tint, first in (("cat", (255, 60, 40), 0), ("sky", (40, 60, 255), 10)):
        (root / name).mkdir()
        for number in range(first, first + 5):
            photo(number, tint).save(root / name / f"{number}.png")
    for number in range(COPIES):
        photo(99, (255, 60, 40)).resize((240 - 6 * number, 160)).save(root / "sky" / f"film{number}.png")
    settings = {"build": {"proposer": "reference.whole_image"}}
    with retclip.open(root / "store", settings=settings, create=True) as memory:
        for name in ("cat", "sky"):
            memory.classes.add(name, str(root / name), thing=False)
    return root


@pytest.fixture
def memory(built_store, tmp_path):
    shutil.copytree(built_store / "store", tmp_path / "store")
    with retclip.open(tmp_path / "store", settings={"store": {"index": "resident"}}) as opened:
        yield opened


def test_frames_are_one_group_and_other_photos_alone(memory):
    frames = memory.audit.frames()
    film = {photo.id for photo in memory.store.segments.photos() if photo.external_id.startswith("film")}
    assert len(film) == COPIES and {frames.groups[one] for one in film} == {min(film)}
    others = {one: group for one, group in frames.groups.items() if one not in film}
    assert len(others) == 10 and all(one == group for one, group in others.items())
    assert (frames.compared, frames.gone) == (14, 0) and frames.said().startswith("14 photos are 11 groups")
    assert len(set(memory.audit.frames(bits=128).groups.values())) == 1


def test_a_wrong_label_on_every_frame_is_found_only_where_frames_do_not_speak_for_each_other(memory):
    def suspected(**more):
        return {one.image for one in memory.suspects(**more) if one.suggested == "cat"}

    film = {f"film{number}.png" for number in range(COPIES)}
    assert not suspected() & film
    kept = memory.store.trust.kept()
    frames = memory.audit.frames()
    assert suspected(frames=frames) >= film
    assert memory.store.trust.kept() == kept  # what the vote and the filters read stays as it was
    assert memory.suspects(frames=frames).notes == (frames.said(),)
    near = [one for one in memory.audit.suspects(frames=frames) if one.segment.image in film]
    assert all({other.class_name for other in one.neighbours} == {"cat"} for one in near)
    some = memory.suspects(SegmentFilter(classes=("cat",)), frames=frames)
    assert {one.class_name for one in some} <= {"cat"}


def test_without_groups_labels_are_judged_as_those_that_are_kept(memory):
    store = memory.store
    update_trust(store)
    assert judged_labels(store, store.trust.segments()) == store.trust.labels()


def test_a_photo_that_is_gone_is_alone_and_counted(memory, built_store):
    moved = built_store / "sky" / "film1.png"
    away = moved.rename(built_store / "film1.png")
    try:
        frames = memory.audit.frames()
    finally:
        away.rename(moved)
    assert (frames.compared, frames.gone) == (13, 1) and "1 were not where they had been" in frames.said()
    segments = memory.store.trust.segments()
    assert len(set(grouped(segments, frames).images.tolist())) == 12
