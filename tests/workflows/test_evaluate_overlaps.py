"""AP is counted against what was annotated: objects that overlap, and classes that nobody looked for."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from retclip.data.readers.coco.coco_instances import CocoInstances
from retclip.data.readers.coco.coco_panoptic import CocoPanopticSettings
from retclip.plugin.contracts import ANNOTATION
from retclip.types import MaskProposals
from retclip.workflows.evaluation.evaluate import evaluate

PERSON, SHIRT = [4, 4, 24, 4, 24, 44, 4, 44], [4, 14, 24, 14, 24, 39, 4, 39]  # 20 x 40 pixels, 20 x 25 of them hidden


@pytest.fixture
def source(tmp_path):
    """`source(categories, **more)`: a person under a shirt. more: of the photo's record."""

    def write(*categories, **more):
        Pillow.fromarray(np.full((48, 64, 3), 90, np.uint8)).save(tmp_path / "a.png")
        document = {
            "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48, **more}],
            "annotations": [
                {"id": 1, "image_id": 1, "category_id": 1, "area": 800, "segmentation": [PERSON]},
                {"id": 2, "image_id": 1, "category_id": 2, "area": 500, "segmentation": [SHIRT]},
            ],
            "categories": [{"id": n, **one} for n, one in enumerate(categories, 1)],
        }
        (tmp_path / "instances.json").write_text(json.dumps(document))
        return CocoInstances(CocoPanopticSettings(path=str(tmp_path)))

    return write


def answer(image, *boxes):
    masks = torch.zeros(len(boxes), *image.size)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes, strict=True):
        mask[y0:y1, x0:x1] = 1
    return MaskProposals(masks, torch.ones(len(boxes)), image.size)


def cut(image, _):
    """The masks that the painted map shows."""
    one = answer(image, (4, 4, 24, 44), (4, 14, 24, 39))
    one.masks[0] *= 1 - one.masks[1]
    return one


def whole(image, _):
    return answer(image, (4, 4, 24, 44), (4, 14, 24, 39))


CLASSES = ({"name": "person"}, {"name": "shirt"}, {"name": "dog"})
RIGHT = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]


def evaluated(kit, answer, scores, source, drawn=True):
    parts = kit.parts(kit.StoredNames(), answer, [kit.Classifier(scores)])
    provides = frozenset({ANNOTATION} if drawn else ())
    return evaluate(replace(parts, proposer=replace(parts.proposer, provides=provides)), source)


def test_a_cut_mask_is_held_against_the_whole_object(kit, source):
    found = evaluated(kit, cut, RIGHT, source(*CLASSES))
    assert (found.per_class["person"]["ap"], found.per_class["shirt"]["ap"]) == (0, pytest.approx(100))
    assert found.map == pytest.approx(50)  # 300 of the person's 800 pixels are no match
    assert (found.pq, found.no_map) == (100, ""), "the panoptic map has no overlaps"


def test_a_network_s_masks_are_offered_under_several_classes(kit, source):
    """FC-CLIP's rule: the shirt's mask is a person, too, if a poor one. 500 of 800 pixels match at .50, .55 and .60,
    behind a false alarm: 3 of 10 thresholds at a precision of one half."""
    found = evaluated(kit, cut, RIGHT, source(*CLASSES), drawn=False)
    assert found.per_class["person"]["ap"] == pytest.approx(15)


def test_whole_masks_are_right(kit, source):
    found = evaluated(kit, whole, RIGHT, source(*CLASSES))
    assert found.map == pytest.approx(100)
    assert (found.map_small, found.map_medium, found.map_large) == (pytest.approx(100), None, None)  # both below 1,024


LVIS = ({"name": "person", "frequency": "f"}, {"name": "shirt"}, {"name": "dog"})


def test_lvis_judges_no_class_that_nobody_looked_for(kit, source):
    """A third mask is called a person, for which it is too small, and so a false alarm above the right answer."""

    def three(image, _):
        return answer(image, (40, 4, 60, 24), (4, 4, 24, 44), (4, 14, 24, 39))

    scores = [[0.9, 0.0, 0.1], [0.8, 0.0, 0.2], [0.0, 0.8, 0.2]]

    def person_ap(**more):
        found = evaluated(kit, three, scores, source(*LVIS, **more))
        return found.per_class["person"]["ap"], found.no_map

    assert person_ap(neg_category_ids=[], not_exhaustive_category_ids=[]) == (pytest.approx(50), "")
    assert person_ap(neg_category_ids=[], not_exhaustive_category_ids=[1]) == (pytest.approx(100), "")
    ap, reason = person_ap()
    assert ap is None and "does not say which classes were looked for" in reason
