"""The starter memory: whole, of free photos alone, each named in NOTICE; imported by its plugin's name, and of use."""

import json
import re
from pathlib import Path

import pytest
import retclip_starter
from retclip_starter import make

import retclip
from retclip.data.class_file.reading import read_class_file
from retclip.plugin.conformance import check_component
from retclip.plugin.manager import PluginManager

PLUGIN = Path(retclip_starter.__file__).parents[1]
DOCUMENT = {
    "licenses": [
        {"id": 1, "url": "http://creativecommons.org/licenses/by-nc-sa/2.0/"},
        {"id": 2, "url": "http://creativecommons.org/licenses/by-nc/2.0/"},
        {"id": 3, "url": "http://creativecommons.org/licenses/by-nc-nd/2.0/"},
        {"id": 4, "url": "http://creativecommons.org/licenses/by/2.0/"},
        {"id": 5, "url": "http://creativecommons.org/licenses/by-sa/2.0/"},
        {"id": 6, "url": "http://creativecommons.org/licenses/by-nd/2.0/"},
        {"id": 7, "url": "http://flickr.com/commons/usage/"},
        {"id": 8, "url": "http://www.usa.gov/copyright.shtml"},
    ],
    "images": [{"id": 10 + n, "license": n} for n in range(1, 9)],
    "annotations": [{"image_id": 10 + n} for n in range(1, 9)],
    "categories": [],
}


@pytest.fixture(scope="module")
def contents():
    return read_class_file(retclip_starter.COCO)


def test_it_keeps_its_contract():
    info = PluginManager.discover().find("class_file", "starter.coco")
    assert [one for one in check_component(info) if one.ok is not True and one.check != "loaded twice, the same"] == []


def test_photos_are_of_the_training_split_and_free(contents):
    assert len(contents.photos) > 20 and len(contents.segments) > 200
    for photo in contents.photos:
        assert any(place in photo.licence for place in make.FREE), photo.id
        assert not re.search(r"by-n|-nc|-nd|NonCommercial|NoDeriv", photo.licence), photo.id
        assert photo.address.startswith("http")
    assert {one.data_set for one in contents.origins} == {"coco_panoptic-train"}


def test_no_validation_photo_is_in_it(contents):
    folder = PLUGIN.parents[2] / "shared" / "data" / "coco_panoptic"
    if not folder.is_dir():
        pytest.skip("needs the real-data packs")
    names = {one["file_name"] for one in json.loads((folder / "panoptic_val.json").read_text())["images"]}
    assert not names & {photo.id for photo in contents.photos}


def test_the_notice_names_every_photo(contents):
    assert (PLUGIN / "NOTICE").read_text() == make.notice(retclip_starter.COCO)
    text = (PLUGIN / "NOTICE").read_text()
    assert all(photo.id in text and photo.address in text for photo in contents.photos)


def test_it_is_small_and_holds_no_path():
    content = retclip_starter.COCO.read_bytes()
    assert len(content) < 1_500_000
    assert b"/tmp" not in content and b"/home" not in content


def test_only_licences_that_let_anybody_change_a_photo():
    kept = make.free_photos(DOCUMENT)
    assert [one["license"] for one in kept["images"]] == [4, 5, 7, 8]
    assert [one["image_id"] for one in kept["annotations"]] == [14, 15, 17, 18]


@pytest.mark.parametrize(
    ("coco", "name"),
    [
        ("cat", "cat"), ("sky-other-merged", "sky"), ("wall-brick", "brick wall"), ("wall-wood", "wooden wall"),
        ("door-stuff", "door"), ("window-other", "window"), ("window-blind", "window blind"), ("dining table",) * 2,
        ("playingfield", "playing field"),
    ],
)  # fmt: skip
def test_names_are_what_people_say(coco, name):
    assert make.everyday_name(coco) == name


def test_it_is_imported_by_its_name(contents, tmp_path):
    settings = {"store": {"index": "resident"}}
    with retclip.open(tmp_path / "store", preset="photos", create=True, settings=settings) as memory:
        done = memory.classes.import_("starter")
        assert done.segments == len(contents.segments)
        assert {"sky", "person"} <= {known.name for known in memory.classes}
        assert memory.classes.import_("starter.coco").present == done.segments
        memory.undo(done.event)
        assert [known for known in memory.classes if known.segments] == []
