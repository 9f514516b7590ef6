"""Predictions on disk: panopticapi's own figures, and what other tools leave out or call otherwise."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

import retclip
from retclip.data.panoptic_writer import PanopticWriter
from retclip.data.readers.coco.panoptic_predictions import PanopticPredictions
from retclip.errors import DataError
from retclip.plugin.contracts import SourceClass
from retclip.types import PanopticSegmentation, SegmentInfo

CLASSES = [SourceClass("sky", False, native_id=4), SourceClass("cat", True, native_id=17)]
TRUTH = np.array([[4, 4, 4, 4], [4, 9, 9, 4], [4, 9, 9, 0]] * 4, np.int32)


def panoptic(label_map, classes, score=1.0):
    infos = (SegmentInfo(i, name, name == "cat", 1, score=score) for i, name in classes.items())
    return PanopticSegmentation(np.asarray(label_map, np.int32), tuple(infos))


@pytest.fixture
def data_set(tmp_path):
    """Two photos of a sky and a cat, annotated."""
    root = tmp_path / "set"
    writer = PanopticWriter(root, CLASSES)
    (root / "images").mkdir()
    for stem in ("a", "b"):
        Image.fromarray(np.zeros((*TRUTH.shape, 3), np.uint8)).save(root / "images" / f"{stem}.jpg")
        writer.add(stem, panoptic(TRUTH, {4: "sky", 9: "cat"}))
    writer.close()
    return f"coco-panoptic:{root}"


@pytest.fixture
def predictions(tmp_path):
    """Both right, with a score of 0.8, but half of b's cat is sky."""
    folder = tmp_path / "other"
    writer = PanopticWriter(folder, CLASSES)
    writer.add("a", panoptic(TRUTH, {4: "sky", 9: "cat"}, 0.8))
    half = TRUTH.copy()
    half[(TRUTH == 9) & (np.arange(4) == 1)] = 4
    writer.add("b", panoptic(half, {4: "sky", 9: "cat"}, 0.8))
    writer.close()
    return folder / "panoptic.json"


def changed(file, change):
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))
    return file


def evaluate(data_set, predictions, **more):
    with retclip.open(None) as memory:
        return memory.evaluate(data_set, predictions=predictions, **more)


def test_by_hand(data_set, predictions):
    found = evaluate(data_set, predictions)
    # sky: IoU 1 and 28/36 (8 of the cat's 16 pixels are called sky); cat: 1, and 8/16, which is not above one half
    assert found.per_class["sky"]["pq"] == pytest.approx(100 * (1 + 28 / 36) / 2)
    assert found.per_class["cat"]["pq"] == pytest.approx(100 * 1 / (1 + 0.5 + 0.5))
    assert found.per_class["cat"]["iou"] == pytest.approx(100 * 24 / 32)
    assert found.per_class["sky"]["iou"] == pytest.approx(100 * 56 / 64)
    assert found.fwiou == pytest.approx(100 * (56 * 56 / 64 + 32 * 24 / 32) / 88)
    assert found.calibration_error == pytest.approx(100 * abs(3 / 4 - 0.8))
    assert (found.images, found.map, found.groups, found.failures) == (2, None, {}, ())
    assert "panoptic maps" in found.no_map and found.settings["predictions"]["file"] == str(predictions)
    low, high = found.intervals["all"]["pq"]
    assert low <= found.pq <= high == 100


def test_the_photos_are_not_needed_and_what_is_seen_makes_groups(data_set, predictions, tmp_path):
    for photo in (tmp_path / "set" / "images").iterdir():
        photo.write_bytes(b"torn")
    found = evaluate(data_set, predictions, seen="cat")
    assert found.images == 2 and found.groups["seen"].classes == 1 and found.per_class["cat"]["seen"] is True
    with pytest.raises(DataError, match="correct --seen"):
        evaluate(data_set, predictions, seen="unicorn")


def test_a_page_shows_the_photos(data_set, predictions, tmp_path):
    evaluate(data_set, predictions, report=tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert (
        text.split("evenly over the source")[-1].count("<img") == 6
        and "panoptic map" in text
        and str(predictions) in text
    )


def without(*keys):
    return lambda document: [document.pop(key) for key in keys]


def test_a_file_for_a_server_has_neither_categories_nor_images(data_set, predictions):
    wanted = evaluate(data_set, predictions)
    found = evaluate(data_set, changed(predictions, without("categories", "images")))
    assert (found.pq, found.miou, found.intervals) == (wanted.pq, wanted.miou, wanted.intervals)


def test_names_decide_where_numbers_differ(data_set, predictions):
    wanted = evaluate(data_set, predictions).pq

    def renumber(document):
        for record in document["categories"]:
            record["id"] += 100
        for annotation in document["annotations"]:
            for segment in annotation["segments_info"]:
                segment["category_id"] += 100

    assert evaluate(data_set, changed(predictions, renumber)).pq == wanted


def test_a_class_of_another_data_set_becomes_void_and_is_counted(data_set, predictions):
    found = evaluate(data_set, changed(predictions, lambda d: d["categories"][1].update(name="unicorn")))
    assert found.settings["unmatched_classes"] == ["unicorn"]
    assert found.passed_over == {"predicted segments of classes that the annotation does not have": 2}
    assert (found.per_class["cat"]["fn"], found.per_class["cat"]["fp"], found.per_class["cat"]["iou"]) == (2, 0, 0)


def test_segments_without_scores_have_no_calibration(data_set, predictions):
    def strip(document):
        del document["annotations"][0]["segments_info"][0]["score"]

    found = evaluate(data_set, changed(predictions, strip))
    assert found.calibration_error == pytest.approx(100 * abs(1 / 2 - 0.8)), "of the image whose segments all have one"


def test_a_photo_without_a_prediction_is_a_failure_and_one_too_many_is_counted(data_set, predictions):
    def rename(document):
        document["images"][0]["file_name"] = "elsewhere.jpg"

    found = evaluate(data_set, changed(predictions, rename))
    assert found.images == 1 and [one.external_id for one in found.failures] == ["a.jpg"]
    assert "a prediction for a.jpg" in found.failures[0].reason
    assert found.passed_over == {"predictions of photos that the source does not have": 1}


def test_a_lost_map_and_one_of_another_size_are_failures(data_set, predictions):
    (predictions.with_suffix("") / "a.png").unlink()
    found = evaluate(data_set, predictions)
    assert found.images == 1 and "a.png" in found.failures[0].reason
    Image.fromarray(np.full((2, 2, 3), [4, 0, 0], np.uint8)).save(predictions.with_suffix("") / "a.png")
    assert "predict at full size" in evaluate(data_set, predictions).failures[0].reason


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", "name a COCO panoptic JSON"),
        ("{}", "name a COCO panoptic JSON"),
        ("{", "well-formed JSON"),
        ('{"annotations": [], "categories": [{"id": 1, "name": "unicorn"}]}', "the data set's own classes"),
        ('{"annotations": [], "categories": [7]}', "export the predictions again"),
        ('{"annotations": []}', "at least one image of set with a prediction"),
    ],
)
def test_what_holds_no_predictions_is_refused(data_set, tmp_path, text, told):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError, match=told):
        evaluate(data_set, tmp_path / "x.json")


