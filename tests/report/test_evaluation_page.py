"""The page of an evaluation: everything in one file, figures as told, pictures spread evenly, nothing from outside."""

import re
from dataclasses import replace

import numpy as np
import pytest

from retclip.algorithms.calibration import ReliabilityBin
from retclip.errors import DataError
from retclip.report.evaluation_page import ready_page, write_evaluation
from retclip.report.shown_images import ShownImages
from retclip.store.records import Failure
from retclip.types import Image, PanopticSegmentation, SegmentInfo
from retclip.workflows.evaluation.bias import Crossing, SeenBias
from retclip.workflows.evaluation.evaluate import Judged
from retclip.workflows.evaluation.evaluation_figures import Bootstrap, Confusion, Evaluation, GroupFigures
from retclip.workflows.evaluation.oracle_costs import Gain, OracleFigures

SETTINGS = {
    "retclip": "0.1", "backbone": {"name": "stub.colour"}, "proposer": {"name": "stub.masks"},
    "classifiers": [{"name": "stub.table"}], "seen": {"said_by": "the user", "classes": 1},
}  # fmt: skip


def row(pq=None, ap=None, iou=None, seen=True):
    return {
        "boundary_iou": iou,
        "pq": pq,
        "sq": pq,
        "rq": pq,
        "ap": ap,
        "iou": iou,
        "tp": 1,
        "fp": 2,
        "fn": 3,
        "seen": seen,
    }


def evaluation(**changes):
    values = {
        "images": 7, "pq": 31.26, "sq": 70.0, "rq": 40.0, "pq_things": None, "pq_stuff": 12.5, "map": 9.87,
        "map50": 20.0, "map75": 5.0, "miou": 44.44, "pixel_accuracy": 60.0, "segment_accuracy": 50.0,
        "groups": {
            "seen": GroupFigures(1, 61.1, 1.0, 2.0, None, 3.0), "unseen": GroupFigures(2, 11.1, 1.0, 2.0, 4.0, 5.0),
        },
        "per_class": {"sky": row(61.1, None, 3.0), "<b>car": row(11.1, 4.0, 5.0, seen=False), "sea": row(seen=False)},
        "confusion": (Confusion("sky", "<b>car", 12345, 66.6), Confusion("sky", None, 5, 1.0)),
        "missing": ("sea",), "failures": (Failure("item3", "/x.png", "a photo; got none"),), "settings": SETTINGS,
    }  # fmt: skip
    return Evaluation(**{**values, **changes})


