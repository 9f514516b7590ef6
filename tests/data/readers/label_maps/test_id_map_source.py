"""Segments by keys: a class for each, crowds, and keys of no class are void."""

import numpy as np

from retclip.data.annotated_photo import AnnotatedPhoto
from retclip.data.images import from_array
from retclip.data.readers.label_maps.id_map_source import IdMapSource
from retclip.data.readers.label_maps.map_pairs import MapSettings, Pairs
from retclip.plugin.contracts import SourceClass

PHOTO = AnnotatedPhoto(from_array(np.zeros((2, 3), np.uint8)), "upright")


class Tens(IdMapSource):
    """A key's tens are its class; a key without ones is a crowd."""

    def keys(self, file):
        return np.array([[0, 11, 11], [12, 20, 99]])

    def class_number(self, key):
        return key // 10

    def is_crowd(self, key):
        return key % 10 == 0


def test_keys_become_segments_in_their_order(tmp_path):
    known = [SourceClass("fox", True, native_id=1), SourceClass("owl", None, native_id=2)]
    source = Tens("x", tmp_path, known, Pairs(()), MapSettings(path="x"))
    truth = source.truth(tmp_path, PHOTO)
    assert truth.label_map.tolist() == [[0, 1, 1], [2, 3, 0]] and truth.label_map.dtype == np.int32
    assert [(one.class_name, one.area, one.is_thing, one.is_crowd) for one in truth.segments] == [
        ("fox", 2, True, False), ("fox", 1, True, False), ("owl", 1, True, True),
    ]  # fmt: skip
    assert source.numbers(tmp_path) == {1, 2, 9}


def test_a_foreign_key_costs_its_segment_and_foreign_keys_alone_the_photo(tmp_path, refused):
    class Ours(Tens):
        most = 90

        def is_foreign(self, key):
            return key > self.most

    photo = AnnotatedPhoto(from_array(np.zeros((2, 3), np.uint8)), "upright")
    source = Ours("x", tmp_path, [SourceClass("fox", True, native_id=1)], Pairs(()), MapSettings(path="x"))
    assert source.truth(tmp_path / "a.png", photo).label_map.tolist() == [[0, 1, 1], [2, 0, 0]]
    assert [part.record for part in photo.tally.total.bad] == [f"number 99 of {tmp_path / 'a.png'}"]
    assert source.numbers(tmp_path) == {1, 2}
    source.most = 5
    refused(lambda: source.truth(tmp_path / "a.png", photo), "a.png", "of one version")
