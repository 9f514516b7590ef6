"""`retclip evaluate`: three rows of figures, classes on request, the page, and who says what is seen."""

import json
from hashlib import sha256

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("own_plugins")
GROUPS, PAGES = ("all", "seen", "unseen"), ("first.html", "later.html")


@pytest.fixture
def evaluate(run, built):
    """Evaluate the drawn scenes with their own masks."""
    fixed = ("--store", built.store, "--proposer", "reference.ground_truth", "--set", "store.index=resident")
    return lambda *more: run("evaluate", built.source, *fixed, *more)


def cells(text):
    return [line.split("\t") for line in text.splitlines()]


def test_without_an_in_vocabulary_classifier_there_is_one_row_and_a_hint(evaluate):
    ran = evaluate()
    assert ran.code == 0, ran.err
    head, whole, drawn, ends = cells(ran.out)
    assert head == ["", "classes", "PQ", "SQ", "RQ", "mAP", "mIoU", "FWIoU", "boundary IoU"]
    assert drawn == ["95 %", "PQ", "SQ", "RQ", "mIoU", "FWIoU", "boundary IoU"]
    low, high = map(float, ends[1].split(".."))
    assert low <= float(whole[2]) <= high
    assert whole[0] == "all"
    assert all(0 < float(value) <= 100 for value in whole[1:])
    assert "--seen says which classes count as seen" in ran.err
    assert "AP50" in ran.err


def test_seen_and_unseen_rows_and_every_class(evaluate):
    ran = evaluate("--seen", "sky, sun", "--per-class")
    rows = cells(ran.out)
    assert [one[0] for one in rows[:4]] == ["", "all", "seen", "unseen"]
    assert int(rows[1][1]) == int(rows[2][1]) + int(rows[3][1])
    assert [one[0] for one in rows[4:8]] == ["95 %", "all", "seen", "unseen"]
    said = {one[0]: one[1] for one in rows[9 : 9 + int(rows[1][1])]}
    assert said["sky"] == "seen" and set(said.values()) == {"seen", "unseen"}
    assert ["annotated", "taken for", "pixels", "% of the class"] in rows
    assert "--seen" not in ran.err


def test_the_seen_list_may_be_a_file(evaluate, tmp_path):
    (tmp_path / "seen.txt").write_text("heaven, sky | stuff\n")
    document = json.loads(evaluate("--seen", tmp_path / "seen.txt", "--json").out)
    assert document["groups"]["seen"]["classes"] == 1
    assert document["per_class"]["sky"]["seen"] is True
    assert document["settings"]["seen"] == {"said_by": "the user", "classes": 1}


def test_a_seen_list_of_other_classes_is_refused(evaluate):
    ran = evaluate("--seen", "unicorn")
    assert (ran.code, ran.out) == (3, "")
    assert "correct --seen" in ran.err


def test_intervals_are_drawn_as_was_asked(evaluate):
    first, again, other = (json.loads(evaluate("--json", "--bootstrap", 40, "--seed", seed).out) for seed in (1, 1, 2))
    assert first["bootstrap"] == {"drawings": 40, "seed": 1, "level": 0.95}
    assert first["intervals"] == again["intervals"] != other["intervals"]
    ran = evaluate("--bootstrap", 0)
    assert len(cells(ran.out)) == 2, "no intervals"


@pytest.mark.parametrize(("place", "file"), [("page.html", "page.html"), ("folder", "folder/index.html")])
def test_the_report(evaluate, tmp_path, place, file):
    ran = evaluate("--report", tmp_path / place, "--pictures", "2", "--json")
    text = (tmp_path / file).read_text(encoding="utf-8")
    assert f"{json.loads(ran.out)['pq']:.1f}" in text
    assert text.split("evenly over the source")[-1].count("<img") == 6
    assert f"wrote {tmp_path / file}" in ran.err


@pytest.mark.parametrize("place", ["index.html", "."])
def test_a_page_of_somebody_else_is_not_written_over(evaluate, tmp_path, place):
    page = tmp_path / "site" / "index.html"
    page.parent.mkdir()
    page.write_text("<p>mine</p>")
    ran = evaluate("--report", page.parent / place)
    assert (ran.code, ran.out) == (2, "") and "choose another name for --report" in ran.err
    assert page.read_text() == "<p>mine</p>"
    page.unlink()
    for _ in range(2):
        assert evaluate("--report", page.parent / place, "--pictures", 0).code == 0


