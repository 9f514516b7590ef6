"""Two spaces of one backbone are told apart by the words that differ, and the settings that made one are named."""

from retclip.store.segments.space_words import described, differences, settings_to_repeat
from retclip.types import FeatureSpace


def space(weights="a" * 64, preprocessing="version 1: net, sides 448 to 896 bicubic, mean 0.5", pooling="area-1"):
    return FeatureSpace("own.net", weights, preprocessing, pooling, 8)


OTHER = space(preprocessing="version 1: net, sides 320 to 896 bicubic, mean 0.5")
SETTINGS = {"plugin.own.net.short_side": 448, "plugin.own.net.long_side": 896, "plugin.own.net.weights": "it"}


def test_only_the_part_that_differs_is_said():
    differing = differences(space(), OTHER)
    assert described(differing, 0) == "preprocessing 'sides 448 to 896 bicubic'"
    assert described(differing, 1) == "preprocessing 'sides 320 to 896 bicubic'"
    assert differences(space(), space()) == []


def test_of_weights_the_first_digits_are_said():
    differing = differences(space(), space(weights="b" * 64, pooling="fcclip-1"))
    assert described(differing, 1) == f"weights '{'b' * 12}'; pooling 'fcclip-1'"


def test_the_settings_that_the_words_name_are_repeated():
    assert settings_to_repeat(SETTINGS, differences(space(), OTHER)) == (
        "--set plugin.own.net.short_side=448 --set plugin.own.net.long_side=896"
    )


def test_a_setting_that_is_off_is_repeated_though_no_word_names_it():
    other = space(preprocessing="version 1: net, sides 448 to 896, finer 640 bicubic, mean 0.5")
    said = settings_to_repeat({**SETTINGS, "plugin.own.net.finer": 0}, differences(space(), other))
    assert said.endswith("--set plugin.own.net.long_side=896 --set plugin.own.net.finer=0")


def test_all_are_where_the_words_name_none():
    said = settings_to_repeat({"plugin.own.net.mode": "a b"}, differences(space(), space(pooling="other")))
    assert said == "--set 'plugin.own.net.mode=a b'"


def test_a_setting_is_named_by_its_key_too():
    differing = differences(
        space(preprocessing='{"grid":160,"gain":1.0}'), space(preprocessing='{"grid":80,"gain":1.0}')
    )
    assert settings_to_repeat({"plugin.own.net.grid": 160, "plugin.own.net.gain": 1.0}, differing) == (
        "--set plugin.own.net.grid=160"
    )
