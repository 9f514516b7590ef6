"""Lists of segments as page, picture, CSV and notebook: what stands in them, also where photos are gone."""

import base64
import csv
import io
import re
from dataclasses import replace
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image

from retclip.errors import ConfigError, DataError
from retclip.report.segment_crops import IN_PICTURE, SIDE
from retclip.report.segment_table import IN_REPR, SegmentTable, check_sheet
from retclip.store.records import ListedSegment, SegmentFilter


@pytest.fixture(scope="module")
def table(memory):
    store = memory.store
    page = store.segments.select(SegmentFilter(), 10)
    segments = store.segments.listed(page.ids)
    rows = [replace(one, distance=0.125 * number, trust=0.5) for number, one in enumerate(segments)]
    return SegmentTable(tuple(rows), "the first of the store", page.next, store.segments.masks)


def test_a_table_is_a_sequence_and_a_slice_is_a_table(table):
    assert len(table) == 10 and table[0].id == table.ids[0] and list(table) == list(table.segments)
    part = table[2:4]
    assert isinstance(part, SegmentTable) and part.ids == table.ids[2:4] and part.masks is table.masks


def test_plain_data_names_id_and_class(table):
    told = table.as_dict()
    first = told["segments"][0]
    assert (first["segment"], first["class"]) == (str(table[0].id), table[0].class_name)
    assert told["next"] == table.next is not None and first["state"] == "visible"


def test_a_page_has_a_crop_of_every_segment_cut_by_its_mask(table, tmp_path):
    page = table.save(tmp_path / "new" / "sheet.html").read_text(encoding="utf-8")
    pictures = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", page)
    assert len(pictures) == 10
    crop = np.asarray(Image.open(io.BytesIO(base64.b64decode(pictures[0]))))
    assert max(crop.shape[:2]) == SIDE
    for one in table:
        assert str(one.id) in page and f"distance {one.distance:.4f}" in page and one.class_name in page
    table.save(tmp_path / "new" / "sheet.html")  # its own file it may replace


def test_a_picture_says_label_distance_and_origin(table, tmp_path, texts):
    file = table.save(tmp_path / "sheet.png")
    assert Image.open(file).width > 6 * 176
    said = " ".join(texts)
    for number, one in enumerate(table):
        assert f"{number + 1}. {one.class_name}" in said and f"distance {one.distance:.4f}" in said
        assert str(one.id)[:8] in said and one.dataset in said


def test_a_photo_that_is_gone_is_said_in_its_place(table, tmp_path, texts):
    gone = [replace(table[0], image_uri=str(tmp_path / "gone.png")), *table[1:3]]
    lost = SegmentTable(tuple(gone), "lost", None, table.masks)
    page = lost.save(tmp_path / "lost.html").read_text(encoding="utf-8")
    assert page.count("photo not found") == 1 and page.count("base64") == 2
    lost.save(tmp_path / "lost.png")
    assert texts.count("photo not found") == 1


def test_a_list_in_csv_begins_with_segment_and_class(table, tmp_path):
    odd = replace(table[0], class_name="=1+1", note="a\nb")
    file = SegmentTable((odd, *table[1:])).save(tmp_path / "list.csv")
    assert file.read_text(encoding="utf-8").startswith("segment,class,dataset,")
    with file.open(newline="", encoding="utf-8") as text:
        rows = list(csv.DictReader(text))
    assert [row["segment"] for row in rows] == [str(one.id) for one in table]
    assert rows[0]["class"] == "'=1+1" and rows[0]["note"] == r"a\nb"
    assert tuple(int(rows[3][side]) for side in ("x0", "y0", "x1", "y1")) == table[3].box
    assert float(rows[3]["distance"]) == table[3].distance
    SegmentTable(table.segments[:2]).save(file)  # its own


def test_a_notebook_shows_pictures_and_no_name_is_markup(table):
    odd = replace(table[0], class_name="<script>alert(1)</script>")
    html = SegmentTable((odd, *table[1:3]), "<b>", None, table.masks)._repr_html_()
    assert html.count("base64") == 3 and "<script" not in html and "<b>&lt;b" not in html
    assert "no segment" in SegmentTable(())._repr_html_()


def test_a_line_for_each_of_the_first(table):
    lines = repr(table).splitlines()
    assert lines[0] == "<SegmentTable of 10: the first of the store, more to come>" and len(lines) == IN_REPR + 2
    assert str(table[0].id)[:8] in lines[1] and lines[-1].endswith("2 more")


def test_many_crops_are_counted(table, tmp_path, texts):
    many = SegmentTable(tuple(replace(table[0], id=uuid4()) for _ in range(IN_PICTURE + 5)), "many")
    many.save(tmp_path / "many.png")
    assert f"the first {IN_PICTURE} of {IN_PICTURE + 5}" in " ".join(texts)


def test_a_foreign_file_and_another_ending_are_refused_before_the_work(table, tmp_path):
    for name in ("notes.csv", "notes.html"):
        mine = tmp_path / name
        mine.write_text("segment,what I think\n")
        with pytest.raises(ConfigError, match="--sheet"):
            check_sheet(mine)
        with pytest.raises(ConfigError):
            table.save(mine)
        assert mine.read_text() == "segment,what I think\n"
    with pytest.raises(DataError, match=r"\.html, \.png or \.csv"):
        check_sheet(tmp_path / "sheet.jpg")


def test_a_listed_segment_without_a_mask_is_its_box(table, tmp_path):
    assert isinstance(table[0], ListedSegment)
    plain = SegmentTable(table.segments[:1]).save(tmp_path / "box.html").read_text(encoding="utf-8")
    assert plain.count("base64") == 1