def test_a_report_that_cannot_be_written_is_told_first(evaluate, tmp_path):
    (tmp_path / "file").write_text("x")
    ran = evaluate("--report", tmp_path / "file" / "page.html")
    assert (ran.code, ran.out) == (3, "")


def test_a_bad_image_does_not_keep_the_figures_back(run, labelled, tmp_path):
    root, _ = labelled
    fixed = ("--store", tmp_path / "store", "--proposer", "reference.ground_truth", "--set", "store.index=resident")
    run("build", f"label-maps:{root}", "--store", tmp_path / "store")
    ran = run("evaluate", f"label-maps:{root}", *fixed, "--report", tmp_path / "page.html")
    assert ran.code == 7
    assert cells(ran.out)[1][0] == "all"
    assert "b.png" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_where_nothing_is_labelled_json_has_null_and_the_table_dashes(run, labelled, tmp_path):
    root, whole = labelled
    fixed = ("--store", tmp_path / "store", "--proposer", "reference.ground_truth", "--set", "store.index=resident")
    (root / "labels" / "b.png").write_bytes(whole)
    run("build", f"label-maps:{root}", "--store", tmp_path / "store")
    classes = [{"id": 0, "name": "sky"}, {"id": 3, "name": "grass"}]
    (root / "classes.json").write_text(json.dumps({"classes": classes, "void_id": 1}))
    ran = run("evaluate", f"label-maps:{root}", *fixed, "--json", "--report", tmp_path / "page.html")
    assert ran.code == 0, ran.err
    document = json.loads(ran.out, parse_constant=pytest.fail)
    figures = ("pq", "sq", "rq", "pq_things", "pq_stuff", "map", "map50", "map75", "miou", "pixel_accuracy")
    assert {document[key] for key in (*figures, "segment_accuracy")} == {None}
    assert "nan" not in (tmp_path / "page.html").read_text(encoding="utf-8").lower()
    ran = run("evaluate", f"label-maps:{root}", *fixed, "--per-class")
    assert cells(ran.out)[1] == ["all", "2", *"-------"]
    assert "pixel accuracy -  segment accuracy -" in ran.err


def test_classes_of_unknown_kind_have_dashes_and_a_reason_until_a_list_says_it(run, labelled, tmp_path):
    root, whole = labelled
    (root / "labels" / "b.png").write_bytes(whole)
    fixed = ("--store", tmp_path / "store", "--proposer", "reference.ground_truth", "--set", "store.index=resident")
    run("build", f"label-maps:{root}", "--store", tmp_path / "store")
    ran = run("evaluate", f"label-maps:{root}", *fixed, "--per-class", "--report", tmp_path / "page.html")
    assert ran.code == 0, ran.err
    assert cells(ran.out)[1][:6] == ["all", "2", "-", "-", "-", "-"] and float(cells(ran.out)[1][6]) == 100
    assert "PQ and AP are not counted: nobody says of 2 classes, e.g. sky, grass" in ran.err
    assert "nobody says of 2 classes" in (tmp_path / "page.html").read_text(encoding="utf-8")
    (tmp_path / "kinds.txt").write_text("sky | stuff\ngrass | stuff\n")
    ran = run("evaluate", f"label-maps:{root}?isthing={tmp_path / 'kinds.txt'}", *fixed, "--json")
    document = json.loads(ran.out)
    assert (document["pq"], document["pq_stuff"], document["no_pq"]) == (100, 100, "")


