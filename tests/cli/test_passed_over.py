"""Nothing is lost in silence: what a command left out stands in its closing line, by reason, and in --json."""

import csv
import io
import json
import tarfile

import numpy as np
import pytest
from PIL import ExifTags
from PIL import Image as Pillow

RED, BLUE = [[4, 4, 24, 4, 24, 24, 4, 24]], [[34, 20, 54, 20, 54, 40, 34, 40]]


def picture():
    pixels = np.full((48, 64, 3), 90, np.uint8)
    pixels[4:24, 4:24], pixels[20:40, 34:54] = (200, 20, 20), (20, 20, 200)
    return pixels


def save(path, exif=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(picture()).save(path, **({"exif": exif} if exif else {}))


def instances(root, *objects, photos=("a.png",)):
    """A COCO JSON; an object is (image, category, segmentation, more)."""
    images = [{"id": number, "file_name": name} for number, name in enumerate(photos, 1)]
    records = [
        {"image_id": image, "category_id": category, "segmentation": shape, **more}
        for image, category, shape, more in objects
    ]
    categories = [{"id": 1, "name": "red square"}, {"id": 2, "name": "blue square"}]
    document = {"images": images, "annotations": records, "categories": categories}
    (root / "instances.json").write_text(json.dumps(document))


def listed(file):
    with file.open(newline="", encoding="utf-8") as lines:
        return [row["external_id"] for row in csv.DictReader(lines)]


@pytest.fixture
def build(run, tmp_path):
    """Build `address` of the folder into a store there, or run another command on it."""
    store = tmp_path / "store"

    def call(address, *more, command="build"):
        ran = run(command, address, "--store", store, *more, "--set", "store.index=resident")
        return ran, store / "failures.csv"

    return call


@pytest.mark.parametrize("word", ["0", "false", "no", 0, False])
def test_no_in_any_spelling_makes_no_crowd(build, tmp_path, word):
    save(tmp_path / "images" / "a.png")
    instances(tmp_path, (1, 1, RED, {"iscrowd": word}), (1, 2, BLUE, {"iscrowd": word}))
    ran, _ = build(f"coco-instances:{tmp_path}")
    assert ran.code == 0 and "2 segments from 1 images" in ran.err and "passed over" not in ran.err


def test_crowds_hidden_objects_and_objects_without_a_pixel_are_counted(build, tmp_path):
    save(tmp_path / "images" / "a.png")
    far = [[900, 900, 920, 900, 920, 920]]
    instances(
        tmp_path, (1, 1, RED, {"iscrowd": "true"}), (1, 2, BLUE, {}), (1, 1, BLUE, {}), (1, 1, far, {}),
    )  # fmt: skip
    ran, failures = build(f"coco-instances:{tmp_path}", "--json")
    assert ran.code == 0 and not failures.exists()
    told = json.loads(ran.out)["passed_over"]
    assert told["crowds"] == 1 and told["objects without a pixel"] == 1
    assert all(f"{reason} {count}" in ran.err for reason, count in told.items())


def test_another_photo_of_that_name_is_a_failure_and_names_of_windows_are_read(build, tmp_path):
    save(tmp_path / "images" / "0001.png")
    save(tmp_path / "images" / "b.png")
    names = ("0001.png", "rear\\0001.png", "images\\b.png")
    instances(tmp_path, (1, 1, RED, {}), (2, 2, BLUE, {}), (3, 2, BLUE, {}), photos=names)
    ran, failures = build(f"coco-instances:{tmp_path}")
    assert ran.code == 7 and "2 segments from 2 images" in ran.err and listed(failures) == ["rear/0001.png"]


def test_a_bad_object_costs_that_object_in_build_and_evaluation(build, tmp_path):
    save(tmp_path / "images" / "a.png")
    instances(tmp_path, (1, 1, RED, {}), (1, 2, [], {}), (1, 2, [[0.1, 0.1, 0.4, 0.1, 0.4, 0.4]], {}), (9, 2, BLUE, {}))
    ran, failures = build(f"coco-instances:{tmp_path}", "--json")
    assert ran.code == 7 and "1 segments from 1 images" in ran.err and "objects that cannot be read 3" in ran.err
    assert sorted(listed(failures)) == [f"annotation {n} of {tmp_path / 'instances.json'}" for n in (1, 2, 3)]
    told = json.loads(ran.out)
    assert told["passed_over"] == {"objects that cannot be read": 3} and len(told["failures"]) == 3
    ran, _ = build(f"coco-instances:{tmp_path}", "--json", "--proposer", "reference.ground_truth", command="evaluate")
    told = json.loads(ran.out)
    assert ran.code == 7 and told["images"] == 1 and told["passed_over"] == {"objects that cannot be read": 3}
    assert "passed over: objects that cannot be read 3" in ran.err and len(told["failures"]) == 3


@pytest.mark.parametrize(("given", "shown"), [((), "upright"), (("--set", "data.orientation=stored"), "stored")])
def test_a_photo_with_an_orientation_is_never_silent_and_one_setting_decides(build, tmp_path, given, shown):
    exif = Pillow.Exif()
    exif[ExifTags.Base.Orientation] = 3
    save(tmp_path / "images" / "a.png", exif)
    instances(tmp_path, (1, 1, RED, {}), (1, 2, BLUE, {}))
    ran, _ = build(f"coco-instances:{tmp_path}", "--json", *given)
    reason = f"photos with an EXIF orientation, their annotation taken as {shown}"
    assert ran.code == 0 and json.loads(ran.out)["assumed"] == {reason: 1}
    assert f"{reason} 1" in ran.err and "data.orientation" in ran.err
    ran, _ = build(f"coco-instances:{tmp_path}?orientation=stored", "--json", command="evaluate")
    assert "taken as stored 1" in ran.err


def test_a_sample_without_a_caption_costs_that_sample(build, tmp_path):
    buffer = io.BytesIO()
    Pillow.fromarray(picture()).save(buffer, "PNG")
    with tarfile.open(tmp_path / "0.tar", "w") as archive:
        members = {"a.png": buffer.getvalue(), "a.txt": b"a red square", "b.png": buffer.getvalue() + b"x",
                   "c.png": buffer.getvalue() + b"y", "c.txt": b"nothing"}  # fmt: skip
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    address = f"image-text:{tmp_path / '0.tar'}?vocabulary=red square"
    ran, failures = build(address, "--proposer", "reference.whole_image")
    assert ran.code == 7 and "1 segments from 1 images" in ran.err
    assert "records that cannot be read 1, images whose text names no class 1" in ran.err
    assert listed(failures) == [f"sample 'b' of {tmp_path / '0.tar'}"]


def test_a_class_added_counts_rows_and_files_that_it_passed_over(run, tmp_path):
    save(tmp_path / "photos" / "a.png")
    (tmp_path / "photos" / "b.heic").touch()
    (tmp_path / "boxes.csv").write_text("image;x;y;width;height\na.png;4;4;20;20\na.png;0.1;0.1;0.3;0.4\n")
    store = tmp_path / "store"
    assert run("init", store).code == 0
    ran = run("class", "add", "red square", tmp_path / "photos", "--boxes", tmp_path / "boxes.csv", "--store", store)
    assert ran.code == 7 and "1 segments from 1 images" in ran.err
    assert "files that are not read (.heic) 1, rows that cannot be read 1" in ran.err
    assert listed(store / "failures.csv") == [f"row 3 of {tmp_path / 'boxes.csv'}"]
    (tmp_path / "photos" / "a.png").unlink()
    ran = run("class", "add", "red square", tmp_path / "photos", "--crops", "--store", store)
    assert ran.code == 3 and "passed over: files that are not read (.heic) 1" in ran.err


def test_segment_names_the_files_that_it_does_not_read(run, tmp_path):
    save(tmp_path / "photos" / "a.png")
    for name in ("b.heic", "c.heic", "d.txt"):
        (tmp_path / "photos" / name).touch()
    ran = run("segment", tmp_path / "photos", "--classes", "sky", "--store", tmp_path / "none", "--out", tmp_path / "o",
              "--preset", "miniature-fc-clip")  # fmt: skip
    assert "passed over: files that are not read (.heic) 2, files that are not read (.txt) 1" in ran.err