def judged(number=0, total=1, size=(20, 40), accuracy=0.5):
    label_map = np.ones(size, dtype=np.int32)
    label_map[:, size[1] // 2 :] = 2
    label_map[0, 0] = 3  # may vanish where the photo is made smaller
    infos = tuple(SegmentInfo(i, name, False, 1) for i, name in ((1, "sky"), (2, "<b>car"), (3, "sea")))
    truth = PanopticSegmentation(label_map, infos)
    pixels = np.random.default_rng(0).integers(0, 255, (*size, 3)).astype(np.uint8)
    return Judged(number, total, f"photo{number}", Image(pixels, "0" * 64, "", truth), truth, accuracy)


def written(page, found, source="label-maps:x", images=None):
    return write_evaluation(ready_page(page), found, source, images or ShownImages(0)).read_text(encoding="utf-8")


def test_the_figures_and_nothing_unescaped(tmp_path):
    text = written(tmp_path / "deep" / "page.html", evaluation(), "label-maps:<i>x?split=val")
    for told in (
        "31.3",
        "9.9",
        "44.4",
        "61.1",
        "11.1",
        "12,345",
        "66.6",
        "item3",
        "stub.masks",
        "stub.table",
        "the user named",
    ):
        assert told in text, told
    assert "&lt;b&gt;car" in text and "<b>car" not in text
    assert "&lt;i&gt;x" in text and "<i>x" not in text
    assert re.search(r"<td class=\"text\">seen</td><td>1</td><td>61.1</td>", text)
    assert "taken for" in text and ">nothing<" in text
    assert "In neither annotation nor answer: sea." in text
    assert "<img" not in text


def test_without_groups_confusion_failures_it_is_shorter_and_says_why(tmp_path):
    whole = evaluation()
    per_class = {name: {**one, "seen": None} for name, one in whole.per_class.items()}
    settings = {**SETTINGS, "seen": None, "keys": {"name": "stub.keys"}}
    changes = {
        "groups": {},
        "confusion": (),
        "failures": (),
        "missing": (),
        "per_class": per_class,
        "settings": settings,
    }
    text = written(tmp_path / "page.html", evaluation(**changes))
    assert "--seen" in text and "stub.keys" in text
    assert "badge unseen" not in text and "taken for" not in text and "could not be used" not in text


def test_intervals_and_the_reliability_curve(tmp_path):
    curve = (ReliabilityBin(0.0, 0.5, 0, None, None), ReliabilityBin(0.5, 1.0, 8, 0.75, 0.5))
    drawn = {"intervals": {"all": {"pq": (29.04, 33.06)}}, "bootstrap": Bootstrap(500, 3), "reliability": curve}
    text = written(tmp_path / "page.html", evaluation(**drawn, calibration_error=25.0))
    assert "<small>29.0 to 33.1</small>" in text and "95 % of 500 bootstrap" in text
    assert "8 segments, mean score 0.75, right 0.50" in text and text.count("<circle") == 1
    text = written(tmp_path / "other.html", evaluation())
    assert "<circle" not in text and "<small>" not in text


def test_pictures_are_inside_the_page_which_needs_no_other_file(tmp_path):
    images = ShownImages(3)
    images.add(judged(), ())
    images.add(judged(1, 2, accuracy=None, size=(900, 1300)), ())
    text = written(tmp_path / "folder", evaluation(), images=images)
    assert len(re.findall(r'<img src="data:image/jpeg;base64,[A-Za-z0-9+/=]+"', text)) == 6
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "right pixels 50 %" in text
    assert "The worst images" not in text, "of perfect answers none is bad"
    assert [one.name for one in (tmp_path / "folder").iterdir()] == ["index.html"]


def test_the_worst_images_with_their_mistakes(tmp_path):
    image = replace(judged(), quality=0.25)
    predicted = PanopticSegmentation(image.predicted.label_map, (
        SegmentInfo(1, "<b>car", False, 1, score=0.625), *image.predicted.segments[1:],
    ))  # fmt: skip
    images = ShownImages(3)
    images.add(replace(image, predicted=predicted), ("sky", "<b>car", "sea"))
    text = written(tmp_path / "page.html", evaluation(), images=images)
    assert "The worst images" in text and "quality 25" in text
    assert "is called" in text and "with a score of 0.62" in text and "<b>car" not in text
    assert text.count("<img") == 6, "it is the only image, the worst and one of the others"


def test_what_parts_cost_and_the_bias_have_their_sections(tmp_path):
    rows = {"pq": Gain(60.0, 28.74, (20.0, 35.0)), "miou": Gain(None, None, None)}
    bias = SeenBias(40.0, None, 5, 0, (30.0, 50.0), None, (Crossing("<b>car", "sky", 2),))
    changes = {"oracles": (OracleFigures("masks", {"all": rows}),), "bias": bias}
    text = written(tmp_path / "page.html", evaluation(**changes))
    assert "What each part costs" in text and "+28.7<small>+20.0 to +35.0</small>" in text
    assert "--a:31.3%;--b:60.0%" in text
    assert "Towards seen classes" in text and "&lt;b&gt;car called sky (2)" in text
    text = written(tmp_path / "other.html", evaluation())
    assert "What each part costs" not in text and "Towards seen classes" not in text


def test_a_place_that_cannot_be_written_is_told_before_the_work(tmp_path):
    (tmp_path / "page.html").mkdir()
    with pytest.raises(DataError, match="rename --report"):
        ready_page(tmp_path / "page.html")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="a folder in which files can be made"):
        ready_page(tmp_path / "file" / "page.html")


def test_a_page_that_cannot_be_written_after_all_is_told(tmp_path):
    page = ready_page(tmp_path / "page.html")
    page.mkdir()
    with pytest.raises(DataError, match="choose another --report"):
        write_evaluation(page, evaluation(), "x", ShownImages(0))


def test_why_no_ap_is_counted_stands_beside_the_figures(tmp_path):
    text = written(tmp_path, evaluation(no_map="nobody looked"))
    assert "It is not counted here: nobody looked." in text


def test_why_no_pq_is_counted_stands_beside_the_figures(tmp_path):
    found = evaluation(no_pq="nobody says it", no_map="nobody says it")
    text = written(tmp_path, found)
    assert text.count("nobody says it") == 1 and "PQ and mAP are not counted here: nobody says it." in text
