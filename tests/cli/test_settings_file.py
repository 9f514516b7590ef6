"""The retclip.toml of a new store says what the store was made with, and reads back as exactly that."""

import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from retclip import config
from retclip.config import load
from retclip.errors import ConfigError, StoreError
from retclip.presets import PRESETS
from retclip.settings_file import write_settings

SOURCE = "reference.scenes:{}?count=1&width=96&height=64"


def values(found):
    return found.model_dump(mode="json")


@pytest.fixture
def anywhere(tmp_path, monkeypatch):
    """A working folder of our own, because a retclip.toml in it is read."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_init_writes_sets_nothing_and_reads_back_as_the_defaults(run, anywhere):
    assert run("init", "store").code == 0
    path = anywhere / "store" / config.FILE
    assert values(load(path)) == values(load())
    assert tomllib.loads(path.read_text()) == {"preset": "appearance"} | {
        name: {} for name, field in config.Settings.model_fields.items() if isinstance(field.default, BaseModel)
    }


def test_init_remembers_the_preset_and_the_settings_that_it_was_given(run, anywhere):
    assert run("init", "store", "--preset", "photos", "--set", "retrieval.k=12", "--set", "device.name=cpu").code == 0
    path = anywhere / "store" / config.FILE
    assert values(load(path)) == values(load(None, {"preset": "photos", "retrieval": {"k": 12}}))
    assert run("init", "other", "--preset", "photo").code == 2


def test_every_setting_is_shown_and_uncommenting_them_all_changes_nothing(run, anywhere):
    run("init", "store")
    path = anywhere / "store" / config.FILE
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *(line.removeprefix("# ") for line in lines[1:])]))
    assert values(load(path)) == values(load())
    shown = tomllib.loads(path.read_text())
    for name, table in values(load()).items():
        assert name == "plugin" or (set(shown[name]) == set(table) if isinstance(table, dict) else name in shown)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_was_chosen_reads_back_equal(anywhere, data):
    text = st.text(st.characters(exclude_categories=["Cs"]))
    plain = st.one_of(text, st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False))
    nested = st.one_of(plain, st.lists(plain), st.dictionaries(st.text("ab .", min_size=1), plain))
    chosen = {
        "retrieval": {"k": data.draw(st.integers(1, 999)), "per_class": data.draw(st.booleans())},
        "ensemble": {"alpha": data.draw(st.floats(0, 1))},
        "components": {"classifiers": tuple(data.draw(st.lists(st.text("ab.", min_size=1), max_size=3)))},
        "plugin": {"reference": {"superpixels": {"count": data.draw(nested)}}},
    }
    path = anywhere / config.FILE
    path.unlink(missing_ok=True)
    write_settings(anywhere, chosen, None, "appearance")
    assert values(load(path)) == values(load(None, chosen))


def test_the_flags_of_the_first_build_are_kept_for_every_later_command(run, anywhere):
    grid = "plugin.reference.colour_texture.grid=30"
    assert run("build", SOURCE.format("scenes"), "--store", "store", "--set", grid, "--set", "retrieval.k=3").code == 0
    found = load(anywhere / "store" / config.FILE)
    assert found.retrieval.k == 3
    assert found.of_component("reference.colour_texture") == {"grid": 30}
    ran = run("segment", "scenes/train_0_0000.png", "--store", "store", "--out", "out")
    assert ran.code == 0, ran.err


def test_the_file_of_the_working_folder_is_kept_too(run, anywhere):
    """The store's own file hides it from then on, so what it said must stand there."""
    (anywhere / config.FILE).write_text("[plugin.reference.colour_texture]\ngrid = 30\n")
    assert run("build", SOURCE.format("scenes"), "--store", "store").code == 0
    assert load(anywhere / "store" / config.FILE).of_component("reference.colour_texture") == {"grid": 30}
    assert run("segment", "scenes/train_0_0000.png", "--store", "store", "--out", "out").code == 0
    run("init", "empty")
    assert load(anywhere / "empty" / config.FILE).of_component("reference.colour_texture") == {"grid": 30}


