"""The page about tuning is true: its example runs, every short name stands in it, and so does every array."""

import runpy
from pathlib import Path

import numpy as np

from retclip.workflows.tuning.grid import SETTINGS, SHORT
from retclip.workflows.tuning.trial_sums import FIGURES

PAGE = (Path(__file__).parents[3] / "docs" / "tuning.md").read_text(encoding="utf-8")


def test_the_example_runs(tuned, tmp_path, monkeypatch, capsys):
    (tmp_path / "tuned").mkdir()
    (tmp_path / "tuned" / "scores").symlink_to(tuned.folder)
    (code,) = [block.partition("```")[0] for block in PAGE.split("```python\n")[1:]]
    (tmp_path / "example.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    values = runpy.run_path("example.py")
    assert values["evaluation"].images == 3 and capsys.readouterr().out.startswith(str(values["evaluation"].pq))


def test_names_figures_and_arrays_stand_there(tuned):
    assert [name for name in SHORT if f"`{name}`" not in PAGE] == []
    assert [key for key in SETTINGS["segment"] if f"segment.{key}" not in PAGE and f"`{key}`" not in PAGE] == []
    assert [name for name in FIGURES if "." not in name and f"`{name}`" not in PAGE] == []
    with np.load(tuned.folder / "000000.npz") as archive:
        names = [name.replace("_1", "_0").replace("_2", "_0") for name in archive.files]
    assert [name for name in names if f"`{name}`" not in PAGE] == []
