"""An explanation as a value: its texts, its data, its picture, without any store."""

import json
from uuid import UUID

import numpy as np
import pytest

from retclip.data import viewer
from retclip.errors import ConfigError, DataError
from retclip.types import SegmentInfo
from retclip.workflows.explain.explanation import ExplainedNeighbour, Explanation, Vote

PIXELS = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)


def explanation(**change):
    """A kayak, voted for by two of three neighbours."""
    near = [("kayak", 0.6), ("boat", 0.3), ("kayak", 0.1)]
    given = {
        "segment": SegmentInfo(3, "kayak", True, 20, 0.7, 0, 1), "mask": 1, "masks": 1, "mask_area": 20,
        "box": (1, 2, 3, 4), "image_uri": "/photos/lake.jpg", "image_sha256": "0" * 64,
        "neighbours": tuple(
            ExplainedNeighbour(UUID(int=n), 0.1 * n, name, None, share) for n, (name, share) in enumerate(near)
        ),
        "scores": {"retrieval.vote": {"kayak": 0.7, "boat": 0.3}}, "unknown": {"retrieval.vote": []},
        "combined": {"kayak": 0.7, "boat": 0.3}, "void": 0.0, "settings": {},
        "vote": Vote("retrieval.vote", "each counts", {"kayak": 0.7, "boat": 0.3}), "classes": ("kayak", "boat", "sea"),
        "painter": lambda _: PIXELS,
    }  # fmt: skip
    return Explanation(**{**given, **change})


def test_it_is_short_as_text():
    assert repr(explanation()) == ("<Explanation of segment 3: kayak 0.700; 3 neighbours vote kayak 0.700, boat 0.300>")
    assert repr(explanation(vote=None)) == "<Explanation of segment 3: kayak 0.700; 3 neighbours>"


def test_votes_counts_and_verdict():
    why = explanation()
    assert (why.votes(), why.counts()) == ({"kayak": 0.7, "boat": 0.3}, {"kayak": 2, "boat": 1})
    assert why.verdict() == "kayak, and so says the vote"
    assert why.told_votes() == "kayak 0.700 (2), boat 0.300 (1)"


def test_of_many_classes_the_rest_is_summed_so_that_the_counts_add_up():
    names = [f"class {n}" for n in range(8)]
    near = tuple(ExplainedNeighbour(UUID(int=n), 0.1, name, None, 0.125) for n, name in enumerate(names * 2))
    told = explanation(neighbours=near, vote=Vote("v", "r", dict.fromkeys(names, 0.125))).told_votes()
    assert told.endswith("class 4 0.125 (2), 3 more 0.375 (6)")


def test_a_tie_is_no_contradiction():
    even = Vote("retrieval.vote", "each counts", {"boat": 0.5, "kayak": 0.5})
    assert explanation(vote=even).verdict() == "kayak, and so says the vote"


def test_as_data_it_is_json_and_holds_every_share():
    told = json.loads(json.dumps(explanation().as_dict(), default=str))
    assert [one["share"] for one in told["neighbours"]] == [0.6, 0.3, 0.1]
    assert told["vote"] == {
        "classifier": "retrieval.vote",
        "rule": "each counts",
        "scores": {"kayak": 0.7, "boat": 0.3},
    }
    assert (told["counts"], told["verdict"]) == ({"kayak": 2, "boat": 1}, "kayak, and so says the vote")
    assert told["segment"]["class_name"] == "kayak" and "painter" not in told


def test_it_is_saved_as_a_picture_and_as_nothing_else(tmp_path):
    from PIL import Image

    for path in (tmp_path / "deep" / "why.png", str(tmp_path / "WHY.PNG")):
        saved = explanation().save(path)
        assert str(saved) == str(path)
        assert (np.asarray(Image.open(saved)) == PIXELS).all()
    for name in ("why.jpg", "why", "why.json"):
        with pytest.raises(DataError, match=r"ends in \.png"):
            explanation().save(tmp_path / name)


def test_notebooks_get_the_picture_and_others_a_viewer(monkeypatch):
    assert explanation()._repr_png_().startswith(b"\x89PNG")
    shown = []
    monkeypatch.setattr(viewer.ImageShow, "show", lambda image, title: shown.append(np.asarray(image)) or True)
    explanation().show()
    assert (shown[0] == PIXELS).all()


def test_without_a_painter_there_is_no_picture(tmp_path):
    bare = explanation(painter=None)
    assert bare._repr_png_() is None
    for draw in (bare.show, lambda: bare.save(tmp_path / "why.png")):
        with pytest.raises(ConfigError, match=r"use result\.explain"):
            draw()


def test_two_are_equal_whoever_draws_them():
    assert explanation() == explanation(painter=None)
    assert explanation() != explanation(mask=2)
