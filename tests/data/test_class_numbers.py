"""The number of a class in maps: as its list states it, its place where nothing is stated, and never a guess."""

import pytest

from retclip.data.class_entries import read_entries
from retclip.data.class_numbers import class_numbers
from retclip.errors import DataError


def numbers(folder, content, name="classes.txt"):
    path = folder / name
    path.write_text(content)
    entries = read_entries(path)
    return dict(zip((entry.name for entry in entries), class_numbers(entries, path), strict=True))


@pytest.mark.parametrize(
    "title",
    [
        "id",
        "Class ID",
        "class_id",
        "ClassIndex",
        "class index",
        "label value",
        "Label-ID",
        "trainId",
        "pixel value",
        "nr",
    ],
)
def test_a_column_of_numbers_is_known_by_its_usual_titles(tmp_path, title):
    wanted = {"sky": 2, "car": 0}
    assert numbers(tmp_path, f"{title},name\n2,sky\n0,car\n", "a.csv") == wanted
    assert numbers(tmp_path, f"class_name;{title}\nsky;2\ncar;0\n", "b.csv") == wanted


@pytest.mark.parametrize("title", ["class", "label", "category"])
def test_what_may_be_a_name_is_the_number_beside_a_column_of_names(tmp_path, title):
    assert numbers(tmp_path, f"{title},name\n2,sky\n0,car\n", "a.csv") == {"sky": 2, "car": 0}
    assert numbers(tmp_path, f"{title},class_name\n2,sky\n0,car\n", "b.csv") == {"sky": 2, "car": 0}
    assert numbers(tmp_path, f"{title}\nsky\ncar\n", "c.csv") == {"sky": 0, "car": 1}


def test_of_two_columns_that_may_be_names_the_one_of_numbers_is_none(tmp_path):
    assert numbers(tmp_path, "class,label\n2,sky\n0,car\n", "a.csv") == {"sky": 2, "car": 0}
    assert numbers(tmp_path, "label,class\n2,sky\n0,car\n", "b.csv") == {"sky": 2, "car": 0}
    assert numbers(tmp_path, "name,category\n7,digit\n8,digit\n", "c.csv") == {
        "7": 0,
        "8": 1,
    }  # names, whatever they are
    assert numbers(tmp_path, "class\n7\n8\n", "d.csv") == {"7": 0, "8": 1}


@pytest.mark.parametrize(
    ("name", "content", "got"),
    [
        ("a.csv", "name,Wert\nsky,2\ncar,0\n", "a column 'Wert'"),
        ("a.csv", "name,Wert\nsky,2.0\ncar,0.0\n", "a column 'Wert'"),
        ("a.txt", "2 sky\n0 car\n", "'2 sky'"),
        ("a.txt", "0 sky\n1 road\n5 car\n", "'0 sky'"),
        ("a.txt", "sky,2\ncar,0\n", "'sky', called '2'"),
        ("a.txt", "sky: 2\ncar: 0\n", "'sky: 2'"),
        ("a.txt", "0: sky\ncar\n", "none for 'car'"),
    ],
)
def test_numbers_that_are_stated_otherwise_are_refused(tmp_path, name, content, got):
    with pytest.raises(DataError) as caught:
        numbers(tmp_path, content, name)
    assert got in caught.value.got and name in caught.value.expected


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "sky\n7 up\n"), ("a.txt", "lane 2\nlane 1\n"), ("a.txt", "sky | stuff\nstar: wars\n"),
        ("a.txt", "7 up\n"), ("a.csv", "name,r,g,b\nsky,9,8,7\ncar,3,2,1\n"), ("a.csv", "name,Wert\nsky,0\ncar,1\n"),
        ("a.csv", "name,isthing\nsky,1\ncar,0\n"), ("a.csv", "name,Anteil\nsky,0.5\ncar,0.1\n"),
    ],
)  # fmt: skip
def test_where_nothing_is_stated_the_order_counts(tmp_path, name, content):
    assert list(numbers(tmp_path, content, name).values()) == list(range(len(numbers(tmp_path, content, name))))
