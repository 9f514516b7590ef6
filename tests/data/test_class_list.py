"""Class names as people write them: comma lists, text files, JSON files; odd characters, doubles and limits."""

import json

import pytest

from retclip.data.class_list import MOST, read_vocabulary, vocabulary_of
from retclip.errors import DataError
from retclip.names import LONGEST


def in_file(folder, content, name="classes.txt"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_vocabulary(str(path))


def test_a_comma_list():
    found = read_vocabulary("sky, traffic  light ,Car")
    assert found.names == ("sky", "traffic light", "Car")
    assert found.is_thing == (None, None, None), "nobody said"
    assert found.synonyms == ((), (), ())
    assert found.terms == found.names


def test_a_name_with_a_comma_stands_in_double_quotes():
    assert read_vocabulary('sky, "cup, paper" ,Car').names == ("sky", "cup, paper", "Car")
    assert read_vocabulary('"the ""blue"" one"').names == ('the "blue" one',)
    assert read_vocabulary('6" pipe, car').names == ('6" pipe', "car")
    for text in ('sky, "cup, paper', '"cup" paper, sky'):
        with pytest.raises(DataError, match="double quotes"):
            read_vocabulary(text)


def test_a_comma_list_longer_than_any_file_name():
    names = [f"class number {number}" for number in range(133)]
    assert read_vocabulary(", ".join(names)).names == tuple(names)


def test_a_text_file_with_synonyms_kinds_numbers_and_remarks(tmp_path):
    text = """
        # my classes
        car, automobile ,, motor car | thing
        sky | stuff   # above
        0:wall,walls
        12 : Tree | THINGS
        road|Stuff
    """
    found = in_file(tmp_path, text)
    assert found.names == ("car", "sky", "wall", "Tree", "road")
    assert found.synonyms == (("automobile", "motor car"), (), ("walls",), (), ())
    assert found.is_thing == (True, False, None, True, False)


def test_a_file_of_another_suffix_is_read_as_lines(tmp_path):
    assert in_file(tmp_path, "a\nb\n", "names.lst").names == ("a", "b")
    assert in_file(tmp_path, "a,aa\nb\n", "names.csv").synonyms == (("aa",), ())


@pytest.mark.parametrize("text", ["\ufeffsky\r\ncar\r\n", "sky\rcar", "sky\n\n\ncar", "sky\ncar"])
def test_line_ends_and_byte_order_marks_of_any_editor(tmp_path, text):
    assert in_file(tmp_path, text).names == ("sky", "car")


def test_json_with_a_byte_order_mark(tmp_path):
    assert in_file(tmp_path, '\ufeff["sky"]', "classes.json").names == ("sky",)
    assert in_file(tmp_path, "\ufeff# a remark\n0:sky").names == ("sky",)


ENTRY = {"name": "car", "isthing": 0}


@pytest.mark.parametrize(
    ("document", "synonyms", "is_thing"),
    [
        (["car"], (), None),
        ([{"name": "car"}], (), None),
        ([{"name": "car", "isthing": 1}], (), True),
        ([ENTRY], (), False),
        ([{"name": "car", "is_thing": False}], (), False),
        ([{**ENTRY, "synonyms": ["auto", "motor car"]}], ("auto", "motor car"), False),
        ([{**ENTRY, "prompt_names": ["car", "auto"]}], ("auto",), False),
        ([{**ENTRY, "fcclip_synonyms": "car,auto"}], ("auto",), False),
        ({"classes": [ENTRY]}, (), False),
        ({"categories": [{**ENTRY, "id": 7}], "annotations": []}, (), False),
    ],
)
def test_each_json_form(tmp_path, document, synonyms, is_thing):
    found = in_file(tmp_path, json.dumps(document), "classes.json")
    assert (found.names, found.synonyms, found.is_thing) == (("car",), (synonyms,), (is_thing,))


def test_repeated_synonyms_are_one_term(tmp_path):
    found = in_file(tmp_path, "car, Car, auto, AUTO, ｃａｒ, auto  mobile")
    assert found.synonyms == (("AUTO", "auto mobile"),)
    assert found.row_class.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "names", ["sky,sky", "sky, SKY", "Traffic Light,traffic  light", "ｓｋｙ,sky", "sky,s\u200bky"]
)
def test_a_class_that_comes_twice_is_refused_with_both_places(names):
    with pytest.raises(DataError, match="at 1 and 2"):
        read_vocabulary(names)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\u202eyks", "yks"),  # direction marks can make one name look like another
        ("\u2066sky\u2069", "sky"),
        ("s\u200bk\u200dy\ufeff", "sky"),
        ("sky\nand\tsea", "sky and sea"),
        ("\u00a0sky\u3000blue\u2028", "sky blue"),
        ("e\u0301tang", "étang"),
        ("sky\ue000", "sky\ue000"),
        ("می\u200cدان", "می\u200cدان"),  # Persian joins its letters otherwise without it
        ("猫", "猫"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),  # text, escaped where it is shown
    ],
)
def test_names_are_normalised_and_lose_invisible_characters(name, shown):
    assert vocabulary_of([name, "other"]).names == (shown, "other")


