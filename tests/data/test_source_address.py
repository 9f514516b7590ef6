"""Addresses of image sources: reader, path and settings taken apart, and what is no address refused."""

from pathlib import Path

import pytest

from retclip.data.source_address import (
    absolute_address,
    is_plain,
    joined_address,
    parse_address,
    reader_of,
    shown_address,
)
from retclip.data.sources import retclip_image_sources
from retclip.errors import DataError

ADDRESSES = {
    # a path alone is a folder, file or glob of photos
    "photos": ("folder", {"path": "photos"}),
    "/data/my photos": ("folder", {"path": "/data/my photos"}),
    "../a.jpg": ("folder", {"path": "../a.jpg"}),
    ".": ("folder", {"path": "."}),
    "photos/*.jpg": ("folder", {"path": "photos/*.jpg"}),
    "photos/img?.jpg": ("folder", {"path": "photos/img?.jpg"}),
    "photos/a?b=c": ("folder", {"path": "photos/a?b=c"}),
    "C:\\photos": ("folder", {"path": "C:\\photos"}),  # one letter is a drive
    "c:/photos": ("folder", {"path": "c:/photos"}),
    "UPPER:photos": ("folder", {"path": "UPPER:photos"}),
    "./coco:x": ("folder", {"path": "./coco:x"}),
    "a b:c": ("folder", {"path": "a b:c"}),
    # a reader in front
    "folder:photos": ("folder", {"path": "photos"}),
    "coco-panoptic:/data/coco": ("coco-panoptic", {"path": "/data/coco"}),
    "my.plugin_2:x": ("my.plugin_2", {"path": "x"}),
    "label-maps:C:\\camvid": ("label-maps", {"path": "C:\\camvid"}),
    "label-maps:a:b": ("label-maps", {"path": "a:b"}),
    "folder:new\nline": ("folder", {"path": "new\nline"}),
    "folder:a%20b": ("folder", {"path": "a%20b"}),  # the path is taken as it stands
    # settings behind it
    "coco-panoptic:c?split=val": ("coco-panoptic", {"path": "c", "split": "val"}),
    "x2:c?": ("x2", {"path": "c"}),
    "x2:c?split=": ("x2", {"path": "c", "split": ""}),
    "x2:c?a=1&b=2": ("x2", {"path": "c", "a": "1", "b": "2"}),
    "x2:c?a=b=c": ("x2", {"path": "c", "a": "b=c"}),
    "x2:c?exclude=sky&exclude=tree": ("x2", {"path": "c", "exclude": ("sky", "tree")}),
    "x2:c?e=1&e=2&e=3": ("x2", {"path": "c", "e": ("1", "2", "3")}),
    "x2:c?only=traffic%20light": ("x2", {"path": "c", "only": "traffic light"}),
    "x2:c?only=traffic+light": ("x2", {"path": "c", "only": "traffic light"}),
    "x2:c?only=a%26b%3Dc": ("x2", {"path": "c", "only": "a&b=c"}),
    "x2:c?only=%E7%8C%AB": ("x2", {"path": "c", "only": "猫"}),
    "x2:c?a=what?": ("x2", {"path": "c", "a": "what?"}),
}


@pytest.mark.parametrize(("address", "expected"), ADDRESSES.items(), ids=map(ascii, ADDRESSES))
def test_an_address_is_taken_apart(address, expected):
    assert parse_address(address) == expected


@pytest.mark.parametrize("address", ["", "folder:", "coco-panoptic:?split=val"])
def test_an_address_without_a_path_is_refused(address):
    with pytest.raises(DataError, match="path") as caught:
        parse_address(address)
    assert repr(address) in caught.value.got


@pytest.mark.parametrize("query", ["split", "split=val&", "&split=val", "split=val&&a=b", "a=1&b"])
def test_settings_that_are_no_pairs_are_refused(query):
    with pytest.raises(DataError, match="key=value") as caught:
        parse_address(f"coco-panoptic:c?{query}")
    assert repr(query) in caught.value.got


