"""Class lists as files: what is written in another form is refused with its name; numbers before names are kept."""

import pytest

from retclip.data.class_entries import ClassEntry, read_entries
from retclip.errors import DataError


def entries(folder, content, name="classes.txt", encoding="utf-8"):
    path = folder / name
    path.write_bytes(content.encode(encoding))
    return read_entries(path)


FOREIGN = {  # file name, content, and the form that the error names
    "a label map of TensorFlow": ("map.pbtxt", 'item {\n  id: 1\n  name: "cat"\n}\nitem {\n  id: 2\n}\n', "pbtxt"),
    "one class of it in a text file": ("map.txt", "# mine\nitem: {\n  id: 1\n}\n", "pbtxt"),
    "XML": ("names.xml", '<?xml version="1.0"?>\n<classes>\n<class>cat</class></classes>', "XML"),
    "labels of Label Studio": ("names.txt", '<View><Label value="cat"/></View>', "XML"),
    "lines of JSON": ("names.jsonl", '{"name": "cat"}\n{"name": "dog"}\n', "JSON"),
    "JSON in a text file": ("names.txt", '["cat",\n"dog"]', "JSON"),
    "YAML in a text file": ("names.txt", "train: images/train\nnames:\n  - cat\n", "YAML"),
    "a key alone": ("names.txt", "pets:\n  - cat\n", "YAML"),
    "a list of Markdown": ("names.md", "# classes\n- cat\n- dog\n", "Markdown"),
    "code": ("names.py", 'CLASSES = ["cat", "dog"]\n', "code"),
    "settings of darknet": ("obj.data", "classes = 2\nnames = obj.names\n", "settings"),
    "a table without a head": ("names.csv", "1,cat\n2,dog\n", "row 1"),
    "a table of tabs without a head": ("names.tsv", "1\tcat\n2\tdog\n", "row 1"),
    "a table of semicolons without a head": ("names.csv", "0;cat\n1;dog\n", "row 1"),
    "a table with another head": ("names.csv", "Nr,Anteil,Bezeichnung\n1,0.1,Katze\n", "row 2"),
    "a table in a text file": ("names.txt", "id,title\n1,cat\n2,dog\n", "'1,cat'"),
    "tabs in a text file": ("names.txt", "n01\tcat\nn02\tdog\n", "without a head"),
    "an open quote": ("names.txt", 'cat\n"cup, paper\n', "quotes that are not closed"),
    "numbers before the names": ("names.txt", "0 cat\n1 dog\n", "numbers before the names"),
}


@pytest.mark.parametrize(("name", "content", "form"), FOREIGN.values(), ids=FOREIGN)
def test_another_form_is_refused_and_not_read_as_names(tmp_path, name, content, form):
    with pytest.raises(DataError) as caught:
        entries(tmp_path, content, name)
    assert str(tmp_path / name) in caught.value.expected and form in caught.value.got and caught.value.todo


@pytest.mark.parametrize(
    "names",
    [
        ("7 up", "2 doors"), ("0", "1"), ("C# book", "#1 jersey"), ("a = b", "x"), ("star: wars", "dog"),
        ("cat", "<unknown>"), ("cat", "- none -"), ("cat", "{}"), ("3D printer", "a;b"),
    ],
)  # fmt: skip
def test_names_that_only_look_like_another_form_stay_names(tmp_path, names):
    if names[0] == "a = b":
        names = ("x", "a = b")
    assert tuple(one.name for one in entries(tmp_path, "\n".join(names))) == names


def test_a_name_with_a_comma_stands_in_quotes_as_on_the_command_line(tmp_path):
    expected = [ClassEntry("cup, paper", ("mug",), is_thing=True, number=4), ClassEntry('5" pot', number=5)]
    assert entries(tmp_path, '4: "cup, paper", mug | thing\n5: 5" pot\n') == expected


def test_numbers_before_names_are_kept_in_every_form(tmp_path):
    expected = [ClassEntry("sky", number=3), ClassEntry("car", ("auto",), number=7)]
    assert entries(tmp_path, "3: sky\n7:car, auto\n") == expected
    assert entries(tmp_path, "sep=;\nId;Name;Synonyms\n3;sky;\n7;car;auto\n", "a.csv") == expected
    assert entries(tmp_path, "names: {7: car, 3: sky}\n", "a.yaml") == [expected[0], ClassEntry("car", number=7)]
    assert [one.number for one in entries(tmp_path, "sky\n1: car\n")] == [None, 1]
    assert [one.number for one in entries(tmp_path, "id,name\nn01,sky\n", "b.csv")] == [None]


def test_numbers_of_spreadsheets_are_those_numbers_and_others_are_refused(tmp_path):
    assert [one.number for one in entries(tmp_path, "id,name\n1.0,sky\n2.0,grass\n", "a.csv")] == [1, 2]
    assert [one.number for one in entries(tmp_path, f"id,name\n{2**53 + 1},sky\n", "b.csv")] == [2**53 + 1]
    for wrong in ("-1", "1.5", "inf", "nan"):
        with pytest.raises(DataError, match="row 3, not a whole one"):
            entries(tmp_path, f"id,name\n1,sky\n{wrong},grass\n", "a.csv")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_what_windows_calls_unicode_text_is_read(tmp_path, encoding, end):
    names = ["caf\u00e9", "猫"]
    for name, lines in (("a.txt", names), ("a.csv", ["name", *names])):
        assert [one.name for one in entries(tmp_path, end.join(lines), name, encoding)] == names


@pytest.mark.parametrize(
    "names", ["[yes, cat]", "[cat, ~]", "[1.5]", "[[cat]]", "{0: cat, '0': dog}", "{0: cat, 0: dog}", "{a: cat}"]
)
def test_a_yaml_of_what_is_no_name_is_refused(tmp_path, names):
    with pytest.raises(DataError, match=r"a\.yaml"):
        entries(tmp_path, f"names: {names}\n", "a.yaml")
