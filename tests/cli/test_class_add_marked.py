"""`class add` from crops, boxes, points, masks, many files, and a list on stdin."""

import io
import json
import os

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.usefixtures("own_plugins")


@pytest.fixture
def store(run, tmp_path):
    assert run("init", tmp_path / "store").code == 0
    return tmp_path / "store"


@pytest.fixture
def foxes(tmp_path):
    """Three photos with a red square each."""
    folder = tmp_path / "foxes"
    folder.mkdir()
    for number in range(3):
        pixels = np.full((40, 60, 3), (30, 160, 40), np.uint8)
        pixels[10:30, 10 * number : 10 * number + 20] = (210, 60, 20 + number)
        Image.fromarray(pixels).save(folder / f"f{number}.png")
    return folder


@pytest.fixture
def add(run, store, monkeypatch):
    def call(*given, stdin=None, code=0):
        if stdin is not None:
            content = stdin if isinstance(stdin, bytes) else stdin.encode()
            monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        ran = run("class", "add", "fox", *given, "--store", store, "--json")
        assert ran.code == code, ran.err
        return (json.loads(ran.out) if ran.out else None), ran.err

    return call


@pytest.fixture
def stored(store):
    """Of every stored segment area, where its label came from, its proposer, and of every run its source."""
    import sqlite3

    def ask():
        with sqlite3.connect(store / "catalog.sqlite") as catalog:
            segments = catalog.execute(
                "SELECT mask.area, segment.label_source, proposer.name FROM segment"
                " JOIN mask ON mask.segment_id = segment.id AND mask.number = segment.mask_no"
                " JOIN proposer ON proposer.id = segment.proposer_id ORDER BY segment.id"
            ).fetchall()
            return segments, [row[0] for row in catalog.execute("SELECT source FROM run ORDER BY id")]

    return ask


def test_a_second_list_of_boxes_takes_the_place_of_the_first_and_says_so(add, stored, foxes, tmp_path):
    for number, size in enumerate((10, 20)):
        (tmp_path / f"{number}.csv").write_text(f"image,x,y,width,height\nf0.png,0,10,{size},20\n")
    report, told = add(foxes / "f0.png", "--boxes", tmp_path / "0.csv")
    assert report["displaced"] == 0 and "gave way" not in told
    report, told = add(foxes / "f0.png", "--boxes", tmp_path / "1.csv")
    assert report["displaced"] == 1 and "1 segment stored before gave way" in told
    assert [area for area, *_ in stored()[0]] == [400]


def test_several_crops_are_one_run(add, foxes, stored):
    report, told = add(*sorted(foxes.iterdir()), "--crops", "--thing")
    assert (report["images"], report["segments"]) == (3, 3) and "masks by reference.whole_image" in told
    segments, sources = stored()
    assert segments == [(2400, "person", "reference.whole_image")] * 3  # no detector looked; a person said it
    assert sources == [f"folder:{foxes / 'f0.png'} and 2 more"]


def test_a_list_on_stdin_skips_blank_lines_and_remarks(add, foxes):
    listed = f"# foxes\n\n{foxes / 'f0.png'}\r\n   {foxes / 'f1.png'}  \n#{foxes / 'f2.png'}"
    report, _ = add("-", "--crops", stdin=listed)
    assert (report["total"], report["segments"]) == (2, 2)
    report, _ = add(foxes / "f2.png", "-", "--crops", stdin=listed)
    assert (report["total"], report["skipped"], report["segments"]) == (3, 2, 1)


def test_a_photo_that_is_called_like_a_remark_or_holds_what_others_take_for_a_line_end(add, foxes, monkeypatch):
    monkeypatch.chdir(foxes)
    (foxes / "f0.png").rename(foxes / "#1 fox.png")
    (foxes / "f1.png").rename(foxes / "f\u2028.png")
    report, _ = add("-", "--crops", stdin="#1 fox.png\nf\u2028.png\n#f2.png\n#" + "x" * 5000)
    assert (report["total"], report["segments"]) == (2, 2)


@pytest.mark.parametrize("stdin", ["", "\n \n", "# nothing\n"])
def test_an_empty_list_is_told(add, stdin):
    _, told = add("-", "--crops", stdin=stdin, code=3)
    assert "photos or sources on stdin, one a line" in told
    assert "name it once" in add("-", "-", "--crops", stdin="a", code=2)[1]


def test_names_on_stdin_may_be_any_bytes(add, foxes):
    odd = os.fsencode(foxes) + b"/f\xff?.png"
    (foxes / "f0.png").rename(foxes / "füchs?.png")
    (foxes / "f1.png").rename(os.fsdecode(odd))
    report, _ = add("-", "--crops", stdin=os.fsencode(foxes / "füchs?.png") + b"\n" + odd)
    assert report["segments"] == 2


def test_sources_and_photos_side_by_side_keep_their_order(add, foxes, tmp_path):
    folders = tmp_path / "folders" / "fox"
    folders.mkdir(parents=True)
    Image.new("RGB", (60, 40), (200, 60, 1)).save(folders / "x.png")
    given = (foxes / "f0.png", foxes / "f1.png", f"class-folders:{folders.parent}", foxes / "f2.png")
    reports, _ = add(*given, "--proposer", "reference.whole_image")
    assert [one["total"] for one in reports] == [2, 1, 1]


