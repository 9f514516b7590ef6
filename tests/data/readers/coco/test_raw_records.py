"""A COCO JSON's records, parsed one at a time: what Python's parser makes of the whole file, in less memory."""

import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.data.readers.coco.coco_instances import CocoInstances
from retclip.data.readers.coco.coco_panoptic import CocoPanopticSettings
from retclip.data.readers.coco.coco_records import photos_by_id, read_document
from retclip.data.readers.coco.raw_records import RawRecords, read_records
from retclip.documents import read_json
from retclip.errors import DataError
from retclip.passed_over import Tally

SQUARE = [[1.5, 1, 6, 1, 6, 6, 1, 6]]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)


def written(folder, records, **others):
    file = folder / "a.json"
    file.write_text(json.dumps({"images": [], "categories": [], "annotations": records, **others}))
    return file


@settings(max_examples=60, deadline=None)
@given(records=st.lists(VALUES, max_size=5), escaped=st.booleans())
def test_records_are_what_python_s_parser_makes_of_them(tmp_path_factory, records, escaped):
    file = tmp_path_factory.mktemp("a") / "a.json"
    text = json.dumps({"annotations": records, "categories": records, "licenses": records}, ensure_ascii=escaped)
    file.write_bytes(text.encode("utf-8", "replace"))
    document, whole = read_records(file, "COCO JSON"), read_json(file, "COCO JSON")
    assert repr({name: list(part) for name, part in document.items()}) == repr(
        {name: whole[name] for name in document}
    ), "repr: NaN is not equal to itself"
    assert document.keys() == whole.keys()


@pytest.mark.parametrize("text", ['"\\ud800"', "1E400", "123456789012345678901234567890"])
def test_what_only_python_reads_is_read(tmp_path, text):
    file = tmp_path / "a.json"
    file.write_text('{"annotations": [' + text + "]}")
    document = read_records(file, "COCO JSON")
    assert document["annotations"] == [json.loads(text)] == document["annotations"][:]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_every_encoding_of_documents(tmp_path, encoding):
    document = {"images": [{"id": 1}], "categories": [], "annotations": [{"name": "Käfer"}, 5]}
    (tmp_path / "a.json").write_text(json.dumps(document, ensure_ascii=False), encoding=encoding)
    assert read_document(tmp_path / "a.json", "instances") == document


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b'{"annotations": [{"a": 1}', b'{"annotations": [{"a": 1,}]}', b'{"annotations": ["\xff"]}',
     b'{"annotations": {}}', b'{"info": 5}', b'{"annotations": [1]} x', b'{"annotations": [01]}'],
)  # fmt: skip
def test_an_error_is_that_of_the_whole_document(tmp_path, content):
    file = tmp_path / "a.json"
    file.write_bytes(content)

    def said(read):
        try:
            document = read(file, "COCO JSON")
            records = isinstance(document, dict) and isinstance(document.get("annotations"), RawRecords)
            return {"annotations": list(document["annotations"])} if records else document
        except DataError as error:
            return str(error)

    assert said(read_records) == said(read_json)


def test_a_file_that_was_mended_meanwhile_is_told(tmp_path, refused):
    file = tmp_path / "a.json"
    file.write_bytes(b'{"annotations": ["\xff"]}')
    records = read_records(file, "COCO JSON")["annotations"]
    file.write_text('{"annotations": []}')
    refused(lambda: records[0], "a.json", "another than a moment ago")


def test_a_photo_s_record_is_a_mapping_with_a_name_of_its_own(tmp_path):
    images = [{"id": 7, "width": 4, "coco_url": "http://x/train/a.jpg"}, {"file_name": "b.jpg", "id": 8}]
    document = read_document(written(tmp_path, [], images=images), "instances")
    photos = photos_by_id(document["images"], tmp_path / "a.json", Tally(), lambda one: one.get("file_name", "c.jpg"))
    assert {key: dict(photo) for key, photo in photos.items()} == {7: {**images[0], "file_name": "c.jpg"}, 8: images[1]}
    assert (len(photos[7]), len(photos[8]), photos[7].get("height")) == (4, 2, None)


def test_a_document_is_read_at_under_twice_its_size(tmp_path):
    annotations = [
        {"id": n, "image_id": n % 50, "category_id": 1, "iscrowd": 0, "area": n + 0.5, "segmentation": SQUARE * 20}
        for n in range(4000)
    ]
    images = [{"id": n, "file_name": f"{n}.png", "height": 8, "width": 8} for n in range(50)]
    (tmp_path / "images").mkdir()
    file = written(tmp_path, annotations, images=images, categories=[{"id": 1, "name": "cat"}])
    size = file.stat().st_size
    assert size > 1_500_000

    def peak(read):
        tracemalloc.start()
        kept = read()
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return kept, found

    chosen = CocoPanopticSettings(path=str(tmp_path), annotations=str(file))
    source, taken = peak(lambda: CocoInstances(chosen))
    assert taken < 2 * size
    assert peak(lambda: read_json(file, "COCO JSON"))[1] > 3 * size, "what it is held against"
    assert len(source) == 50 and [one.class_names for one in source.images()] == [("cat",)] * 50


def test_a_list_that_comes_twice_is_refused_and_a_word_like_it_is_not(tmp_path):
    file = tmp_path / "a.json"
    file.write_text('{"annotations": [1], "images": [], "annotations": [2]}')
    with pytest.raises(DataError, match="the key 'annotations' twice"):
        read_records(file, "COCO JSON")
    file.write_text('{"annotations": [{"name": "annotations"}], "info": {"images": 3}, "images": [4]}')
    found = read_records(file, "COCO JSON")
    assert found["annotations"][0] == {"name": "annotations"} and found["images"] == [4]
