"""Settings: who wins, what a typo gets told, what is refused, and that a secret is never printed."""

import os

import pytest

from retclip import config
from retclip.config import Settings, assignment, dotted, find_file, load, merged, parsed, read_file
from retclip.errors import ConfigError
from retclip.presets import APPEARANCE, PRESETS

K = "RETCLIP_RETRIEVAL__K"


def test_flags_beat_environment_beats_file_beats_preset_beats_defaults(toml, monkeypatch):
    file = toml("[retrieval]\nk = 5\n")
    monkeypatch.setitem(PRESETS, APPEARANCE, {})
    assert load().retrieval.k == 32
    monkeypatch.setitem(PRESETS, "other", {"retrieval": {"k": 4, "per_class": True}})
    assert load(None, {"preset": "other"}).retrieval.k == 4
    assert load(file, {"preset": "other"}).retrieval.k == 5
    monkeypatch.setenv(K, "6")
    assert load(file, {"preset": "other"}).retrieval.k == 6
    found = load(file, {"preset": "other", "retrieval": {"k": 7}})
    assert found.retrieval.k == 7
    assert found.retrieval.per_class  # tables are merged key by key: the preset's other key stays


def test_the_preset_itself_follows_the_same_order(toml, monkeypatch):
    for name in ("by_file", "by_environment", "by_flag"):
        monkeypatch.setitem(PRESETS, name, {})
    file = toml('preset = "by_file"\n')
    assert load(file).preset == "by_file"
    monkeypatch.setenv("RETCLIP_PRESET", "by_environment")
    assert load(file).preset == "by_environment"
    assert load(file, {"preset": "by_flag"}).preset == "by_flag"


def test_the_preset_and_the_file_are_found_in_whatever_case_their_variable_is_written(toml, monkeypatch):
    monkeypatch.setitem(PRESETS, "other", {"retrieval": {"k": 4}})
    monkeypatch.setenv("retclip_preset", "other")
    assert (load().preset, load().retrieval.k) == ("other", 4)
    monkeypatch.setenv("Retclip_Config", str(toml("")))
    assert find_file(None) == toml("")


def test_a_plugins_settings_come_from_all_places_at_once(toml, monkeypatch):
    file = toml("[plugin.reference.superpixels]\ncount = 10\nsigma = 2.0\n")
    monkeypatch.setenv("RETCLIP_PLUGIN__REFERENCE__SUPERPIXELS__COUNT", "20")
    found = load(file, {"plugin": {"reference": {"superpixels": {"compactness": 1}}}})
    assert found.of_component("reference.superpixels") == {"count": "20", "sigma": 2.0, "compactness": 1}
    assert found.of_component("reference.ground_truth") == {}


def test_a_misspelt_key_is_told_its_neighbour_wherever_it_stands(toml, monkeypatch):
    with pytest.raises(ConfigError, match=r"retrieval\.per_clas'.*did you mean 'per_class'"):
        load(toml("[retrieval]\nper_clas = true\n"))
    with pytest.raises(ConfigError, match=r"'retreival'.*did you mean 'retrieval'"):
        load(None, {"retreival": {"k": 3}})
    with pytest.raises(ConfigError, match=r"'ensemble\.gama'.*did you mean 'gamma'"):
        load(None, assignment("ensemble.gama=0.2"))
    monkeypatch.setenv("RETCLIP_STORE__INDX", "edge")
    with pytest.raises(ConfigError, match=r"'store\.indx'.*did you mean 'index'"):
        load()


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("RETCLIP_STOER__INDEX", "did you mean RETCLIP_STORE__INDEX"),
        ("RETCLIP_CONFIG_FILE", r"did you mean RETCLIP_CONFIG\?"),
        ("RETCLIP_ZZZ", "known: preset, store"),
    ],
)
def test_a_variable_that_names_no_table_is_refused(monkeypatch, variable, hint):
    monkeypatch.setenv(variable, "x")
    with pytest.raises(ConfigError, match=f"{variable} in the environment.*{hint}"):
        load()


def test_variables_that_are_no_settings_are_passed_over(monkeypatch):
    for name in ("RETCLIP_CONFIG", "RETCLIP_STORE", "RETCLIP_TEST_DATABASE", "OTHER_RETCLIP_X"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setitem(PRESETS, APPEARANCE, {})
    assert load().model_dump() == Settings().model_dump()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[retrieval]\nk = 0\n", "retrieval.k"),
        ("[retrieval]\nk = 1.5\n", "retrieval.k"),
        ('[retrieval]\nk = "many"\n', "retrieval.k"),
        ("[ensemble]\nalpha = nan\n", "ensemble.alpha"),
        ("[ensemble]\nalpha = 1.01\n", "ensemble.alpha"),
        ('[components]\nclassifiers = "retrieval.vote"\n', "components.classifiers"),
        ('[store]\nindex = "cloud"\n', "store.index"),
        ("retrieval = 3\n", "retrieval"),
        ("[plugin]\nreference = 3\n", "plugin.reference"),
    ],
)
def test_a_wrong_type_or_range_names_the_key_and_the_file(toml, text, key):
    with pytest.raises(ConfigError, match=rf"expected {key}: .*retclip\.toml.*correct the value"):
        load(toml(text))


@pytest.mark.parametrize("preset", ['"nope"', "3", '["appearance"]'])
def test_an_unknown_preset_is_answered_with_those_there_are(toml, preset):
    with pytest.raises(ConfigError, match="one of appearance"):
        load(toml(f"preset = {preset}\n"))