def test_the_readers_that_ship_understand_their_addresses():
    readers = {one.name: one for one in retclip_image_sources()}
    assert set(readers) == {
        "folder", "class-folders", "label-table", "image-text", "label-maps", "coco-panoptic", "coco-instances",
        "cityscapes", "ade20k", "ade20k-full", "open-images",
        "regions",
    }  # fmt: skip
    name, settings = parse_address("label-maps:camvid?split=val&exclude=sky&exclude=tree&min_area=20&components=no")
    found = readers[name].settings(**settings)
    assert (found.path, found.split, found.exclude, found.min_area) == ("camvid", "val", ("sky", "tree"), 20)
    assert found.components is False
    name, settings = parse_address("coco-panoptic:coco?only=cat")
    assert readers[name].settings(**settings).only == ("cat",)


@pytest.mark.parametrize(
    "text", ["folder:a?split=val", "class-folders:a?path=b", "label-maps:a?min_area=-1", "folder:a?=b"]
)
def test_settings_that_a_reader_does_not_have_are_refused(text):
    readers = {one.name: one for one in retclip_image_sources()}
    name, settings = parse_address(text)
    with pytest.raises(ValueError, match="validation error"):
        readers[name].settings(**settings)


def test_paths_of_any_name_become_one_address_and_come_back():
    paths = ["a b.jpg", "what?.png", "x&y=1#.png", "\udcff.png", "ü.png"]
    address = joined_address("regions", paths, boxes="my boxes.csv", shows="red fox")
    assert parse_address(address) == ("regions", {"path": tuple(paths), "boxes": "my boxes.csv", "shows": "red fox"})
    assert parse_address(joined_address("folder", ["a.jpg"])) == ("folder", {"path": "a.jpg"})


@pytest.mark.parametrize("address", ["folder:?path=", "folder:?recursive=true", "folder:?path=a&path="])
def test_an_empty_path_among_the_keys_is_refused(address):
    with pytest.raises(DataError, match="name a path"):
        parse_address(address)


def test_an_address_of_many_paths_is_shown_short():
    assert shown_address("a b?.jpg") == "a b?.jpg"
    assert shown_address("label-maps:x?split=val") == "label-maps:x?split=val"
    assert shown_address(joined_address("folder", ["a", "b", "c"])) == "folder:a and 2 more"
    assert reader_of(shown_address(joined_address("regions", ["a?b", "c"]))) == "regions" and reader_of("a") == "folder"
    assert shown_address(joined_address("regions", ["a", "b"], boxes="c.csv")) == "regions:a and 1 more?boxes=c.csv"


def test_a_path_alone_is_plain():
    assert is_plain("photos/a.jpg") and is_plain("C:x") and not is_plain("folder:x") and not is_plain("regions:?path=a")


def _paths(address):
    paths = parse_address(address)[1]["path"]
    return (paths,) if isinstance(paths, str) else paths


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_absolute_address_is_the_same_source_from_every_folder(address, tmp_path, monkeypatch):
    reader, settings = parse_address(address)
    monkeypatch.chdir(tmp_path)
    found = absolute_address(address)
    there, told = parse_address(found)
    assert there == reader and {**told, "path": 0} == {**settings, "path": 0}
    assert [Path(one) for one in _paths(found)] == [Path(one).absolute() for one in _paths(address)]
    monkeypatch.chdir("/")
    assert absolute_address(found) == found


def test_files_that_other_keys_name_are_absolute_where_they_are_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "names.txt").write_text("a")
    found = parse_address(absolute_address("image-text:pairs.tar?vocabulary=names.txt&text=names&exclude=a&exclude=b"))
    assert found[1] == {
        "path": f"{tmp_path}/pairs.tar", "vocabulary": f"{tmp_path}/names.txt", "text": "names", "exclude": ("a", "b"),
    }  # fmt: skip
    assert absolute_address("label-maps:package:retclip/x") == "label-maps:package:retclip/x"
    assert absolute_address("world:") == "world:", "what is no address is left as it is"
