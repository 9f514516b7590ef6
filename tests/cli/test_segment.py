"""`retclip segment` says of each photo what it found, or why nothing; a run that labelled nothing is not done."""

import json
import re

import pytest
from PIL import Image

from retclip.data.readers.coco.coco_panoptic import CocoPanoptic, CocoPanopticSettings

RESIDENT = ("--set", "store.index=resident")


@pytest.fixture
def segment(run, built, tmp_path):
    def call(*arguments, store=built.store):
        return run("segment", *arguments, "--store", store, "--out", tmp_path / "out", *RESIDENT)

    return call


def test_a_line_for_each_photo(segment, built):
    ran = segment(built.photos / "train_0_0000.png", built.photos / "train_0_0001.png")
    assert (ran.code, ran.out) == (0, "")
    for name in ("train_0_0000", "train_0_0001"):
        assert re.search(rf"^{name}\S*: .*sky \d+ %.*, (\d+|over 99) % labelled$", ran.err, re.MULTILINE), ran.err
    assert "warning" not in ran.err


def test_as_json_segments_classes_scores_boxes_and_files(segment, built, tmp_path):
    (photo,) = json.loads(segment(built.photos / "train_0_0000.png", "--json").out)["images"]
    assert 0.5 < photo["labelled"] <= 1 and photo["nothing"] is None
    assert sum(one["segments"] for one in photo["classes"].values()) == len(photo["segments"])
    for one in photo["segments"]:
        x, y, width, height = one["bbox"]
        assert 0 <= x < x + width <= 96 and 0 <= y < y + height <= 64 and one["area"] <= width * height
        assert 0 < one["score"] <= 1 and one["class"] in photo["classes"]
    assert set(photo["files"]) >= {"panoptic", "overlay", "evidence"}
    for path in photo["files"].values():
        assert path.startswith(str(tmp_path / "out"))
        assert (tmp_path / path).is_file()


def test_names_that_nobody_knows_label_nothing_and_it_is_said_why(segment, built, photos):
    (photos / "bad.png").unlink()
    ran = segment(photos, "--classes", "kayak, unicorn", "--json")
    assert ran.code == 7
    assert "good.png: nothing labelled: none of the classifiers knows any of these names" in ran.err
    assert "warning: nothing was labelled in 1 of 1 photos: good.png" in ran.err
    assert "the preset appearance reads no names" in ran.err
    assert re.search(r"the store \S+ holds [\w ,]+ and \d+ more", ran.err)
    assert "retclip class add NAME PHOTOS --crops" in ran.err and "retclip presets" in ran.err
    (photo,) = json.loads(ran.out)["images"]
    assert (photo["segments"], photo["labelled"]) == ([], 0)
    assert photo["nothing"] == "none of the classifiers knows any of these names"


def test_a_preset_that_cannot_say_none_of_these_says_so_where_the_names_are_few(segment, built):
    photo = built.photos / "train_0_0000.png"
    plainly = ("--set", "segment.unasked='left out'")
    assert "has no answer 'none of these'" in segment(photo, "--classes", "sky, grass", *plainly).err
    assert "has no answer" not in segment(photo).err


def test_what_was_not_asked_for_keeps_its_pixels_and_is_named(segment, built):
    photo = built.photos / "train_0_0000.png"
    ran = segment(photo, "--classes", "sky, tree", "--json")
    everything = segment(photo, "--json")
    (few,), (every,) = (json.loads(each.out)["images"] for each in (ran, everything))
    assert set(few["classes"]) <= {"sky", "tree"} and few["labelled"] < every["labelled"]
    assert few["unasked"] and set(few["unasked"]) <= set(every["classes"]) - {"sky", "tree"}
    assert f"elsewhere like {few['unasked'][0]}" in ran.err and "not asked for" in ran.err
    assert "none of these" not in ran.err
    assert every["unasked"] == [] and "not asked for" not in everything.err


def test_patches_are_not_counted_as_if_they_were_objects(segment, run, built, tmp_path):
    """Superpixels of one thing: the first photo of a newcomer is cut into hundreds. Those that touch are one."""
    store, photo = tmp_path / "own", built.photos / "train_0_0000.png"
    assert run("init", store).code == 0
    assert run("class", "add", "cat", photo, "--crops", "--thing", "--store", store).code == 0
    told = segment(photo, store=store).err
    assert "1 cat" in told and "are patches" not in told
    other = built.photos / "train_0_0001.png"
    assert run("class", "add", "dog", other, "--crops", "--thing", "--store", store).code == 0
    told = segment(built.photos / "train_0_0002.png", store=store).err
    assert re.search(r"^note: the masks of reference.superpixels are patches, not objects: \d+ cat means", told, re.M)
    assert run("undo", "1", "--store", store).code == 0
    assert run("class", "add", "wall", photo, "--crops", "--stuff", "--store", store).code == 0
    assert "are patches" not in segment(photo, store=store).err  # nobody counts stuff