def test_boxes_are_filled_where_no_mask_model_is_there(add, foxes, tmp_path, stored):
    (tmp_path / "boxes.csv").write_text("image,x,y,width,height\nf0.png,0,10,20,20\nf2.png,20,10,20,20\n")
    report, told = add(foxes, "--boxes", tmp_path / "boxes.csv")
    assert (report["images"], report["segments"], report["empty"]) == (2, 2, 1)
    assert "masks by reference.ground_truth" in told
    assert stored()[0] == [(400, "annotation", "reference.ground_truth")] * 2


def test_boxes_of_a_coco_json_of_several_classes(add, foxes, tmp_path):
    document = {
        "images": [{"id": 1, "file_name": "f0.png"}],
        "categories": [{"id": 1, "name": "Fox"}, {"id": 2, "name": "owl"}],
        "annotations": [{"image_id": 1, "category_id": n, "bbox": [n, 10, 10, 10]} for n in (1, 2)],
    }  # fmt: skip
    (tmp_path / "boxes.json").write_text(json.dumps(document))
    report, _ = add(foxes, "--boxes", tmp_path / "boxes.json")
    assert report["per_class"] == {"Fox": 1}
    document["categories"][0]["name"] = "foxy"
    (tmp_path / "boxes.json").write_text(json.dumps(document))
    assert "did you mean 'foxy'?" in add(foxes, "--boxes", tmp_path / "boxes.json", code=3)[1]


def test_points_take_their_superpixels(add, foxes, tmp_path, stored):
    (tmp_path / "points.csv").write_text("image,x,y,positive\nf0.png,5,20,1\nf0.png,50,5,0\nf1.png,20,20,1\n")
    report, told = add(
        foxes, "--points", tmp_path / "points.csv", "--set", "plugin.reference.prompted_superpixels.count=6"
    )
    assert report["segments"] == 2 and "masks by reference.prompted_superpixels" in told
    assert all(0 < area < 1200 and source == "annotation" for area, source, _ in stored()[0])


def test_masks_are_taken_as_they_are(add, foxes, tmp_path, stored):
    for number in range(3):
        mask = np.zeros((40, 60), np.uint8)
        mask[10:30, :5], mask[0, 50:] = 255, 1
        (tmp_path / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(tmp_path / "masks" / f"f{number}.png")
    report, _ = add(foxes, "--masks", tmp_path / "masks", "--stuff")
    assert report["segments"] == 3 and stored()[0] == [(110, "annotation", "reference.ground_truth")] * 3


def test_a_proposer_that_is_named_is_used(add, foxes, tmp_path, stored):
    (tmp_path / "boxes.csv").write_text("image,x,y,width,height\nf0.png,0,10,20,20\n")
    add(foxes, "--boxes", tmp_path / "boxes.csv", "--proposer", "reference.prompted_superpixels")
    assert stored()[0][0][2] == "reference.prompted_superpixels"
    _, told = add(foxes, "--boxes", tmp_path / "boxes.csv", "--set", "build.proposer=reference.whole_image")
    assert stored()[0][-1][2] == "reference.whole_image" and "masks by reference.whole_image" in told


def test_a_bad_row_costs_that_row_and_a_bad_place_its_object(add, foxes, tmp_path, store):
    (tmp_path / "points.csv").write_text("image,x,y\nf0.png,5,20\ngone.png,1,1\n")
    report, told = add(foxes, "--points", tmp_path / "points.csv", code=7)
    assert report["segments"] == 1 and "row 3 of" in told
    (tmp_path / "points.csv").write_text("image,x,y\ngone.png,1,1\n")
    assert "row 2 of" in add(foxes, "--points", tmp_path / "points.csv", code=3)[1]
    (tmp_path / "points.csv").write_text("image,x,y\nf0.png,5,20\nf1.png,60,1\n")
    report, told = add(foxes, "--points", tmp_path / "points.csv", code=7)
    assert report["skipped"] == 1 and "60 x 40 pixels, in row 3" in told
    assert (store / "failures.csv").read_text().count("f1.png") >= 1


@pytest.mark.parametrize(
    ("given", "code", "word"),
    [
        (("--crops", "--boxes", "b.csv"), 2, "--boxes, --crops"),
        (("--points", "p.csv", "--masks", "m"), 2, "--points, --masks"),
        (("--boxes", "gone.csv"), 3, "gone.csv"),
    ],
)
def test_flags_that_cannot_be(add, foxes, given, code, word):
    assert word in add(foxes, *given, code=code)[1]


def test_an_annotated_source_is_not_marked_once_more(add, built):
    assert "beside --crops" in add(built.source, "--crops", code=3)[1]
    assert "beside --boxes" in add(built.source, "--boxes", "b.csv", code=3)[1]


def test_the_gate_holds_for_marked_photos_too(run, built, foxes, tmp_path):
    store = tmp_path / "own"
    assert run("build", built.source, "--store", store).code == 0
    (tmp_path / "boxes.csv").write_text("image,x,y,width,height\nf0.png,0,10,20,20\n")
    given = ("class", "add", "fox", foxes, "--boxes", tmp_path / "boxes.csv", "--check", built.source, "--store", store)
    document = json.loads(run(*given, "--max-regression", "100", "--json").out)
    assert document["kept"] and document["runs"][0]["segments"] == 1 and document["check"]["annotated"]