@pytest.mark.parametrize(
    "names",
    [
        [],
        [""],
        ["sky", " "],
        ["\u200b\u202e"],
        ["\x00\x01"],
        ["sky\x00"],
        ["s\x1b[31mky"],
        ["sky\ud800"],
        ["a" * (LONGEST + 1)],
        ["\ufdfa" * 100],
    ],
)
def test_names_that_are_empty_or_too_long_are_refused(names):
    with pytest.raises(DataError):
        vocabulary_of(names)


@pytest.mark.parametrize("text", ["", ",", "sky,", ",sky", "sky,,car", "   "])
def test_a_comma_list_with_a_hole_is_refused(text):
    with pytest.raises(DataError, match="the list of classes"):
        read_vocabulary(text)


def test_the_limits_themselves_are_allowed_and_one_more_is_not():
    names = [f"c{number}" for number in range(MOST)]
    assert len(vocabulary_of(names)) == MOST == 8192
    assert vocabulary_of(["a" * LONGEST]).names == ("a" * 200,)
    with pytest.raises(DataError, match="8193; ask for a part"):
        vocabulary_of([*names, "one more"])


MALFORMED = {  # file name and content
    "empty": ("classes.txt", ""),
    "only remarks": ("classes.txt", "# sky\n## car\n#"),
    "not utf-8": ("classes.txt", b"sk\xff"),
    "an unknown kind": ("classes.txt", "sky | gas"),
    "a bar without a kind": ("classes.txt", "sky |"),
    "a kind without a name": ("classes.txt", "| thing"),
    "only commas": ("classes.txt", ",,,"),
    "a number without a name": ("classes.txt", "7:"),
    "the same twice": ("classes.txt", "sky\nSky"),
    "a name too long": ("classes.txt", "a" * 201),
    "a synonym too long": ("classes.txt", "sky, " + "a" * 201),
    "no json": ("classes.json", "sky, car"),
    "an empty json": ("classes.json", ""),
    "cut json": ("classes.json", '[{"name": "sky"'),
    "deeply nested json": ("classes.json", "[" * 100_000),
    "a number of 5000 digits": ("classes.json", "[" + "9" * 5000 + "]"),
    "json without a list": ("classes.json", '{"names": ["sky"]}'),
    "json of a number": ("classes.json", "3"),
    "json of a text": ("classes.json", '"sky"'),
    "an empty list": ("classes.json", "[]"),
    "an entry without a name": ("classes.json", '[{"id": 1}]'),
    "an entry of a number": ("classes.json", "[3]"),
    "an entry of null": ("classes.json", "[null]"),
    "a name of null": ("classes.json", '[{"name": null}]'),
    "a name of a list": ("classes.json", '[{"name": ["sky"]}]'),
    "an empty name": ("classes.json", '[{"name": ""}]'),
    "synonyms of a number": ("classes.json", '[{"name": "sky", "synonyms": 3}]'),
}


