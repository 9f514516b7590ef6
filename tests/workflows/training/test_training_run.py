"""A run's folder: taken up by the same settings only, its measurements cut where the run goes on."""

import json

import pytest
import torch

from retclip.errors import ConfigError, DataError
from retclip.types import Vocabulary
from retclip.workflows.training.training_run import TrainingRun, read_metrics

VOCABULARY = Vocabulary(("hot dog", "sky"), (True, False), (("frankfurter", "sausage"), ()), torch.eye(4))
SETTINGS = {"a": {"b": 1, "c": [1, 2]}, "d": None}


def run(folder, settings=SETTINGS):
    return TrainingRun(folder / "run", settings, 2)


def test_a_new_folder_says_what_it_was_started_with(tmp_path):
    one = run(tmp_path)
    one.begin(False, VOCABULARY)
    assert json.loads((one.folder / "settings.json").read_text()) == SETTINGS
    assert (one.folder / "trained_on.txt").read_text() == "hot dog, frankfurter, sausage\nsky\n"
    run(tmp_path).begin(False, VOCABULARY)  # the same goes on


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"a": {"b": 2, "c": [1, 2]}, "d": None}, "a.b = 2, it began with 1"),
        ({"a": {"b": 1, "c": [2, 1]}, "d": None}, r"a.c = \[2, 1\]"),
        ({"a": {"b": 1}, "d": None}, "a.c = None"),
        ({**SETTINGS, "e": 1}, "e = 1, it began with None"),
    ],
)
def test_other_settings_are_refused_by_the_key_that_differs(tmp_path, other, told):
    run(tmp_path).begin(False, VOCABULARY)
    with pytest.raises(ConfigError, match=told):
        run(tmp_path, other).begin(False, VOCABULARY)
    run(tmp_path, other).begin(True, VOCABULARY)
    run(tmp_path, other).begin(False, VOCABULARY)


def test_beginning_anew_removes_only_what_a_run_makes(tmp_path):
    one = run(tmp_path)
    one.begin(False, VOCABULARY)
    one.log({"step": 1})
    (one.checkpoints.folder / "step-00000001").mkdir(parents=True)
    (one.folder / "notes.txt").write_text("mine")
    run(tmp_path).begin(True, VOCABULARY)
    assert sorted(path.name for path in one.folder.iterdir()) == ["notes.txt", "settings.json", "trained_on.txt"]
    (one.checkpoints.folder / "step-00000002").mkdir(parents=True)
    (one.checkpoints.folder / "best.pt").write_text("mine")
    run(tmp_path).begin(True, VOCABULARY)
    assert [path.name for path in one.checkpoints.folder.iterdir()] == ["best.pt"]


@pytest.mark.parametrize("fresh", [False, True])
def test_another_program_s_settings_are_no_run(tmp_path, fresh):
    folder = run(tmp_path).folder
    folder.mkdir()
    (folder / "settings.json").write_text("{}")
    (folder / "data.bin").write_bytes(b"years of work")
    with pytest.raises(ConfigError, match="other files"):
        run(tmp_path).begin(fresh, VOCABULARY)
    assert (folder / "data.bin").read_bytes() == b"years of work"


def test_a_kill_between_the_two_files_of_a_beginning_costs_nothing(tmp_path):
    one = run(tmp_path)
    one.begin(False, VOCABULARY)
    (one.folder / "settings.json").rename(one.folder / ".settings.json.123.tmp")
    run(tmp_path).begin(False, VOCABULARY)
    assert json.loads((one.folder / "settings.json").read_text()) == SETTINGS


def test_settings_that_cannot_be_read_are_told(tmp_path):
    one = run(tmp_path)
    one.begin(False, VOCABULARY)
    (one.folder / "settings.json").write_text("{")
    with pytest.raises(DataError, match="--fresh"):
        run(tmp_path).begin(False, VOCABULARY)


def test_measurements_after_the_checkpoint_are_cut_and_a_torn_last_line_is_left_out(tmp_path):
    one = run(tmp_path)
    one.begin(False, VOCABULARY)
    one.cut(0)  # nothing there yet
    for step in (1, 2, 3):
        one.log({"step": step, "total": step / 3})
    with one.metrics.open("a") as file:
        file.write('{"step": 4, "tot')
    assert [line["step"] for line in read_metrics(one.metrics)] == [1, 2, 3]
    one.cut(2)
    assert (
        one.metrics.read_text()
        == '{"step": 1, "total": 0.3333333333333333}\n{"step": 2, "total": 0.6666666666666666}\n'
    )
    one.metrics.write_text('{"step": 1}\nnoise\n{"step": 2}\n')
    with pytest.raises(DataError, match="line 2"):
        read_metrics(one.metrics)