def test_a_component_that_does_not_exist_is_not_written_down(run, anywhere):
    build = ("build", SOURCE.format("scenes"), "--store", "store")
    assert run(*build, "--proposer", "reference.ground_trut").code == 4
    assert not (anywhere / "store" / config.FILE).exists()
    assert run(*build, "--set", "retrieval.k=3").code == 0
    found = load(anywhere / "store" / config.FILE)
    assert (found.build.proposer, found.retrieval.k) == ("reference.ground_truth", 3)


def test_the_first_builds_flags_are_kept_where_later_commands_find_them(run, anywhere):
    """Also after `init`: without the backbone's settings nothing would match the vectors."""
    run("init", "store")
    before = (anywhere / "store" / config.FILE).read_text()
    build = ("build", SOURCE.format("scenes"), "--store", "store")
    ran = run(*build, "--set", "plugin.reference.colour_texture.grid=30", "--set", "retrieval.k=3")
    assert ran.code == 0 and "retclip.toml.bak" in ran.err
    found = load(anywhere / "store" / config.FILE)
    assert (found.of_component("reference.colour_texture"), found.retrieval.k) == ({"grid": 30}, 3)
    assert (anywhere / "store" / f"{config.FILE}.bak").read_text() == before
    assert write_settings(anywhere / "store", {"retrieval": {"k": 4}}, None, "appearance").name == f"{config.FILE}.bak2"
    assert (anywhere / "store" / f"{config.FILE}.bak").read_text() == before, "an earlier copy is not written over"
    assert run("segment", "scenes/train_0_0000.png", "--store", "store", "--out", "out").code == 0


def test_a_later_builds_flags_do_not_change_the_file(run, anywhere):
    build = ("build", SOURCE.format("scenes"), "--store", "store")
    assert run(*build).code == 0
    before = (anywhere / "store" / config.FILE).read_text()
    assert run(*build, "--set", "retrieval.k=3").code == 0
    assert (anywhere / "store" / config.FILE).read_text() == before


def test_a_source_that_cannot_be_read_leaves_nothing_written_down(run, anywhere):
    assert run("build", "label-maps:gone", "--store", "store", "--set", "retrieval.k=3").code == 3
    assert not (anywhere / "store" / config.FILE).exists()


def test_a_secret_is_not_copied_into_the_file(anywhere):
    base = anywhere / "base.toml"
    base.write_text('[store]\nqdrant_api_key = "s3cret"\ndatabase = "postgresql://u:s3cret@h/d"\nexact_below = 7\n')
    write_settings(anywhere, {}, base, "appearance")
    text = (anywhere / config.FILE).read_text()
    assert "s3cret" not in text
    assert load(anywhere / config.FILE).store.exact_below == 7


def test_the_defaults_shown_are_those_of_the_preset(anywhere, monkeypatch):
    monkeypatch.setitem(PRESETS, "other", {"retrieval": {"k": 5}})
    write_settings(anywhere, {"preset": "other"}, None, "appearance")
    text = (anywhere / config.FILE).read_text()
    assert 'preset = "other"' in text.splitlines()
    assert "# k = 5" in text


def test_a_file_that_says_it_already_is_left_alone_and_another_is_kept_beside(anywhere):
    path, mine = anywhere / config.FILE, "# mine\n[retrieval]\nk = 3\n[ensemble]\nalpha = 0.2\n"
    path.write_text(mine)
    assert write_settings(anywhere, {"retrieval": {"k": 3}}, None, "appearance") is None
    assert path.read_text() == mine
    earlier = write_settings(anywhere, {"retrieval": {"k": 4}}, None, "appearance")
    assert earlier.read_text() == mine
    assert (load(path).retrieval.k, load(path).ensemble.alpha) == (4, 0.2)
    with pytest.raises(ConfigError):
        write_settings(anywhere / "..", {}, anywhere / "gone.toml", "appearance")


def test_what_cannot_be_written_leaves_the_file_as_it_was(anywhere):
    path, mine = anywhere / config.FILE, "[retrieval]\nk = 3\n"
    path.write_text(mine)
    (anywhere / f".{config.FILE}.tmp").mkdir()  # root may write anywhere, but not here
    with pytest.raises(StoreError, match=r"retclip\.toml"):
        write_settings(anywhere, {"retrieval": {"k": 4}}, None, "appearance")
    assert path.read_text() == mine
