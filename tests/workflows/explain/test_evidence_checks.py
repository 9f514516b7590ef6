"""An evidence file whose words or arrays do not fit each other is refused where it is opened, by the name of what is
wrong."""

import json

import numpy as np
import pytest

from retclip.errors import DataError
from retclip.workflows.explain.evidence_file import load_evidence, save_evidence


@pytest.fixture
def parts(tmp_path, result):
    """The arrays of a file that `segment` wrote, and its words."""
    save_evidence(tmp_path / "good.npz", result.panoptic, result.evidence)
    arrays = dict(np.load(tmp_path / "good.npz"))
    return arrays, json.loads(str(arrays["about"]))


@pytest.fixture
def refused(tmp_path, parts):
    """`refused(word, about, **arrays)`: the file with these changes is none."""

    def check(word, about=None, **arrays):
        path = tmp_path / "odd.npz"
        np.savez(path, **{**parts[0], "about": np.array(json.dumps({**parts[1], **(about or {})})), **arrays})
        with pytest.raises(DataError, match="segment the image again") as caught:
            load_evidence(path)
        assert "odd.npz" in caught.value.expected and word in caught.value.got + caught.value.expected

    return check


@pytest.mark.parametrize(
    "name",
    ["label_map", "mask_map", "boxes", "combined", "void", "values_0", "knows_0", "neighbour_ids", "neighbour_classes",
     "neighbour_distances", "supported"],
)  # fmt: skip
def test_an_array_of_another_shape_or_type(refused, parts, name):
    whole = parts[0][name]
    refused("", **{name: whole[:-1]})
    refused("", **{name: whole[..., None]})
    refused("", **{name: np.full(whole.shape, "x")})
    if whole.dtype.kind != "U":
        refused("", **{name: whole.astype("U1")})
        refused("", **{name: whole.astype("c8")})


def test_floats_where_something_is_counted_and_numbers_where_flags_are(refused, parts):
    for name in ("label_map", "mask_map", "boxes", "neighbour_classes"):
        refused("counts nothing", **{name: parts[0][name].astype(np.float32)})
    for name in ("knows_0", "supported"):
        refused("bool", **{name: parts[0][name].astype(np.uint8)})
    refused("no float", combined=parts[0]["combined"].astype(np.int64))


def test_prototypes_that_do_not_fit(refused, parts, tmp_path):
    masks, classes = parts[0]["combined"].shape
    good = {
        "prototype_classes": np.array([0, classes - 1]), "prototype_sizes": np.array([3, 1]),
        "prototype_members": np.full((2, 1), "", dtype="U36"), "neighbour_prototypes": np.zeros((masks, 2), np.float32),
    }  # fmt: skip
    np.savez(tmp_path / "whole.npz", **{**parts[0], **good})
    assert load_evidence(tmp_path / "whole.npz")[1].neighbours.prototypes.sizes.tolist() == [3, 1]
    for name, values in good.items():
        refused("", **{**good, name: values[:-1]})
    refused("prototype_classes", **{**good, "prototype_classes": np.array([0, classes])})
    refused("of no class", **{**good, "prototype_classes": np.array([-1, 0])})
    refused("of no segment", **{**good, "prototype_sizes": np.array([3, 0])})
    refused("no float", **{**good, "neighbour_prototypes": np.zeros((masks, 2), np.int64)})


def test_an_index_beyond_its_array(refused, parts):
    arrays, about = parts
    masks, classes = arrays["combined"].shape
    refused("mask_map", mask_map=np.full_like(arrays["mask_map"], masks))
    refused("mask_map", mask_map=np.full_like(arrays["mask_map"], -2))
    refused("neighbour_classes", neighbour_classes=np.full_like(arrays["neighbour_classes"], classes + 1))
    refused("without a class", neighbour_classes=np.full_like(arrays["neighbour_classes"], -1))
    for index in ({"proposal": masks}, {"class_index": classes}, {"proposal": -2}):
        refused("names mask", {"segments": [{**about["segments"][0], **index}]})


@pytest.mark.parametrize(
    "change",
    [{"names": [1, 2]}, {"settings": [1]}, {"image_uri": 5}, {"scores": [{"role": "judge", "classifier": "x"}]},
     {"segments": [{"id": "x"}]}, {"matches": [{"name": "a", "store_class": None, "how": "so"}]}, {"names": None}],
)  # fmt: skip
def test_words_of_another_type_are_named(refused, change):
    refused(next(iter(change)), change)


def test_names_kinds_and_synonyms_of_different_length(refused, parts):
    about = parts[1]
    refused("names", {"names": [*about["names"], "more"]})
    refused("kinds", {"is_thing": about["is_thing"][:-1]})
    refused("synonyms", {"synonyms": [["a"]] * (len(about["names"]) + 1)})
