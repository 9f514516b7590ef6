"""`retclip plugins check`: what it prints, and whose mistake its exit code says it is."""

import json

import pytest

from retclip.errors import ConfigError, WeightsMissing
from retclip.plugin.conformance import check_component, require_kept, summary
from retclip.plugin.manager import PluginManager


def test_kept_promises_are_0_with_a_line_that_counts_them(run):
    ran = run("plugins", "check", "reference.whole_image", "--json")
    found = json.loads(ran.out)
    assert ran.code == 0 and set(found[0]) == {"check", "ok", "detail"}
    tried = sum(one["ok"] is not None for one in found[2:])
    assert f"reference.whole_image: {tried} of {len(found) - 2} promises tried, none broken" in ran.err


def test_a_check_without_the_weights_is_6_and_says_that_nothing_was_tried(run, tmp_path, monkeypatch):
    monkeypatch.setenv("RETCLIP_WEIGHTS__FOLDER", str(tmp_path))
    ran = run("plugins", "check", "dinov2.keys")
    assert ran.code == 6, ran.err
    assert "dinov2.keys: 0 of " in ran.err and "retclip weights pull dinov2_large" in ran.err


def test_a_setting_that_loading_refuses_is_2_and_no_broken_contract(run):
    ran = run("plugins", "check", "timm.model", "--set", "architecture=resnet5000")
    assert ran.code == 2 and "BROKEN" not in ran.out and "'resnet5000'" in ran.err


def test_data_that_is_not_there_is_3_and_a_missing_file_of_weights_6(run, tmp_path):
    assert run("plugins", "check", "data.label-maps", "--path", tmp_path / "none").code == 3
    ran = run("plugins", "check", "timm.model", "--set", f"weights={tmp_path / 'none.pth'}")
    assert ran.code == 6 and "none.pth" in ran.err


def test_a_plugin_s_own_test_fails_without_its_weights(tmp_path):
    info = PluginManager.discover().find("backbone", "dinov2.keys")
    results = check_component(info, cache=tmp_path)
    assert summary(info, results).startswith("dinov2.keys: 0 of ")
    with pytest.raises(WeightsMissing, match=r"0 of .*retclip weights pull dinov2_large"):
        require_kept(info, results)


def test_a_refused_setting_of_a_plugin_s_own_test_is_raised_as_it_is():
    info = PluginManager.discover().find("backbone", "timm.model")
    with pytest.raises(ConfigError, match="none of stride 5"):
        check_component(info, {"architecture": "resnet10t", "strides": (5,)})
