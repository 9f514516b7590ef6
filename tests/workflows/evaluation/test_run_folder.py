"""Evaluations that are kept: stopped at any byte, in parts, merged, compared; figures are the same to the last bit."""

import json
import shutil
from dataclasses import asdict, replace

import numpy as np
import pytest
from PIL import Image

import retclip
from retclip.data.panoptic_writer import PanopticWriter
from retclip.errors import ConfigError, DataError
from retclip.plugin.contracts import SourceClass
from retclip.types import PanopticSegmentation, SegmentInfo
from retclip.workflows.evaluation import stored_predictions
from retclip.workflows.evaluation.evaluation_difference import evaluation_difference
from retclip.workflows.evaluation.evaluation_figures import Bootstrap
from retclip.workflows.evaluation.merge_parts import merge_parts
from retclip.workflows.evaluation.run_folder import Configuration, Part, RunFolder, part_of_text

NAMES = ("sky", "cat", "sea")
DRAWN = Bootstrap(60, 4)


def drawn(rng, truth=None):
    """A random map; given the truth, one that is right on about half of its blocks."""
    blocks = rng.integers(0, 4, (4, 4))
    label_map = np.kron(blocks, np.ones((4, 4), np.int64)).astype(np.int32)
    if truth is not None:
        right = np.kron(rng.random((4, 4)) < 0.6, np.ones((4, 4))).astype(bool)
        label_map = np.where(right, truth.label_map, label_map).astype(np.int32)
    infos = (SegmentInfo(int(i), NAMES[i - 1], i == 2, 1, score=float(rng.random())) for i in np.unique(label_map) if i)
    return PanopticSegmentation(label_map, tuple(infos))


@pytest.fixture(scope="module")
def drawn_set(tmp_path_factory):
    """Seven annotated photos, and predictions for them: some right, and perfect ones."""
    root, rng = tmp_path_factory.mktemp("kept"), np.random.default_rng(7)
    classes = [SourceClass(name, name == "cat") for name in NAMES]
    truth, some, perfect = (PanopticWriter(root / name, classes) for name in ("set", "some", "perfect"))
    (root / "set" / "images").mkdir()
    for number in range(7):
        annotation = drawn(rng)
        truth.add(f"{number}", annotation)
        some.add(f"{number}", drawn(rng, annotation))
        perfect.add(f"{number}", annotation)
        Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(root / "set" / "images" / f"{number}.jpg")
    for writer in (truth, some, perfect):
        writer.close()
    return root


def evaluate(root, out=None, part=None, predictions="some", **more):
    with retclip.open(None) as memory:
        return memory.evaluate(
            f"coco-panoptic:{root / 'set'}", "sky", predictions=root / predictions / "panoptic.json", out=out,
            part=part, bootstrap=DRAWN, **more,
        )  # fmt: skip


def figures(folder):
    document = json.loads((folder / "run.json").read_text())
    return json.dumps(document["figures"])


def test_the_same_figures_twice_and_without_a_folder(drawn_set, tmp_path):
    whole = evaluate(drawn_set)
    assert evaluate(drawn_set, tmp_path / "a").as_dict() == whole.as_dict()
    evaluate(drawn_set, tmp_path / "b")
    assert figures(tmp_path / "a") == figures(tmp_path / "b")
    document = json.loads((tmp_path / "a" / "run.json").read_text())
    assert document["figures"]["pq"] == whole.pq and set(document["circumstances"]) == {
        "ended", "machine", "system", "python",
    }  # fmt: skip
    settings = document["configuration"]["settings"]
    assert settings["retclip"] == retclip.__version__ and len(settings["predictions"]["sha256"]) == 64
    assert document["configuration"]["bootstrap"] == {"drawings": 60, "seed": 4, "level": 0.95}


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.99])
def test_stopped_at_any_byte_it_goes_on(drawn_set, tmp_path, share):
    evaluate(drawn_set, tmp_path / "whole")
    evaluate(drawn_set, tmp_path / "torn")
    counts = tmp_path / "torn" / "counts.jsonl"
    content = counts.read_bytes()
    head = content.index(b"\n") + 1
    counts.write_bytes(content[: head + int(share * (len(content) - head))])
    (tmp_path / "torn" / "run.json").unlink()
    steps = []
    evaluate(drawn_set, tmp_path / "torn", on_progress=lambda now: steps.append(now.done))
    assert figures(tmp_path / "torn") == figures(tmp_path / "whole") and counts.read_bytes() == content
    assert len(steps) == 7 - content[: head + int(share * (len(content) - head))].count(b"\n") + 1


