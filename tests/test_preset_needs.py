"""What a preset needs, asked of announcements: nothing is loaded, nothing that is missing stops the listing."""

import pytest

from retclip import config, preset_needs
from retclip.plugin.manager import PluginManager
from retclip.plugin.weights import folder_of, stored_name
from retclip.preset_needs import all_presets, without_store
from retclip.presets import ABOUT, APPEARANCE, FOR_FINETUNING, PRESETS
from retclip.session import plugins_of


def needs(tmp_path, manager=None):
    settings = config.load(None, {"weights": {"folder": str(tmp_path)}})
    return {one.name: one for one in all_presets(settings, manager or plugins_of(settings))}


def test_every_preset_says_what_it_is():
    assert set(ABOUT) == set(PRESETS) > set(FOR_FINETUNING)


def test_what_each_needs(tmp_path):
    found = needs(tmp_path)
    assert list(found) == list(PRESETS)
    told = {name: (one.votes, one.any_name, one.installed, bool(one.weights)) for name, one in found.items()}
    assert told[APPEARANCE] == (True, False, True, False)
    assert told["fc-clip"] == (False, True, False, True)
    assert told["retrieval"] == (True, False, False, True)
    assert told["retclip-training-free"] == (True, True, False, True)
    assert told["miniature-fc-clip"] == (False, True, True, False)
    assert told["photos+clip"] == (True, True, False, True) and not found["photos+clip"].needs_store
    assert found["photos"].keys == found["photos+clip"].keys == "timm.lite0", "one store serves both"
    assert found["knn-clip"].keys == "dinov2.keys" and found["fc-clip"].keys == "openclip.convnext_large"


def test_weights_are_here_once_their_files_are(tmp_path):
    from retclip.plugin.weights import cached_in

    absent = needs(tmp_path)["fc-clip"].absent
    assert {one.name for one in absent} > {"fcclip_convnext_large"}
    with cached_in(tmp_path):
        for weights in absent:
            for file in weights.files:
                path = folder_of(weights) / stored_name(file.path)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
    assert needs(tmp_path)["fc-clip"].installed


def test_a_plugin_that_is_not_here_is_named_with_its_component(tmp_path):
    found = needs(tmp_path, PluginManager.discover(["openclip"]))
    assert found["fc-clip"].lacking == ("the plugin openclip, for the backbone openclip.convnext_large",)
    assert not found["fc-clip"].installed and found[APPEARANCE].installed
    assert "backbone" not in found["fc-clip"].components


def test_a_package_that_is_not_here_is_named(tmp_path, monkeypatch):
    gone = {"mask2former": {"queries": {"weights": "package:not_installed_here/head.safetensors"}}}
    monkeypatch.setitem(PRESETS, "miniature-fc-clip", config.merged(PRESETS["miniature-fc-clip"], {"plugin": gone}))
    (reason,) = needs(tmp_path)["miniature-fc-clip"].lacking
    assert "not_installed_here" in reason


def test_what_segments_without_a_store_with_the_weights_that_it_lacks(tmp_path):
    told = without_store(needs(tmp_path).values())
    assert told.startswith("photos (ready") and "miniature-fc-clip (ready" in told
    assert "fc-clip (not here: the weights openclip_convnext_large" in told and "2897 MB" in told
    for name in (APPEARANCE, "retclip-training-free", *FOR_FINETUNING):
        assert f"{name} (" not in told


@pytest.mark.parametrize("reason", ["the plugin x, for the backbone x.y"])
def test_a_lacking_plugin_goes_before_its_weights(tmp_path, monkeypatch, reason):
    from dataclasses import replace

    lacking = replace(needs(tmp_path)["clip"], lacking=(reason,))
    assert preset_needs.without_store([lacking]) == f"clip (not here: {reason})"
