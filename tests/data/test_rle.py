"""COCO run lengths: lossless, equal to pycocotools in both directions; malformed ones are refused before decoding."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco

from retclip.data.rle import decode, encode, encode_map, fill_polygons, measure
from retclip.errors import DataError
from retclip.limits import MIB

# pycocotools, not ours
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=24))


def runs_of(pixels):
    """Run lengths by a plain walk, column by column, zeros first."""
    runs, value = [0], False
    for pixel in pixels.T.ravel().tolist():
        if pixel != value:
            runs.append(0)
            value = pixel
        runs[-1] += 1
    return runs


@settings(max_examples=200, deadline=None)
@given(masks)
def test_a_mask_comes_back_from_its_text_and_from_its_runs(pixels):
    text = json.loads(json.dumps(encode(pixels)))  # it must survive a JSON file
    assert text["size"] == list(pixels.shape)
    for form in (text, {**text, "counts": text["counts"].encode()}, {**text, "counts": runs_of(pixels)}):
        found = decode(form)
        assert found.dtype == bool
        assert np.array_equal(found, pixels)


@settings(max_examples=200, deadline=None)
@given(masks)
def test_pycocotools_reads_ours_and_we_read_theirs(pixels):
    theirs = coco.encode(np.asfortranarray(pixels, dtype=np.uint8))
    assert encode(pixels)["counts"].encode() == theirs["counts"]
    assert np.array_equal(decode(theirs), pixels)
    assert np.array_equal(coco.decode(encode(pixels)), pixels)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 70_000), min_size=1, max_size=12))
def test_long_runs_agree_with_pycocotools(runs):
    mask = coco.frPyObjects({"size": [sum(runs), 1], "counts": runs}, sum(runs), 1)
    assert np.array_equal(decode(mask), coco.decode(mask))
    assert np.array_equal(decode({"size": [sum(runs), 1], "counts": runs}), coco.decode(mask))


def test_the_first_run_counts_zeros_and_columns_come_first():
    assert decode({"size": [2, 3], "counts": [0, 1, 5]}).tolist() == [[True, False, False], [False, False, False]]
    assert decode({"size": [2, 3], "counts": [1, 2, 3]}).tolist() == [[False, True, False], [True, False, False]]


@pytest.mark.parametrize("value", [False, True])
def test_a_mask_of_one_value(value):
    pixels = np.full((480, 640), value)
    assert len(encode(pixels)["counts"]) <= 8
    assert np.array_equal(decode(encode(pixels)), pixels)


def test_a_transposed_mask_is_encoded_as_it_is_seen():
    pixels = np.random.default_rng(0).random((7, 12)) > 0.5
    assert encode(pixels.T)["counts"] == encode(np.ascontiguousarray(pixels.T))["counts"]


def test_every_real_coco_mask_agrees_with_pycocotools(shared_data):
    document = json.loads((shared_data / "coco_panoptic" / "instances_val.json").read_text())
    assert len(document["annotations"]) > 200
    for one in document["annotations"]:
        mask = one["segmentation"]
        found = decode(mask)
        assert np.array_equal(found, coco.decode(mask)), one["id"]
        assert int(found.sum()) == int(coco.area(mask)), one["id"]
        assert encode(found) == mask, one["id"]


GOOD = encode(np.eye(6, dtype=bool))
MALFORMED = {
    "nothing": {},
    "no mask": None,
    "a list": [6, 6],
    "no counts": {"size": [6, 6]},
    "no size": {"counts": GOOD["counts"]},
    "counts of null": {"size": [6, 6], "counts": None},
    "counts of a number": {"size": [6, 6], "counts": 36},
    "counts of an object": {"size": [6, 6], "counts": {"a": 1}},
    "counts of a huge number": {"size": [6, 6], "counts": 10**13},  # bytes(10**13) would fill the memory
    "one side": {"size": [6], "counts": GOOD["counts"]},
    "three sides": {"size": [6, 6, 1], "counts": GOOD["counts"]},
    "a side in words": {"size": ["six", 6], "counts": GOOD["counts"]},
    "a side of null": {"size": [None, 6], "counts": GOOD["counts"]},
    "an infinite side": {"size": [float("inf"), 6], "counts": GOOD["counts"]},
    "another size": {"size": [6, 7], "counts": GOOD["counts"]},
    "negative sides": {"size": [-6, -6], "counts": GOOD["counts"]},
    "empty text": {"size": [6, 6], "counts": ""},
    "text cut inside a number": {"size": [480, 640], "counts": encode(np.zeros((480, 640), bool))["counts"][:-1]},
    "text cut after a run": {"size": [6, 6], "counts": GOOD["counts"][:-1]},
    "more text": {"size": [6, 6], "counts": GOOD["counts"] + "1"},
    "a space": {"size": [6, 6], "counts": " " + GOOD["counts"]},
    "a character past the alphabet": {"size": [6, 6], "counts": "\x7f" + GOOD["counts"]},
    "not ascii": {"size": [6, 6], "counts": "é" + GOOD["counts"]},
    "a number without an end": {"size": [6, 6], "counts": "o" * 100_000},
    "a run of 64 bits": {"size": [6, 6], "counts": "o" * 12 + "1"},
    "text over the limit": {"size": [6, 6], "counts": "0" * (MIB + 1)},
    "runs that end early": {"size": [6, 6], "counts": [10, 10]},
    "runs that end late": {"size": [6, 6], "counts": [10, 27]},
    "a negative run": {"size": [6, 6], "counts": [40, -4]},
    "a negative run in text": {"size": [6, 6], "counts": "Od1"},
    "runs in words": {"size": [6, 6], "counts": ["many"]},
    "a run of null": {"size": [6, 6], "counts": [None]},
    "an infinite run": {"size": [6, 6], "counts": [float("inf")]},
    "no runs": {"size": [6, 6], "counts": []},
    "more pixels than memory": {"size": [10**6, 10**6], "counts": [10**12]},
    "two sides of minus a billion": {"size": [-(10**9), -(10**9)], "counts": [10**18]},
}


@pytest.mark.parametrize("mask", MALFORMED.values(), ids=MALFORMED)
def test_malformed_counts_are_refused(mask):
    with pytest.raises(DataError, match="COCO mask") as caught:
        decode(mask)
    assert caught.value.got and caught.value.todo


def test_hostile_text_is_given_up_early():
    with pytest.raises(DataError, match=r"at 1[0-9];"):  # within the first digits, not after all of them
        decode({"size": [6, 6], "counts": "o" * 100_000})
    with pytest.raises(DataError, match="bytes of text"):
        decode({"size": [6, 6], "counts": "0" * (MIB + 1)})


@settings(max_examples=300, deadline=None)
@given(st.text("".join(map(chr, range(44, 116))), max_size=12), st.integers(0, 9), st.integers(0, 9))
def test_any_text_is_either_a_mask_of_that_size_or_refused(counts, height, width):
    try:
        found = decode({"size": [height, width], "counts": counts})
    except DataError:
        return
    assert found.shape == (height, width)


def test_an_outline_that_would_fill_the_memory_is_refused():
    """The C code keeps five points for each pixel of an outline: this one has 2 000 000 000 of them."""
    zigzag = [value for corner in range(200) for value in (-1e6 if corner % 2 else 1e6, float(corner))]
    with pytest.raises(DataError, match="an outline of at most 2000000 pixels"):
        fill_polygons([zigzag], (40, 60))
    far = fill_polygons([[-1000.0, -1000.0, 1000.0, -1000.0, 1000.0, 1000.0, -1000.0, 1000.0]], (4, 6))
    assert far.all()


@pytest.mark.parametrize("seed", range(40))
def test_a_measured_mask_is_what_is_drawn(seed):
    rng = np.random.default_rng(seed)
    pixels = rng.random((int(rng.integers(1, 9)), int(rng.integers(1, 9)))) < rng.choice([0.0, 0.1, 0.5, 0.95, 1.0])
    area, (x, y, width, height) = measure(encode(pixels))
    rows, columns = np.nonzero(pixels)
    assert area == pixels.sum()
    if area:
        assert (x, y, x + width - 1, y + height - 1) == (columns.min(), rows.min(), columns.max(), rows.max())
    else:
        assert (x, y, width, height) == (0, 0, 0, 0)


@settings(max_examples=100, deadline=None)
@given(arrays(np.int64, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(-1, 3)))
def test_a_map_of_masks_is_encoded_and_measured_as_its_masks_are(owners):
    for n, (area, box, counts) in enumerate(encode_map(owners, 5)):
        wanted = encode(owners == n)
        assert counts.decode() == wanted["counts"]
        assert (area, box) == measure(wanted)