def test_a_finished_one_counts_nothing_again(drawn_set, tmp_path):
    evaluate(drawn_set, tmp_path / "a")
    before, steps = figures(tmp_path / "a"), []
    evaluate(drawn_set, tmp_path / "a", on_progress=steps.append)
    assert (steps, figures(tmp_path / "a")) == ([], before)


def test_a_folder_of_another_evaluation_is_refused(drawn_set, tmp_path):
    evaluate(drawn_set, tmp_path / "a")
    before = (tmp_path / "a" / "counts.jsonl").read_bytes()
    for more in ({"predictions": "perfect"}, {"part": Part(1, 2)}):
        with pytest.raises(ConfigError, match="another configuration or part"):
            evaluate(drawn_set, tmp_path / "a", **more)
    assert (tmp_path / "a" / "counts.jsonl").read_bytes() == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="choose a new folder"):
        evaluate(drawn_set, tmp_path / "mine")
    with pytest.raises(ConfigError, match="--out FOLDER"):
        evaluate(drawn_set, part=Part(1, 2))


def test_the_refusal_names_what_differs(drawn_set, tmp_path, monkeypatch):
    evaluate(drawn_set, tmp_path / "a", Part(1, 2))
    with pytest.raises(ConfigError, match="the part is 2/2, it began with 1/2"):
        evaluate(drawn_set, tmp_path / "a", Part(2, 2))
    with pytest.raises(ConfigError, match=r"settings\.predictions\.file is .+; settings\.predictions\.sha256 is"):
        evaluate(drawn_set, tmp_path / "a", Part(1, 2), "perfect")
    monkeypatch.setattr(stored_predictions, "__version__", "9.9")
    changed = f"settings.retclip is '9.9', it began with '{retclip.__version__}'"
    with pytest.raises(ConfigError) as refused:
        evaluate(drawn_set, tmp_path / "a", Part(1, 2))
    assert refused.value.got == f"another configuration or part: {changed}"
    assert refused.value.exit_code == 2 and "choose a new --out" in refused.value.todo
    evaluate(drawn_set, tmp_path / "b", Part(2, 2))
    with pytest.raises(DataError) as refused:
        merge_parts([tmp_path / "a", tmp_path / "b"])
    assert refused.value.got == f"another one in {tmp_path / 'b'}: {changed}"


def test_an_empty_table_differs_from_none():
    now = Configuration("x:y", 1, ("sky",), (False,), None, (), {"k": 1, "weights": {}})
    assert now.differing(asdict(replace(now, settings={"k": 1}))) == "settings.weights is {}, it began with None"
    assert now.differing(asdict(now)) == ""


def test_merged_parts_are_the_whole_to_the_last_bit(drawn_set, tmp_path):
    whole, folders = evaluate(drawn_set), [tmp_path / f"{n}" for n in (1, 2, 3)]
    for index, folder in enumerate(folders, 1):
        evaluate(drawn_set, folder, Part(index, 3))
    merged, absent = merge_parts(folders[::-1], DRAWN)
    assert (merged.as_dict(), absent) == (whole.as_dict(), 0)
    merged, absent = merge_parts(folders[:2], DRAWN)
    assert (merged.images, absent) == (5, 2)
    with pytest.raises(DataError, match="name each part once"):
        merge_parts([folders[0], folders[0]])
    evaluate(drawn_set, tmp_path / "other", Part(3, 3), predictions="perfect")
    with pytest.raises(DataError, match="merge parts of one evaluation"):
        merge_parts([folders[0], tmp_path / "other"])
    (folders[0] / "run.json").unlink()
    with pytest.raises(DataError, match="run the same command again"):
        merge_parts(folders)
    with pytest.raises(ConfigError, match="folders that `retclip evaluate --out` wrote"):
        merge_parts([drawn_set])