def test_an_empty_store_is_called_empty(segment, run, photos, tmp_path):
    assert run("init", tmp_path / "empty").code == 0
    ran = segment(photos / "good.png", "--classes", "sky", store=tmp_path / "empty")
    assert ran.code == 7 and f"the store {tmp_path / 'empty'} is empty" in ran.err
    ran = segment(photos / "good.png", store=tmp_path / "empty")
    assert ran.code == 2 and "retclip class add" in ran.err


def test_one_photo_that_is_labelled_is_enough_for_exit_code_0(segment, photos, monkeypatch):
    """A photo in which a model found nothing is an answer; it is counted and named."""
    from retclip.engine import RetCLIP

    original = RetCLIP.segment

    def labelled(self, images, classes=None):
        from dataclasses import replace

        answers = original(self, images, classes)
        return [replace(one, segments=()) if "empty" in one.image.uri else one for one in answers]

    monkeypatch.setattr(RetCLIP, "segment", labelled)
    (photos / "bad.png").unlink()
    (photos / "empty.png").write_bytes((photos / "good.png").read_bytes())
    ran = segment(photos)
    assert ran.code == 0
    assert "warning: nothing was labelled in 1 of 2 photos: empty.png" in ran.err


def test_a_preset_that_asks_no_store_complains_of_none(run, photos, tmp_path):
    given = ("--preset", "miniature-fc-clip", "--classes", "sky, car", "--store", tmp_path / "gone")
    ran = run("segment", photos / "good.png", *given, "--out", tmp_path / "out")
    assert ran.code in (0, 7) and "the store has no segments" not in ran.err


def test_two_folders_with_photos_of_one_name_make_a_readable_data_set(segment, photos, tmp_path):
    for name in ("A", "B", "C"):
        (tmp_path / name).mkdir()
    for place in ("A/x.png", "B/x.png", "C/y.png", "C/y.jpg"):
        Image.open(photos / "good.png").rotate(len(place)).save(tmp_path / place)
    ran = segment(*(tmp_path / name for name in "ABC"), tmp_path / "A" / "x.png")
    assert ran.code == 0, ran.err
    assert "4 photos segmented" in ran.err, "one that is named twice is worked on once"
    assert "A/x.png: " in ran.err and "B/x.png: " in ran.err
    read = CocoPanoptic(CocoPanopticSettings(path=str(tmp_path / "out"), images=str(tmp_path)))
    assert [one.external_id for one in read.images()] == ["A/x.png", "B/x.png", "C/y.jpg", "C/y.png"]
    assert all(one.load().truth is not None for one in read.images())
    assert (tmp_path / "out" / "B" / "x.evidence.npz").is_file()


def test_a_folder_that_holds_anything_else_is_refused_before_the_work_and_stays_as_it_is(run, built, labelled):
    """An annotated data set has files of the names that results have: panoptic.json, panoptic/*.png."""
    root, _ = labelled
    (root / "panoptic").mkdir()
    Image.new("RGB", (96, 64), (1, 0, 0)).save(root / "panoptic" / "a.png")
    (root / "panoptic.json").write_text(json.dumps({"images": [], "annotations": [], "categories": []}))
    (root / "failures.csv").write_text("mine\n")
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    for out in (root, root / "images", built.store):
        ran = run("segment", root / "images", "--store", "no store at all", "--out", out)
        assert (ran.code, ran.out) == (2, "") and "choose a new folder with --out" in ran.err, ran.err
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_our_own_folder_is_written_into_again_and_a_foreign_list_in_it_stays(segment, photos, tmp_path):
    assert segment(photos).code == 7
    assert (tmp_path / "out" / "failures.csv").is_file()
    (tmp_path / "out" / "failures.csv").write_text("mine\n")
    ran = segment(photos)
    assert ran.code == 7 and f"see {tmp_path / 'out' / 'failures_2.csv'}" in ran.err
    (photos / "bad.png").unlink()
    assert segment(photos).code == 0
    assert [one.read_text() for one in (tmp_path / "out").glob("failures*.csv")] == ["mine\n"]
