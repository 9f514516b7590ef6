"""Boxes and points as tables and COCO JSON: what their columns mean."""

import json

import pytest

from retclip.data.readers.regions.region_tables import read_boxes, read_points
from retclip.passed_over import CROWDS, Tally
from retclip.regions import Point, Region


def table(folder, text, name="marks.csv"):
    (folder / name).write_text(text)
    return folder / name


def test_boxes_of_a_table(tmp_path):
    file = table(tmp_path, "Image,X,y,width,height,note\na.png, 1.5,2,3,4,big\n\nsub/b.png,0,0,1,1,\n")
    marks = read_boxes(file, "fox", Tally())
    assert [(one.image, one.region) for one in marks] == [
        ("a.png", Region("fox", (1.5, 2.0, 4.5, 6.0))), ("sub/b.png", Region("fox", (0.0, 0.0, 1.0, 1.0))),
    ]  # fmt: skip
    assert marks[1].where == f"row 4 of {file}"


def test_a_column_says_the_class_and_tabs_part_cells(tmp_path):
    file = table(tmp_path, "file_name\tlabel\tx\ty\twidth\theight\na.png\tred fox\t1\t2\t3\t4\n", "marks.tsv")
    assert [one.region.class_name for one in read_boxes(file, "", Tally())] == ["red fox"]
    assert [one.region.class_name for one in read_boxes(file, "owl", Tally())] == ["red fox"], "the file knows better"


def test_a_column_that_is_not_read_is_counted(tmp_path):
    tally = Tally()
    read_boxes(table(tmp_path, "image,species,x,y,width,height,positive\na.png,owl,1,2,3,4,0\n"), "fox", tally)
    assert tally.total.counts == {"columns that are not read (species, positive)": 2}
    file = table(tmp_path, "image,x,y,Is Positive,object_id\na.png,1,2,yes,7\na.png,3,4,no,7\n")
    (mark,) = read_points(file, "fox", tally := Tally())
    assert mark.region.points == (Point(1, 2), Point(3, 4, positive=False)) and not tally.total


@pytest.mark.parametrize(("titles", "cells"), [("", ""), (",", ","), ("note,Note", "1,2"), ("object,object_id", "1,2")])
def test_columns_that_are_not_read_may_be_alike_or_without_a_title(tmp_path, titles, cells):
    file = table(tmp_path, f"image,x,y,width,height,{titles}\na.png,1,2,3,4,{cells}\n")
    (mark,) = read_boxes(file, "fox", tally := Tally())
    assert (mark.image, mark.region.box) == ("a.png", (1, 2, 4, 6)) and not tally.total.bad


@pytest.mark.parametrize("titles", ["class,x,Class", "x,x,class", "class,x,IMAGE"])
def test_columns_that_are_read_are_different(tmp_path, refused, titles):
    file = table(tmp_path, f"{titles},y,width,height,image\nfox,1,1,2,3,4,a.png\n")
    refused(lambda: read_boxes(file, "fox", Tally()), "marks.csv", "rename")


@pytest.mark.parametrize("title", ["class_name", "Class Name", "category_name", "className"])
def test_names_go_before_numbers_of_classes(tmp_path, title):
    file = table(tmp_path, f"image,class,{title},x,y,width,height\na.png,3,owl,1,2,3,4\n")
    marks = read_boxes(file, "fox", tally := Tally())
    assert [one.region.class_name for one in marks] == ["owl"]
    assert tally.total.counts == {"columns that are not read (class)": 1}


def test_boxes_of_a_coco_json(tmp_path):
    document = {
        "images": [{"id": 3, "file_name": "sub/a.png"}, {"id": 4, "file_name": "b.png"}],
        "categories": [{"id": 1, "name": "fox"}, {"id": 2, "name": "owl"}],
        "annotations": [
            {"image_id": 4, "category_id": 2, "bbox": [0, 1, 2, 3]},
            {"image_id": 3, "category_id": 1, "bbox": [1.5, 1, 2, 3]},
        ],
    }
    marks = read_boxes(table(tmp_path, json.dumps(document), "boxes.json"), "elk", Tally())
    assert [(one.image, one.region) for one in marks] == [
        ("b.png", Region("owl", (0.0, 1.0, 2.0, 4.0))), ("sub/a.png", Region("fox", (1.5, 1.0, 3.5, 4.0))),
    ]  # fmt: skip


def test_the_box_of_a_crowd_is_no_mark(tmp_path, refused):
    document = {
        "images": [{"id": 3, "file_name": "a.png"}, {"id": 4, "file_name": "b.png"}],
        "categories": [{"id": 1, "name": "fox"}],
        "annotations": [
            {"image_id": 3, "category_id": 1, "bbox": [0, 1, 2, 3], "iscrowd": 1},
            {"image_id": 4, "category_id": 1, "bbox": [0, 1, 2, 3], "iscrowd": 1},
            {"image_id": 4, "category_id": 1, "bbox": [1, 1, 2, 3], "iscrowd": 0},
        ],
    }
    marks = read_boxes(table(tmp_path, json.dumps(document), "boxes.json"), "", Tally())
    assert [(one.image, one.region.box) for one in marks] == [("b.png", (1.0, 1.0, 3.0, 4.0))]
    document["annotations"].pop()
    refused(
        lambda: read_boxes(table(tmp_path, json.dumps(document), "boxes.json"), "", Tally()),
        "boxes.json",
        "crowds only",
    )


