"""Segments by keys: a class for each, crowds, and keys of no class are void."""

import numpy as np

from retclip.data.class_choice import AnnotatedSettings
from retclip.data.id_map_source import IdMapSource
from retclip.plugin.contracts import SourceClass


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
    source = Tens("x", tmp_path, known, [], AnnotatedSettings(path="x"))
    truth = source.truth(tmp_path)
    assert truth.label_map.tolist() == [[0, 1, 1], [2, 3, 0]] and truth.label_map.dtype == np.int32
    assert [(one.class_name, one.area, one.is_thing, one.is_crowd) for one in truth.segments] == [
        ("fox", 2, True, False), ("fox", 1, True, False), ("owl", 1, True, True),
    ]  # fmt: skip
    assert source.numbers(tmp_path) == {1, 2, 9}