@pytest.mark.parametrize(("name", "content"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_file_is_refused_by_name(tmp_path, name, content):
    with pytest.raises(DataError) as caught:
        in_file(tmp_path, content, name)
    error = caught.value
    assert str(tmp_path / name) in error.expected
    assert error.got and error.todo


@pytest.mark.parametrize(
    "name", ["absent.txt", "ABSENT.JSON", "absent.csv", "folder.txt", "coco.names", "map.pbtxt", "a.XML", "a.jsonl"]
)
def test_a_file_that_is_not_there_is_no_class_name(tmp_path, name):
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(DataError, match="readable class list"):
        read_vocabulary(str(tmp_path / name))


@pytest.mark.parametrize(("name", "count"), [("ade20k_150.json", 150), ("coco_panoptic_133.json", 133),
                                            ("lvis_v1_1203.json", 1203)])  # fmt: skip
def test_real_vocabularies_are_read_whole(shared_data, name, count):
    found = read_vocabulary(str(shared_data / "vocab" / name))
    assert len(found) == count
    assert len(found.terms) >= count
    assert all(term == " ".join(term.split()) for term in found.terms)


def test_a_hash_belongs_to_a_name_but_for_remarks_of_their_own_line(tmp_path):
    found = in_file(tmp_path, "# my classes\nred square\nC# book\n#1 jersey, # 2 | thing # or not\n##\n#\n")
    assert found.names == ("red square", "C# book", "#1 jersey") and found.synonyms[2] == ("# 2",)
    assert found.is_thing == (None, None, True)


@pytest.mark.parametrize(
    "text",
    ["names:\n  1: blue square\n  0: red square\n", "names: [red square, blue square]", "- red square\n- blue square\n",
     "path: ../squares\ntrain: images/train\nnc: 2\nnames:\n- 'red square'\n- name: blue square\n"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["data.yaml", "DATA.YML"])
def test_the_names_of_a_yolo_data_set(tmp_path, name, text):
    assert in_file(tmp_path, text, name).names == ("red square", "blue square")


@pytest.mark.parametrize(
    "text",
    ["train: images", "names: 3", "names: {a: sky}", "names: [[sky]]", "names: [no]", "names: [", "[" * 5000, "!!a b"],
)
def test_a_yaml_without_names_is_refused(tmp_path, text):
    with pytest.raises(DataError, match=r"data\.yaml"):
        in_file(tmp_path, text, "data.yaml")


def test_numbers_are_names_too(tmp_path):
    assert in_file(tmp_path, "names: {0: 7, 1: 8}", "data.yaml").names == ("7", "8")


TABLES = {
    "id,name\n0,red square\n1,blue square\n": ((), ()),
    "Name;synonyms;isthing\nred square;scarlet square, box;1\nblue square;;false\n": (("scarlet square", "box"), ()),
    '\ufeffIdx,Ratio,"Name"\n1,0.1,"red square;box"\n\n2,0.2,blue square\n': (("box",), ()),
    "LabelName,DisplayName\n/m/1,red square\n/m/2,blue square\n": ((), ()),
    "name\nred square\nblue square\n": ((), ()),
    "id\tname\n0\tred square\n1\tblue square\n": ((), ()),
}


@pytest.mark.parametrize(("text", "synonyms"), TABLES.items())
def test_a_head_makes_a_csv_a_table(tmp_path, text, synonyms):
    found = in_file(tmp_path, text, "names.csv")
    assert (found.names, found.synonyms) == (("red square", "blue square"), synonyms)
    assert found.is_thing == ((True, False) if "isthing" in text else (None, None))


@pytest.mark.parametrize("row", ['"red', ",", "red square,perhaps"])
def test_a_damaged_row_of_a_table_is_refused(tmp_path, row):
    with pytest.raises(DataError, match=r"names\.csv"):
        in_file(tmp_path, f"name,isthing\n{row}\nx,1\n" if row != "," else "name,isthing\n,1\n", "names.csv")


@pytest.mark.parametrize("word", ["0", "false", "No", 0, False])
def test_no_in_any_spelling_is_stuff(tmp_path, word):
    text = json.dumps([{"name": "sky", "isthing": word}])
    assert in_file(tmp_path, text, "classes.json").is_thing == (False,)


def test_yaml_that_stands_for_more_than_any_memory_holds_is_refused(tmp_path, refused):
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40)), "names: [{name: *a39}]"]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    refused(lambda: read_vocabulary(str(tmp_path / "bomb.yaml")), "bomb.yaml", "alias")


@pytest.mark.parametrize("ending", ["json", "yaml"])
def test_a_list_that_nests_too_deeply_is_refused(tmp_path, refused, ending):
    (tmp_path / f"deep.{ending}").write_text("[" * 100_000)
    refused(lambda: read_vocabulary(str(tmp_path / f"deep.{ending}")), f"deep.{ending}")


@pytest.mark.parametrize("strange", ["\x0b", "\x0c", "\x85", "\u2028"])
def test_what_no_editor_takes_for_a_line_end_parts_no_names(tmp_path, strange):
    (tmp_path / "a.txt").write_text(f"fire{strange}truck\r\ncar\rbus\n", newline="")
    assert read_vocabulary(str(tmp_path / "a.txt")).names == ("fire truck", "car", "bus")
