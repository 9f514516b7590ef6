"""Open Images' tables: what is above a class, and rows of wanted photos alone."""

import json

from retclip.data.readers.open_images.open_images_tables import all_above, read_names, read_parents, read_rows
from retclip.passed_over import Tally


def test_everything_above_a_class_also_by_two_ways(tmp_path):
    fox = {"LabelName": "fox"}
    tree = {"LabelName": "all", "Subcategory": [
        {"LabelName": "animal", "Subcategory": [fox]}, {"LabelName": "pet", "Subcategory": [fox]}]}  # fmt: skip
    (tmp_path / "tree.json").write_text(json.dumps(tree))
    parents = read_parents(tmp_path / "tree.json")
    assert parents["fox"] == {"animal", "pet"} and all_above("fox", parents) == {"animal", "pet", "all"}
    assert all_above("all", parents) == set() == all_above("unknown", parents)
    assert all_above("a", {"a": {"b"}, "b": {"a"}}) == {"b"}


def test_rows_of_wanted_photos_with_their_numbers(tmp_path):
    (tmp_path / "t.csv").write_text('X,ImageID,LabelName\n1,a,fox\n2,b,owl\n3,a,"o, l"\n')
    rows = list(read_rows(tmp_path / "t.csv", ("ImageID", "LabelName"), {"a": 1}, Tally()))
    where = [f"row {number} of {tmp_path / 't.csv'}" for number in (2, 4)]
    assert rows == [(where[0], ["a", "fox"]), (where[1], ["a", "o, l"])]
    (tmp_path / "n.csv").write_text("/m/1,Fox\n/m/1,Fox\n/m/2, Owl\n")
    assert read_names(tmp_path / "n.csv") == {"/m/1": "Fox", "/m/2": "Owl"}
