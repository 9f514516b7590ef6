"""Kept evaluations from Python: added up, compared and shown, as the command line does."""

import pytest

import retclip
from retclip.errors import ConfigError, DataError

SETTINGS = {"store": {"index": "resident"}, "components": {"proposer": "reference.superpixels"}}
DRAWN = retclip.Bootstrap(50, 3)
SCENES = "reference.scenes:scenes?split=val&count=5"


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Folders of one evaluation: whole, 1 and 2 (of two parts), and nearest, with another k."""
    folder = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, further in (("whole", {}), ("nearest", {"retrieval": {"k": 1}})):
            with retclip.open(folder / "store", create=True, settings={**SETTINGS, **further}) as memory:
                if name == "whole":
                    memory.build("reference.scenes:scenes?split=train&count=4")
                    for index in (1, 2):
                        memory.evaluate(SCENES, out=folder / f"{index}", part=retclip.Part(index, 2), bootstrap=DRAWN)
                memory.evaluate(SCENES, out=folder / name, bootstrap=DRAWN)
    return folder


def test_parts_are_added_up_and_images_in_none_are_counted(kept):
    whole = retclip.evaluate_merge(str(kept / "whole"), DRAWN)
    merged = retclip.evaluate_merge([kept / "2", str(kept / "1")], DRAWN)
    assert (merged.evaluation, merged.absent_images) == (whole.evaluation, 0)
    assert merged.as_dict() == {**whole.evaluation.as_dict(), "absent_images": 0}
    part = retclip.evaluate_merge([kept / "1"], DRAWN)
    assert (part.evaluation.images, part.absent_images) == (3, 2)
    assert f"of 3 images, {len(part.evaluation.per_class)} classes: PQ {part.evaluation.pq:.1f}, mAP" in repr(part)
    assert repr(part).endswith(", 2 images in no part>") and "in no part" not in repr(merged)


def test_two_are_compared_over_the_images_that_both_have(kept):
    first, second = (retclip.evaluate_merge([kept / name], DRAWN).evaluation for name in ("whole", "nearest"))
    changes = retclip.evaluate_diff(kept / "whole", str(kept / "nearest"), DRAWN)
    rows = {row.figure: row for row in changes.whole}
    assert (rows["pq"].first, rows["pq"].second) == pytest.approx((first.pq, second.pq))
    assert isinstance(rows["pq"], retclip.Difference) and isinstance(changes, retclip.EvaluationDifference)
    ends = f"({rows['pq'].low:+.1f}..{rows['pq'].high:+.1f})"
    assert f"over 5 images: pq {second.pq - first.pq:+.1f} {ends}, miou " in repr(changes)
    beyond = [row for of_class in changes.classes.values() for row in of_class if row.beyond_noise]
    assert changes.beyond_noise == len(beyond)
    assert retclip.evaluate_diff(kept / "whole", kept / "1", DRAWN).only_first == 2


def test_a_page_of_a_kept_one_is_written(kept, tmp_path):
    assert retclip.evaluate_report(kept / "whole", tmp_path / "page.html", pictures=1) == [tmp_path / "page.html"]
    pq = retclip.evaluate_merge([kept / "whole"], DRAWN).evaluation.pq
    assert f"{pq:.1f}" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_what_is_no_evaluation_is_refused_in_words(kept, tmp_path):
    with pytest.raises(ConfigError, match="folders of an evaluation"):
        retclip.evaluate_merge([])
    for call in (lambda: retclip.evaluate_merge([tmp_path]), lambda: retclip.evaluate_diff(kept / "whole", tmp_path),
                 lambda: retclip.evaluate_report(tmp_path)):  # fmt: skip
        with pytest.raises(ConfigError, match="the folder of an evaluation"):
            call()
    with pytest.raises(DataError, match="each image in one part"):
        retclip.evaluate_merge([kept / "1", kept / "1"])