def test_predictions_of_any_tool_need_neither_store_nor_model(run, tmp_path):
    from retclip.data.panoptic_writer import PanopticWriter
    from retclip.plugin.contracts import SourceClass
    from retclip.types import PanopticSegmentation, SegmentInfo

    label_map = np.repeat(np.array([[1, 1, 2, 2]], np.int32), 4, axis=0)
    infos = tuple(SegmentInfo(i, name, False, 8) for i, name in ((1, "sky"), (2, "grass")))
    for name in ("set", "other"):
        writer = PanopticWriter(tmp_path / name, [SourceClass("sky", False), SourceClass("grass", False)])
        writer.add("a", PanopticSegmentation(label_map, infos))
        writer.close()
    (tmp_path / "set" / "images").mkdir()
    address, file = f"coco-panoptic:{tmp_path / 'set'}", tmp_path / "other" / "panoptic.json"
    ran = run("evaluate", address, "--predictions", file, "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["pq"] == 100
    document = json.loads(file.read_text())
    document["categories"][1]["name"] = "unicorn"
    file.write_text(json.dumps(document))
    ran = run("evaluate", address, "--predictions", file)
    assert ran.code == 0 and "1 predicted classes are none of the source's and count as void, e.g. unicorn" in ran.err
    assert "predicted segments of classes that the annotation does not have" in ran.err
    ran = run("evaluate", address, "--predictions", tmp_path / "nowhere.json")
    assert (ran.code, ran.out) == (3, "")


def test_kept_parts_are_merged_and_compared(evaluate, run, tmp_path):
    fixed = ("--bootstrap", 30, "--json")
    whole = json.loads(evaluate("--out", tmp_path / "whole", *fixed).out)
    for index in (1, 2):
        ran = evaluate("--out", tmp_path / f"{index}", "--part", f"{index}/2", *fixed)
        assert ran.code == 0 and f"wrote {tmp_path / str(index) / 'run.json'}" in ran.err
    ran = run("evaluate-merge", tmp_path / "1", tmp_path / "2", *fixed)
    assert ran.code == 0, ran.err
    document = json.loads(ran.out)
    apart = ("settings", "absent_images")
    assert {k: v for k, v in document.items() if k not in apart} == {k: v for k, v in whole.items() if k not in apart}
    settings = json.loads((tmp_path / "whole" / "run.json").read_text())["configuration"]["settings"]
    assert settings["store"]["events"] > 0 and len(settings["store"]["head"]) == 64 and "weights" in settings
    ran = run("evaluate-merge", tmp_path / "1")
    assert ran.code == 7 and "images in no part" in ran.err and cells(ran.out)[1][0] == "all"
    ran = run("evaluate-diff", tmp_path / "whole", tmp_path / "1", "--bootstrap", 30)
    assert ran.code == 0 and cells(ran.out)[1][:2] == ["all", "PQ"] and "left out" in ran.err
    ran = evaluate("--out", tmp_path / "whole", "--seen", "sky", *fixed)
    assert ran.code == 2 and "another configuration" in ran.err
    assert evaluate("--part", "9/2", "--out", tmp_path / "x").code == 2
    assert run("evaluate-diff", tmp_path / "whole", tmp_path).code == 2


def test_what_parts_of_the_system_cost(run, built, tmp_path):
    fixed = ("--store", built.store, "--proposer", "reference.superpixels", "--set", "store.index=resident")
    ran = run("evaluate", built.source, *fixed, "--oracle", "masks,labels", "--oracle", "masks+labels",
              "--seen", "sky", "--out", tmp_path / "kept")  # fmt: skip
    assert ran.code == 0, ran.err
    rows = cells(ran.out)
    start = rows.index(["from the truth", "classes", "PQ", "points", "95 %", "mIoU", "points", "95 %"])
    costs = {(one[0], one[1]): one for one in rows[start + 1 : start + 10]}
    assert set(costs) == {(name, group) for name in ("masks", "labels", "masks+labels") for group in GROUPS}
    whole = float(rows[1][2])
    assert float(costs["masks+labels", "all"][2]) == pytest.approx(100, abs=0.05)
    assert float(costs["masks", "all"][3]) == pytest.approx(float(costs["masks", "all"][2]) - whole, abs=0.11)
    assert ["segments", "%", "95 %", "annotated"] in rows
    merged = run("evaluate-merge", tmp_path / "kept")
    assert cells(merged.out)[start : start + 10] == rows[start : start + 10], "kept, and read again"


def test_an_unknown_part_and_an_oracle_of_predictions_are_refused(evaluate, tmp_path):
    ran = evaluate("--oracle", "luck")
    assert (ran.code, ran.out) == (2, "") and "name some of masks, labels, selection" in ran.err
    (tmp_path / "predictions.json").write_text('{"annotations": []}')
    ran = evaluate("--oracle", "masks", "--predictions", tmp_path / "predictions.json")
    assert (ran.code, ran.out) == (2, "") and "leave --oracle or --predictions out" in ran.err


def test_presets_side_by_side(run, built, monkeypatch, tmp_path):
    from retclip.presets import PRESETS

    monkeypatch.setitem(PRESETS, "nearest", {**PRESETS["appearance"], "retrieval": {"k": 1}})
    fixed = ("--store", built.store, "--set", "store.index=resident", "--preset", "appearance", "--bootstrap", 20)
    ran = run("evaluate", built.source, *fixed, "--compare", "nearest", "--out", tmp_path / "out")
    assert ran.code == 0, ran.err
    rows = cells(ran.out)
    assert rows[0][:4] == ["preset", "classes", "PQ", "95 %"]
    assert [one[:2] for one in rows[1:3]] == [["appearance", "all"], ["nearest", "all"]]
    assert rows[3][:2] == ["preset", "figure"] and rows[4][:2] == ["nearest", "PQ"]
    assert float(rows[4][3]) == float(rows[2][2])
    document = json.loads(run("evaluate", built.source, *fixed, "--compare", "nearest", "--json").out)
    assert set(document) == {"presets", "differences"} and set(document["presets"]) == {"appearance", "nearest"}
    ran = run("evaluate", built.source, *fixed, "--compare", "nearest", "--part", "1/2", "--out", tmp_path / "part")
    assert ran.code == 2 and "leave --part or --compare out" in ran.err


def test_a_page_and_figures_of_a_kept_evaluation(evaluate, run, tmp_path):
    kept = tmp_path / "kept"
    first = evaluate("--out", kept, "--report", tmp_path / "first.html", "--pictures", 2, "--oracle", "masks")
    assert first.code == 0, first.err
    before = {path: path.stat().st_mtime_ns for path in kept.rglob("*")}
    ran = run(
        "evaluate-report", kept, "--report", tmp_path / "later.html", "--pictures", 2, "--figures", tmp_path / "f"
    )
    assert (ran.code, ran.out) == (0, ""), ran.err
    pages = [(tmp_path / name).read_text(encoding="utf-8").split("What produced this")[0] for name in PAGES]
    assert pages[0] == pages[1], "the page of the kept counts is the page of the walk"
    assert {path: path.stat().st_mtime_ns for path in kept.rglob("*")} == before
    assert f"wrote {tmp_path / 'f' / 'parts.svg'}" in ran.err
    ran = run("evaluate-report", tmp_path / "f")
    assert ran.code == 2 and "the folder of an evaluation" in ran.err


def test_the_names_that_are_asked_are_kept_with_their_digest(run, labelled, tmp_path):
    root, whole = labelled
    (root / "labels" / "b.png").write_bytes(whole)
    fixed = ("--store", tmp_path / "store", "--proposer", "reference.ground_truth", "--set", "store.index=resident")
    run("build", f"label-maps:{root}", "--store", tmp_path / "store")
    file = tmp_path / "names.txt"
    file.write_text("0:heaven,sky\n1:lawn,grass,meadow\n")
    asked = ("evaluate", f"label-maps:{root}?names={file}", *fixed, "--out", tmp_path / "kept", "--json")
    ran = run(*asked)
    assert ran.code == 0 and list(json.loads(ran.out)["per_class"]) == ["heaven", "lawn"], ran.err
    assert "'grass' of the store stands for 'lawn' (a synonym)" in ran.err
    settings = json.loads((tmp_path / "kept" / "run.json").read_text())["configuration"]["settings"]
    told = {"classes": 2, "terms": 5, "list": {"file": str(file), "sha256": sha256(file.read_bytes()).hexdigest()}}
    assert {key: value for key, value in settings["names"].items() if key != "sha256"} == told
    file.write_text("0:heaven,sky\n1:lawn,grass\n")
    ran = run(*asked)
    assert ran.code == 2 and "another configuration" in ran.err
    file.write_text("0:heaven,sky\n3:lawn,grass\n")
    ran = run(*asked)
    assert (ran.code, ran.out) == (3, "") and "number 3, which no class has, none for 1 ('grass')" in ran.err