def test_without_an_object_column_each_positive_point_is_one_and_negatives_hold_for_all(tmp_path):
    text = "image,x,y,positive\na.png,1,2,1\nb.png,5,5,\na.png,3,4,yes\na.png,9,9,0\n"
    marks = read_points(table(tmp_path, text.replace("5,5,\n", "5,5,+\n")), "fox", Tally())
    beside = Point(9, 9, positive=False)
    assert [(one.image, one.region) for one in marks] == [
        ("a.png", Region("fox", None, (Point(1, 2), beside))), ("b.png", Region("fox", None, (Point(5, 5),))),
        ("a.png", Region("fox", None, (Point(3, 4), beside))),
    ]  # fmt: skip
    assert len(read_points(table(tmp_path, "image,x,y\na.png,1,2\na.png,3,4\n"), "fox", Tally())) == 2


def test_the_rows_of_an_object_belong_together(tmp_path):
    text = "image,object,x,y,positive\na.png,1,1,2,1\na.png,2,5,5,1\na.png,1,3,4,0\na.png,1,6,6,true\nb.png,1,1,1,1\n"
    marks = read_points(table(tmp_path, text), "fox", Tally())
    assert [(one.image, [(p.x, p.positive) for p in one.region.points]) for one in marks] == [
        ("a.png", [(1, True), (3, False), (6, True)]), ("a.png", [(5, True)]), ("b.png", [(1, True)]),
    ]  # fmt: skip


def test_negative_points_hold_for_the_objects_of_their_class(tmp_path):
    text = "image,x,y,positive,class\na.png,1,1,1,fox\na.png,2,2,1,owl\na.png,3,3,0,Fox\n"
    marks = read_points(table(tmp_path, text), "", Tally())
    assert [(one.region.class_name, len(one.region.points)) for one in marks] == [
        ("fox", 2), ("owl", 1),
    ]  # fmt: skip


@pytest.mark.parametrize("reader", [read_boxes, read_points])
def test_a_byte_order_mark_and_spaces_are_no_part_of_the_head(tmp_path, reader):
    file = table(tmp_path, "\ufeffimage , x,y ,width,height\na.png,1,1,1,1\n")
    assert [one.image for one in reader(file, "fox", Tally())] == ["a.png"]


def bad_rows(tally):
    return [part.record.partition(" of ")[0] for part in tally.total.bad]


def test_a_bad_row_costs_that_row(tmp_path):
    rows = [
        "a.png,1,1,2,2",
        "a.png,1,1,x,2",
        "a.png,1,1,2",
        ",1,1,2,2",
        '"b.png,1,1,2,2',
        "b.png,1,1,0,2",
        "b.png,3,3,4,4",
    ]
    tally = Tally()
    marks = read_boxes(table(tmp_path, "\n".join(["image,x,y,width,height", *rows])), "fox", tally)
    assert [one.region.box for one in marks] == [(1, 1, 3, 3), (3, 3, 7, 7)]
    assert sorted(bad_rows(tally)) == [f"row {number}" for number in (3, 4, 5, 6, 7)]
    tally = Tally()
    text = "image,x,y,positive\na.png,1,1,1\na.png,2,2,perhaps\na.png,3,3,0\nb.png,4,4,0\n"
    (mark,) = read_points(table(tmp_path, text), "fox", tally)
    assert mark.region.points == (Point(1, 1), Point(3, 3, positive=False)) and sorted(bad_rows(tally)) == [
        "row 3",
        "row 5",
    ]


@pytest.mark.parametrize("row", ["0.1,0.2,0.3,0.4", "0,0,0.5,1", "0,0,1,0.5"])
def test_fractions_of_the_photo_are_no_pixels(tmp_path, refused, row):
    text = f"image,x,y,width,height\na.png,{row}\n"
    refused(lambda: read_boxes(table(tmp_path, text), "fox", Tally()), "row 2", "fractions of 0 to 1", "multiply")
    tally = Tally()
    assert len(read_boxes(table(tmp_path, text + "a.png,0,0,1,1\na.png,0.5,0.5,2,2\n"), "fox", tally)) == 2
    assert bad_rows(tally) == ["row 2"]


def test_fractions_of_points_and_of_a_coco_json(tmp_path, refused):
    refused(lambda: read_points(table(tmp_path, "image,x,y\na.png,0.5,0.25\n"), "fox", Tally()), "fractions of 0 to 1")
    assert len(read_points(table(tmp_path, "image,x,y\na.png,0,1\na.png,1,1\na.png,0.5,3\n"), "fox", Tally())) == 3
    document = {
        "images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 1, "name": "fox"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0.1, 0.1, 0.5, 0.5]}],
    }  # fmt: skip
    refused(lambda: read_boxes(table(tmp_path, json.dumps(document), "b.json"), "", Tally()), "fractions of 0 to 1")


@pytest.mark.parametrize("word", ["0", "false", "no", 0, False, None])
def test_no_in_any_spelling_is_no_crowd_and_crowds_are_counted(tmp_path, word):
    document = {
        "images": [{"id": 1, "file_name": "sub\\a.png"}], "categories": [{"id": 1, "name": "fox"}],
        "annotations": [
            {"image_id": 1, "category_id": 1, "bbox": [0, 1, 2, 3], "iscrowd": value} for value in (word, "1", True)
        ],
    }  # fmt: skip
    tally = Tally()
    (mark,) = read_boxes(table(tmp_path, json.dumps(document), "boxes.json"), "", tally)
    assert mark.image == "sub/a.png" and tally.total.counts == {CROWDS: 2}
