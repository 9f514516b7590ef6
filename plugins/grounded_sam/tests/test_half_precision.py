"""Under bfloat16 autocast, as the core works on a GPU: contracts kept on both proposers."""

import pytest

from retclip.plugin.conformance import check_component
from retclip.plugin.manager import PluginManager
from retclip.types import Device


@pytest.mark.parametrize("name", ["boxes", "grid"])
def test_the_contract_is_kept_in_half_precision(name, detector_folder, sam_file):
    settings = {
        "boxes": {"detector": str(detector_folder), "sam": str(sam_file), "box_threshold": 0.0},
        "grid": {
            "sam": str(sam_file), "points_per_side": 3, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0,
        },
    }[name]  # fmt: skip
    info = PluginManager.discover().find("proposer", f"grounded_sam.{name}")
    found = check_component(info, settings, Device(dtype="bfloat16"))
    assert [one for one in found if one.ok is False] == []
    assert [one.ok for one in found if one.check == "masks"] == [True]