def test_a_list_in_the_environment_must_be_json(monkeypatch):
    monkeypatch.setenv("RETCLIP_COMPONENTS__CLASSIFIERS", '["a.b", "c.d"]')
    assert load().components.classifiers == ("a.b", "c.d")
    monkeypatch.setenv("RETCLIP_COMPONENTS__CLASSIFIERS", "a.b")
    with pytest.raises(ConfigError, match="write lists as JSON"):
        load()


@pytest.mark.parametrize("content", [b"k = = 1", b"k = '\xff'", b"[retrieval]\nk=1\nk=2"])
def test_a_file_that_is_no_toml_is_named(tmp_path, content):
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"bad\.toml"):
        load(path)
    with pytest.raises(ConfigError, match=r"readable TOML file .*gone\.toml"):
        read_file(tmp_path / "gone.toml")
    with pytest.raises(ConfigError):
        read_file(tmp_path)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("retrieval.k=16", {"retrieval": {"k": 16}}),
        ("store.index=resident", {"store": {"index": "resident"}}),
        ('a.b.c=["x", 1]', {"a": {"b": {"c": ["x", 1]}}}),
        ("store.qdrant_url=http://h:1/?a=b", {"store": {"qdrant_url": "http://h:1/?a=b"}}),
        ("preset=", {"preset": ""}),
    ],
)
def test_an_assignment_becomes_nested_tables(text, wanted):
    assert assignment(text) == wanted


@pytest.mark.parametrize("text", ["retrieval.k", "=3", "retrieval..k=3", ".k=3", ""])
def test_an_assignment_without_key_or_value_is_refused(text):
    with pytest.raises(ConfigError, match=r"--set retrieval\.k=16"):
        assignment(text)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_as_windows_editors_save_it_is_read(tmp_path, encoding):
    (tmp_path / "a.toml").write_bytes('[plugin.x.y]\r\nname = "caf\u00e9"\r\n'.encode(encoding))
    assert read_file(tmp_path / "a.toml") == {"plugin": {"x": {"y": {"name": "caf\u00e9"}}}}


def test_text_is_the_toml_value_it_spells():
    assert [parsed(one) for one in ("true", "1.5", '"a"', "true story", "'")] == [True, 1.5, "a", "true story", "'"]


def test_merging_goes_table_by_table_and_changes_neither_side():
    low, high = {"a": {"x": 1, "y": 2}, "b": 3}, {"a": {"y": 5}, "b": {"z": 1}}
    assert merged(low, high) == {"a": {"x": 1, "y": 5}, "b": {"z": 1}}
    assert low == {"a": {"x": 1, "y": 2}, "b": 3}
    assert high == {"a": {"y": 5}, "b": {"z": 1}}


def test_nested_tables_become_dotted_keys_and_an_empty_one_stays():
    assert dotted({"a": {"x": 1, "y": {"z": None}}, "b": {}, "c": []}) == {"a.x": 1, "a.y.z": None, "b": {}, "c": []}
    assert dotted({}) == {} and dotted({"x": 1}, "above.") == {"above.x": 1}


def test_the_file_is_the_one_named_then_the_environments_then_the_stores_then_this_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = tmp_path / "store"
    store.mkdir()
    assert find_file(store) is None
    (tmp_path / config.FILE).touch()
    assert find_file(store).resolve() == tmp_path / config.FILE
    (store / config.FILE).touch()
    assert find_file(store) == store / config.FILE
    monkeypatch.setenv("RETCLIP_CONFIG", "from_environment.toml")
    assert find_file(store).name == "from_environment.toml"
    assert find_file(store, tmp_path / "named.toml").name == "named.toml"


def test_a_secret_is_printed_nowhere(toml, monkeypatch):
    monkeypatch.setenv("RETCLIP_STORE__QDRANT_API_KEY", "s3cret")
    found = load(toml('[store]\ndatabase = "postgresql://u:s3cret@host/db"\n'))
    assert found.store.qdrant_api_key.get_secret_value() == "s3cret"
    assert "s3cret" not in f"{found} {found!r} {found.model_dump()} {found.model_dump_json()}"


@pytest.mark.parametrize(
    "text", ["[store]\nqdrant_api_key = 1234567\n", "[store]\ndatabase = [1234567]\n", 'store = "1234567"\n']
)
def test_a_secret_of_a_wrong_type_is_not_printed_either(toml, text):
    with pytest.raises(ConfigError, match="not shown") as caught:
        load(toml(text))
    assert "1234567" not in str(caught.value)


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        load().retrieval.k = 3


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = " + "{x=" * 50_000])
def test_a_file_that_nests_too_deeply_is_refused(tmp_path, text):
    (tmp_path / "retclip.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"nest at most 20 levels deep in .*retclip\.toml"):
        load(tmp_path / "retclip.toml")


def test_a_flag_or_variable_that_nests_too_deeply_is_refused(monkeypatch):
    for flag in ("a=" + "[" * 100_000, ".".join("a" * 1 for _ in range(10_000)) + "=1"):
        with pytest.raises(ConfigError, match="nest at most 20 levels"):
            assignment(flag)
    monkeypatch.setenv("RETCLIP_COMPONENTS__CLASSIFIERS", "[" * 100_000)
    with pytest.raises(ConfigError, match="nest at most 20 levels"):
        load()


def test_a_number_of_thousands_of_digits_and_a_pipe_are_no_settings(tmp_path):
    (tmp_path / "retclip.toml").write_text("[retrieval]\nk = " + "9" * 5000)
    os.mkfifo(tmp_path / "pipe")
    for file in (tmp_path / "retclip.toml", tmp_path / "pipe"):
        with pytest.raises(ConfigError, match=f"a readable TOML file {file}"):
            load(file)
    assert assignment("retrieval.k=" + "9" * 5000) == {"retrieval": {"k": "9" * 5000}}