def test_a_file_that_is_not_there_is_refused(data_set, tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        evaluate(data_set, tmp_path / "nowhere.json")


def test_agrees_with_panopticapi_on_real_photos(shared_data, tmp_path):
    folder = shared_data / "coco_panoptic"
    shutil.copytree(folder / "pred_val", tmp_path / "pred_val")
    shutil.copy(folder / "pred_val.json", tmp_path / "pred_val.json")
    found = evaluate(f"coco-panoptic:{folder}?split=val", tmp_path / "pred_val.json")
    wanted = json.loads((folder / "expected_val.json").read_text())
    assert (found.pq, found.sq, found.rq) == pytest.approx(
        [100 * wanted["All"][k] for k in ("pq", "sq", "rq")], abs=1e-10
    )
    assert (found.pq_things, found.pq_stuff) == pytest.approx(
        (100 * wanted["Things"]["pq"], 100 * wanted["Stuff"]["pq"]), abs=1e-10
    )


def two_photos(root, names, maps):
    """A data set of two photos, or predictions for them. maps: one for each photo, None = the photo is left out."""
    folder, records = root / "panoptic", {"images": [], "annotations": []}
    for number, (name, label_map) in enumerate(zip(names, maps, strict=True)):
        if label_map is None:
            continue
        photo, png = root / "images" / name, folder / f"{name}.png"
        for path in (photo, png):
            path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((*TRUTH.shape, 3), np.uint8)).save(photo)
        Image.fromarray(np.stack([label_map, *[np.zeros_like(label_map)] * 2], -1).astype(np.uint8)).save(png)
        segments = [{"id": 4, "category_id": 4}, {"id": 9, "category_id": 17}]
        records["images"].append({"id": number, "file_name": name})
        records["annotations"].append({"image_id": number, "file_name": f"{name}.png", "segments_info": segments})
    categories = [{"id": one.native_id, "name": one.name, "isthing": int(one.is_thing)} for one in CLASSES]
    (root / "panoptic.json").write_text(json.dumps({**records, "categories": categories}))
    return root


def test_a_prediction_of_another_folder_s_photo_stands_in_for_none(tmp_path):
    names = ("A/x.jpg", "B/x.jpg")
    data_set = two_photos(tmp_path / "set", names, (TRUTH, TRUTH))
    other = two_photos(tmp_path / "other", names, (TRUTH, None))
    found = evaluate(f"coco-panoptic:{data_set}", other / "panoptic.json")
    assert found.images == 1 and [one.external_id for one in found.failures] == ["B/x.jpg"]


def test_photos_that_differ_in_their_ending_have_predictions_of_their_own(tmp_path):
    names = ("x.jpg", "x.png")
    data_set = two_photos(tmp_path / "set", names, (TRUTH, TRUTH))
    swapped = np.where(TRUTH == 4, 9, np.where(TRUTH == 9, 4, 0))
    other = two_photos(tmp_path / "other", names, (TRUTH, swapped))
    found = evaluate(f"coco-panoptic:{data_set}", other / "panoptic.json")
    assert (found.images, found.failures) == (2, ())  # of each class one right; x.png's sky is called cat, its cat sky
    assert found.pq == pytest.approx(100 * 1 / (1 + 0.5 + 0.5))


def test_a_number_of_two_categories_is_refused(data_set, predictions):
    with pytest.raises(DataError, match="4 twice"):
        evaluate(data_set, changed(predictions, lambda d: d["categories"][1].update(id=4)))


def test_a_class_is_found_by_its_name_before_another_s_synonym_and_by_no_shared_synonym(predictions):
    lynx = SourceClass("lynx", True, synonyms=("cat", "feline"), native_id=18)
    house_cat = SourceClass("cat", True, synonyms=("feline",), native_id=17)
    read = PanopticPredictions(predictions, [CLASSES[0], house_cat, lynx], tuple).read("a.jpg")
    assert [one.class_name for one in read.labelled.segments] == ["sky", "cat"]
    changed(predictions, lambda d: d["categories"][1].update(name="feline"))
    with pytest.raises(DataError, match="a synonym of 'cat' and 'lynx'"):
        PanopticPredictions(predictions, [CLASSES[0], house_cat, lynx], tuple)
