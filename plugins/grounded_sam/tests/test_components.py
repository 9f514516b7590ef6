"""What the distribution announces: contracts kept, weights that are not whole refused."""

import pytest

from retclip.errors import ConfigError
from retclip.plugin.conformance import check_component
from retclip.plugin.conformance.damaged_weights import check_refusals
from retclip.plugin.manager import PluginManager, checked_settings

NAMES = ["boxes", "grid", "prompted"]


def find(name):
    return PluginManager.discover().find("proposer", f"grounded_sam.{name}")


def test_the_components_are_these():
    assert [one.name for one in PluginManager.discover().components() if one.plugin == "grounded_sam"] == NAMES


def test_small_models_keep_the_contract(detector_folder, sam_file):
    boxes = {"detector": str(detector_folder), "sam": str(sam_file), "box_threshold": 0.0}
    grid = {"sam": str(sam_file), "points_per_side": 3, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}
    prompted, kept = {"sam": str(sam_file)}, ["settings", "load", "masks", "alone as in a batch"]
    for name, settings, more in (("boxes", boxes, []), ("grid", grid, []), ("prompted", prompted, ["marked objects"])):
        found = check_component(find(name), settings)
        assert [one for one in found if one.ok is False] == []
        weights = ["its weights stay as they are", "loaded twice, the same"]
        judged = [one.check for one in found if one.ok and one.check != "masks lie where they should"]
        assert judged == [*kept, *more, *weights]  # where masks of random weights lie may not show


@pytest.mark.parametrize(("name", "setting"), [("boxes", "detector"), ("boxes", "sam"), ("grid", "sam")])
def test_weights_that_are_not_whole_are_refused_by_name(name, setting, detector_folder, sam_file, tmp_path):
    others = {} if name == "grid" else {"sam": str(sam_file), "detector": str(detector_folder)}
    weights = detector_folder if setting == "detector" else sam_file
    found = check_refusals(find(name), setting, weights, tmp_path, others)
    assert [one for one in found if one.ok is not True] == []


def test_published_sam_files_have_their_digest():
    """The first eight digits of each sha256 do not stand in the file's name, but the file is known by all of them."""
    from retclip_grounded_sam import PUBLISHED

    files = {name: one.files[0] for name, one in PUBLISHED.items() if name.startswith("sam")}
    assert len({file.sha256 for file in files.values()}) == 3
    assert all(len(file.sha256) == 64 and file.url.endswith(file.path) for file in files.values())


@pytest.mark.parametrize("settings", [{"box_threshold": 2}, {"tokens": 300}, {"nms_within": 0}])
def test_settings_that_cannot_be_are_refused(settings):
    with pytest.raises(ConfigError, match=r"grounded_sam\.boxes"):
        checked_settings(find("boxes"), settings)


def test_sam_s_published_parameters_are_the_defaults():
    given = find("grid").component.settings().model_dump()
    wanted = {
        "points_per_side": 32, "pred_iou_thresh": 0.88, "stability_score_thresh": 0.95,
        "stability_score_offset": 1.0, "box_nms_thresh": 0.7, "crop_n_layers": 0, "crop_nms_thresh": 0.7,
        "crop_overlap_ratio": 512 / 1500, "min_mask_region_area": 0,
    }  # fmt: skip
    assert wanted.items() <= given.items()
