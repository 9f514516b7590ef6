"""What a source lists and gives is checked: a bad record is its own failure, everything else is the plugin's fault."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from retclip.errors import ConfigError, ContractBroken, DataError, PluginFailed
from retclip.plugin.checked_source import CheckedSource, check_classes
from retclip.plugin.contracts import SourceClass, SourceImage
from retclip.types import Image, PanopticSegmentation

IMAGE = Image(np.zeros((4, 6, 3), np.uint8), "0" * 64)
RECORD = SourceImage("a.png", "photos/a.png", lambda: IMAGE, lambda: "0" * 64, ("sky",))


class Source:
    """Two records and a class; what a test gives is answered instead."""

    name = "mine"
    more = "handed through"

    def __init__(self, records=(RECORD, RECORD), classes=(SourceClass("sky"),)):
        self.records, self.listed = records, classes

    def classes(self):
        return self.listed() if callable(self.listed) else self.listed

    def images(self):
        return self.records() if callable(self.records) else iter(self.records)

    def __len__(self):
        return len(self.records)


def raises(error):
    def action(*_):
        raise error

    return action


def test_what_keeps_its_contract_is_handed_through():
    source = CheckedSource(Source(), "my.source")
    (first, _) = source.images()
    assert (len(source), source.name, source.more) == (2, "mine", "handed through")
    assert first.load() is IMAGE and first.file_digest() == "0" * 64
    assert replace(first, load=None, file_digest=None) == replace(RECORD, load=None, file_digest=None)
    assert [entry.name for entry in source.classes()] == ["sky"]
    with pytest.raises(AttributeError):
        source.nothing  # noqa: B018


@pytest.mark.parametrize("error", [KeyError("index"), AttributeError("x"), RuntimeError("bug"), BaseException("panic")])
def test_what_a_record_raises_is_its_failure(error):
    for what in ("load", "file_digest"):
        (record,) = CheckedSource(Source([replace(RECORD, **{what: raises(error)})]), "my.source").images()
        with pytest.raises(DataError, match=rf"my\.source to work on photos/a\.png; got {type(error).__name__}"):
            getattr(record, what)()


def test_a_file_that_cannot_be_read_is_the_file_s_fault_and_what_a_reader_says_stands():
    (record,) = CheckedSource(Source([replace(RECORD, load=raises(OSError("truncated")))]), "my.source").images()
    with pytest.raises(DataError, match="a readable image; got OSError: truncated; repair"):
        record.load()
    own = DataError("a photo", "a film", "cut it")
    (record,) = CheckedSource(Source([replace(RECORD, load=raises(own))]), "my.source").images()
    with pytest.raises(DataError) as caught:
        record.load()
    assert caught.value is own


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (None, "got NoneType"),
        (IMAGE.pixels, "got ndarray"),
        (replace(IMAGE, pixels=[[[0, 0, 0]]]), "an Image"),
        (replace(IMAGE, pixels=np.zeros((4, 6), np.uint8)), r"\(4, 6\) uint8"),
        (replace(IMAGE, pixels=np.zeros((4, 6, 4), np.uint8)), r"\(4, 6, 4\) uint8"),
        (replace(IMAGE, pixels=np.zeros((4, 6, 3), np.float32)), "float32"),
        (replace(IMAGE, pixels=np.zeros((0, 6, 3), np.uint8)), r"\(0, 6, 3\)"),
        (replace(IMAGE, truth=PanopticSegmentation(np.zeros((6, 4), np.int32), ())), "label map of the photo's size"),
    ],
)
def test_what_is_no_image_is_a_broken_contract(image, says):
    (record,) = CheckedSource(Source([replace(RECORD, load=lambda: image)]), "my.source").images()
    with pytest.raises(ContractBroken, match=says):
        record.load()


@pytest.mark.parametrize("digest", [None, "", "abc", b"0" * 64])
def test_what_is_no_digest_is_a_broken_contract(digest):
    (record,) = CheckedSource(Source([replace(RECORD, file_digest=lambda: digest)]), "my.source").images()
    with pytest.raises(ContractBroken, match="sha256"):
        record.file_digest()


@pytest.mark.parametrize(
    "record",
    [
        "a.png",
        replace(RECORD, external_id=7),
        replace(RECORD, uri=None),
        replace(RECORD, annotation_digest=None),
        replace(RECORD, class_names="sky"),  # every letter would be a class
    ],
)
def test_what_is_no_record_is_a_broken_contract(record):
    with pytest.raises(ContractBroken, match=r"my\.source"):
        list(CheckedSource(Source([record]), "my.source").images())


def broken_off():
    yield RECORD
    raise KeyError("next page")


@pytest.mark.parametrize("records", [raises(KeyError("index")), broken_off, lambda: None, lambda: 3])
def test_a_source_that_raises_while_it_lists_is_told(records):
    with pytest.raises(PluginFailed, match=r"my\.source to list its images"):
        list(CheckedSource(Source(records), "my.source").images())


@pytest.mark.parametrize(
    ("action", "what"),
    [
        (lambda source: source.classes(), {"classes": raises(ValueError("no list"))}),
        (lambda source: source.classes(), {"classes": lambda: None}),
        (len, {"records": list}),
    ],
)
def test_what_a_source_raises_of_itself_is_told(action, what):
    with pytest.raises(PluginFailed, match=r"my\.source to .*(ValueError|TypeError)"):
        action(CheckedSource(Source(**what), "my.source"))


def test_what_a_source_means_to_raise_and_ctrl_c_pass_and_an_exit_does_not():
    for error in (ConfigError("a", "b", "c"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            CheckedSource(Source(classes=raises(error)), "my.source").classes()
    with pytest.raises(ContractBroken, match="SystemExit: 3"):
        CheckedSource(Source(classes=raises(SystemExit(3))), "my.source").classes()
    (record,) = CheckedSource(Source([replace(RECORD, load=raises(SystemExit(3)))]), "my.source").images()
    with pytest.raises(ContractBroken, match="SystemExit: 3"):
        record.load()


def test_classes_of_another_kind_are_a_broken_contract():
    for classes in (["sky"], [None]):
        with pytest.raises(ContractBroken, match="SourceClass"):
            CheckedSource(Source(classes=classes), "my.source").classes()
    unnamed = Source()
    unnamed.name = None
    with pytest.raises(ContractBroken, match="name of the data set"):
        partial(getattr, CheckedSource(unnamed, "my.source"), "name")()


def test_class_names_of_a_source_follow_the_one_rule():
    check_classes([SourceClass("می\u200cدان", synonyms=("square",)), SourceClass("fish")], "my.source")
    for name in ("fi\u200bsh", "two  spaces", "cafe\u0301"):
        with pytest.raises(ContractBroken, match="checked_name"):
            check_classes([SourceClass(name)], "my.source")
    for classes in (["fish", "Fish"], ["a\0b"], ["n" * 5000], [" "], ["\ud800x"]):
        with pytest.raises(DataError, match=r"the classes of my\.source"):
            check_classes([SourceClass(name) for name in classes], "my.source")
    with pytest.raises(DataError, match=r"the classes of my\.source"):
        check_classes([SourceClass("fish", synonyms=("\0",))], "my.source")
