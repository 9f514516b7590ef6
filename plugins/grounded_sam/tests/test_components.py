"""What the distribution announces: contracts kept with and without weights, nothing heavy imported to list it."""

import subprocess
import sys

import pytest

from retclip.errors import ConfigError, WeightsDamaged, WeightsMissing
from retclip.plugin.conformance import check_component
from retclip.plugin.conformance.damaged_weights import damaged_copies
from retclip.plugin.manager import PluginManager, checked_settings
from retclip.types import Device

NAMES = ["boxes", "grid", "prompted"]


def find(name):
    return PluginManager.discover().find("proposer", f"grounded_sam.{name}")


def test_the_components_are_these():
    assert [one.name for one in PluginManager.discover().components() if one.plugin == "grounded_sam"] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_without_weights_nothing_is_called_broken(name, tmp_path):
    found = check_component(find(name), cache=tmp_path)
    assert [one for one in found if one.ok is False] == []
    assert [one.ok for one in found if one.check == "load"] == [None]


def test_small_models_keep_the_contract(detector_folder, sam_file):
    boxes = {"detector": str(detector_folder), "sam": str(sam_file), "box_threshold": 0.0}
    grid = {"sam": str(sam_file), "points_per_side": 3, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}
    prompted, kept = {"sam": str(sam_file)}, ["settings", "load", "masks", "alone as in a batch"]
    for name, settings, more in (("boxes", boxes, []), ("grid", grid, []), ("prompted", prompted, ["marked objects"])):
        found = check_component(find(name), settings)
        assert [one for one in found if one.ok is False] == []
        assert [one.check for one in found if one.ok] == [*kept, *more, "loaded twice, the same"]


@pytest.mark.parametrize(("name", "setting"), [("boxes", "detector"), ("boxes", "sam"), ("grid", "sam")])
def test_weights_that_are_not_whole_are_refused_by_name(name, setting, detector_folder, sam_file, tmp_path):
    whole = {"sam": str(sam_file)} if name == "grid" else {"sam": str(sam_file), "detector": str(detector_folder)}
    manager = PluginManager.discover()
    for damage, copy in damaged_copies(detector_folder if setting == "detector" else sam_file, tmp_path):
        with pytest.raises((WeightsDamaged, WeightsMissing)) as caught:
            manager.load("proposer", f"grounded_sam.{name}", {**whole, setting: str(copy)}, Device())
        assert caught.value.exit_code == 6 and str(copy) in str(caught.value), damage
        if damage in ("missing", "left over", "of another shape"):
            assert caught.value.got.startswith(f"1 {damage}: "), damage


@pytest.mark.parametrize(
    ("name", "settings", "wanted"),
    [
        ("boxes", {}, "grounding_dino_base"),
        ("boxes", {"detector": "grounding_dino_tiny"}, "grounding_dino_tiny"),
        ("grid", {}, "sam_vit_b"),
        ("prompted", {}, "sam_vit_b"),
        ("grid", {"sam": "sam_vit_h"}, "sam_vit_h"),
    ],
)
def test_missing_weights_say_what_how_large_where_and_two_commands(name, settings, wanted, tmp_path):
    with pytest.raises(WeightsMissing) as caught:
        PluginManager.discover(cache=tmp_path).load("proposer", f"grounded_sam.{name}", settings, Device())
    for part in (wanted, " MB", str(tmp_path), f"retclip weights pull {wanted}", "retclip weights import"):
        assert part in str(caught.value)


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
        "points_per_side": 32, "points_per_batch": 64, "pred_iou_thresh": 0.88, "stability_score_thresh": 0.95,
        "stability_score_offset": 1.0, "box_nms_thresh": 0.7, "crop_n_layers": 0, "crop_nms_thresh": 0.7,
        "crop_overlap_ratio": 512 / 1500, "min_mask_region_area": 0,
    }  # fmt: skip
    assert wanted.items() <= given.items()


def test_importing_the_package_imports_no_torch():
    code = (
        "import sys, retclip_grounded_sam as package\n"
        "for one in package.retclip_mask_proposers():\n"
        "    assert one.weights(one.settings())\n"
        "sys.exit('imported torch' if 'torch' in sys.modules else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