def test_bad_parts_of_counted_images_hide_no_absent_image(drawn_set, tmp_path):
    shutil.copytree(drawn_set, tmp_path / "set")
    file = tmp_path / "set" / "some" / "panoptic.json"
    document = json.loads(file.read_text())
    for record in document["annotations"][:3]:
        record["segments_info"].append({"id": 99, "category_id": "none"})
    file.write_text(json.dumps(document))
    part = evaluate(tmp_path / "set", tmp_path / "part", Part(1, 2))
    merged, absent = merge_parts([tmp_path / "part"], DRAWN)
    assert (merged.images, absent, merged.failures) == (4, 3, part.failures) and part.failures


def test_differences_are_those_of_the_figures_and_their_noise_is_paired(drawn_set, tmp_path):
    first, second = evaluate(drawn_set, tmp_path / "a"), evaluate(drawn_set, tmp_path / "b", predictions="perfect")
    runs = [RunFolder.finished(tmp_path / name) for name in ("a", "b")]
    changes = evaluation_difference(*runs, Bootstrap(200, 1))
    whole = {row.figure: row for row in changes.whole}
    assert whole["pq"].change == pytest.approx(second.pq - first.pq) and whole["miou"].second == 100
    assert whole["miou"].beyond_noise and whole["miou"].low > 0
    cat = {row.figure: row for row in changes.classes["cat"]}
    assert cat["iou"].first == pytest.approx(first.per_class["cat"]["iou"])
    same = evaluation_difference(runs[0], runs[0], Bootstrap(50, 1))
    assert {(row.change, row.low, row.high, row.beyond_noise) for row in same.whole} == {(0, 0, 0, False)}
    assert changes.as_dict()["all"][0]["beyond_noise"] in (True, False)


def test_images_that_one_of_them_has_alone_are_left_out_and_counted(drawn_set, tmp_path):
    evaluate(drawn_set, tmp_path / "a")
    evaluate(drawn_set, tmp_path / "b", Part(1, 2), predictions="perfect")
    changes = evaluation_difference(*(RunFolder.finished(tmp_path / name) for name in ("a", "b")), Bootstrap(20, 1))
    assert (changes.images, changes.only_first, changes.only_second) == (4, 3, 0)
    evaluate(drawn_set, tmp_path / "c", Part(2, 2))
    with pytest.raises(DataError, match="evaluations of the same images"):
        evaluation_difference(*(RunFolder.finished(tmp_path / name) for name in ("b", "c")))


@pytest.mark.parametrize("text", ["", "3", "0/2", "3/2", "a/b", "1/2/3", "-1/2"])
def test_what_names_no_part_is_refused(text):
    with pytest.raises(ConfigError, match="correct --part"):
        part_of_text(text)
    assert part_of_text("2/2") == Part(2, 2)


def test_a_damaged_line_is_refused(drawn_set, tmp_path):
    evaluate(drawn_set, tmp_path / "a")
    counts = tmp_path / "a" / "counts.jsonl"
    counts.write_bytes(counts.read_bytes().replace(b'{"number"', b'{"numb', 1))
    with pytest.raises(DataError, match="evaluate again into a new folder"):
        evaluate(drawn_set, tmp_path / "a")


def test_a_changed_byte_of_a_finished_evaluation_is_told_with_its_file(drawn_set, tmp_path):
    """A digit of a count, a letter of a class in the head, a byte that is no text."""
    evaluate(drawn_set, tmp_path / "a")
    file = tmp_path / "a" / "counts.jsonl"
    whole = file.read_bytes()
    head = whole.index(b"\n")
    for place, bit in ((whole.index(b'"cat"') + 1, 2), (whole.index(b'"quality": [[', head) + 13, 1), (head + 40, 128)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
        with pytest.raises(DataError, match="evaluate again") as raised:
            list(RunFolder.finished(tmp_path / "a").counts())
        assert str(file) in str(raised.value)


def test_a_head_of_another_form_is_told_in_one_line(drawn_set, tmp_path):
    evaluate(drawn_set, tmp_path / "a")
    file = tmp_path / "a" / "counts.jsonl"
    lines = file.read_text().splitlines(keepends=True)[1:]
    for now, told in (
        ({"configuration": {"source": 3}}, "source: Input should be a valid string"),
        ([], "the whole: Input"),
    ):
        file.write_text("".join((json.dumps(now) + "\n", *lines)))
        with pytest.raises(DataError) as raised:
            RunFolder.finished(tmp_path / "a")
        assert raised.value.got.startswith(told) and "\n" not in raised.value.got
