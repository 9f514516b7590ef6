"""Boxes and points as tables and COCO JSON: what their columns mean."""

import json

import pytest

from retclip.data.region_tables import read_boxes, read_points
from retclip.regions import Point, Region


def table(folder, text, name="marks.csv"):
    (folder / name).write_text(text)
    return folder / name


def test_boxes_of_a_table(tmp_path):
    file = table(tmp_path, "Image,X,y,width,height,note\na.png, 1.5,2,3,4,big\n\nsub/b.png,0,0,1,1,\n")
    marks = read_boxes(file, "fox")
    assert [(one.image, one.region) for one in marks] == [
        ("a.png", Region("fox", (1.5, 2.0, 4.5, 6.0))), ("sub/b.png", Region("fox", (0.0, 0.0, 1.0, 1.0))),
    ]  # fmt: skip
    assert marks[1].where == f"row 4 of {file}"


def test_a_column_says_the_class_and_tabs_part_cells(tmp_path):
    file = table(tmp_path, "file_name\tlabel\tx\ty\twidth\theight\na.png\tred fox\t1\t2\t3\t4\n", "marks.tsv")
    assert [one.region.class_name for one in read_boxes(file, "")] == ["red fox"]
    assert [one.region.class_name for one in read_boxes(file, "owl")] == ["red fox"], "the file knows better"


def test_boxes_of_a_coco_json(tmp_path):
    document = {
        "images": [{"id": 3, "file_name": "sub/a.png"}, {"id": 4, "file_name": "b.png"}],
        "categories": [{"id": 1, "name": "fox"}, {"id": 2, "name": "owl"}],
        "annotations": [
            {"image_id": 4, "category_id": 2, "bbox": [0, 1, 2, 3]},
            {"image_id": 3, "category_id": 1, "bbox": [1.5, 1, 2, 3]},
        ],
    }
    marks = read_boxes(table(tmp_path, json.dumps(document), "boxes.json"), "elk")
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
    marks = read_boxes(table(tmp_path, json.dumps(document), "boxes.json"), "")
    assert [(one.image, one.region.box) for one in marks] == [("b.png", (1.0, 1.0, 3.0, 4.0))]
    document["annotations"].pop()
    refused(lambda: read_boxes(table(tmp_path, json.dumps(document), "boxes.json"), ""), "boxes.json", "crowds only")


def test_without_an_object_column_each_positive_point_is_one_and_negatives_hold_for_all(tmp_path):
    text = "image,x,y,positive\na.png,1,2,1\nb.png,5,5,\na.png,3,4,yes\na.png,9,9,0\n"
    marks = read_points(table(tmp_path, text.replace("5,5,\n", "5,5,+\n")), "fox")
    beside = Point(9, 9, positive=False)
    assert [(one.image, one.region) for one in marks] == [
        ("a.png", Region("fox", None, (Point(1, 2), beside))), ("b.png", Region("fox", None, (Point(5, 5),))),
        ("a.png", Region("fox", None, (Point(3, 4), beside))),
    ]  # fmt: skip
    assert len(read_points(table(tmp_path, "image,x,y\na.png,1,2\na.png,3,4\n"), "fox")) == 2


def test_the_rows_of_an_object_belong_together(tmp_path):
    text = "image,object,x,y,positive\na.png,1,1,2,1\na.png,2,5,5,1\na.png,1,3,4,0\na.png,1,6,6,true\nb.png,1,1,1,1\n"
    marks = read_points(table(tmp_path, text), "fox")
    assert [(one.image, [(p.x, p.positive) for p in one.region.points]) for one in marks] == [
        ("a.png", [(1, True), (3, False), (6, True)]), ("a.png", [(5, True)]), ("b.png", [(1, True)]),
    ]  # fmt: skip


def test_negative_points_hold_for_the_objects_of_their_class(tmp_path):
    text = "image,x,y,positive,class\na.png,1,1,1,fox\na.png,2,2,1,owl\na.png,3,3,0,Fox\n"
    assert [(one.region.class_name, len(one.region.points)) for one in read_points(table(tmp_path, text), "")] == [
        ("fox", 2), ("owl", 1),
    ]  # fmt: skip


@pytest.mark.parametrize("reader", [read_boxes, read_points])
def test_a_byte_order_mark_and_spaces_are_no_part_of_the_head(tmp_path, reader):
    file = table(tmp_path, "\ufeffimage , x,y ,width,height\na.png,1,1,1,1\n")
    assert [one.image for one in reader(file, "fox")] == ["a.png"]
