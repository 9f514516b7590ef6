"""The figures of an evaluation as files: those that it has, the same bytes twice, and what is missing told first."""

import builtins

import pytest

from retclip.algorithms.calibration import ReliabilityBin
from retclip.errors import ConfigError
from retclip.report.figure_files import require_matplotlib, write_figures
from retclip.workflows.evaluation.evaluation_figures import Confusion, Evaluation
from retclip.workflows.evaluation.oracle_costs import Gain, OracleFigures

ROW = {"pq": 40.0, "iou": 50.0, "seen": None}
REST = dict.fromkeys(
    ("sq", "rq", "pq_things", "pq_stuff", "map", "map50", "map75", "pixel_accuracy", "segment_accuracy")
)


def evaluation(**changes):
    values = {
        "images": 2, "pq": 40.0, "miou": 50.0, **REST, "groups": {}, "confusion": (Confusion("sky", "sea", 9, 30.0),),
        "per_class": {"sky": ROW, "sea": {**ROW, "pq": None, "iou": None}}, "missing": (), "failures": (),
        "settings": {}, "reliability": (ReliabilityBin(0.5, 1.0, 3, 0.8, 0.7), ReliabilityBin(0.0, 0.5, 0, None, None)),
        "oracles": (
            OracleFigures("masks", {"all": {"pq": Gain(60.0, 20.0, None), "miou": Gain(45.0, -5.0, None)}}),
            OracleFigures("labels", {"all": {"pq": Gain(None, None, None), "miou": Gain(50.0, 0.0, None)}}),
        ),
    }  # fmt: skip
    return Evaluation(**{**values, **changes})


def test_a_png_and_an_svg_of_each_figure_and_equal_ones_again(tmp_path):
    written = write_figures(tmp_path / "figures", evaluation())
    names = {f"{name}.{kind}" for name in ("classes", "confusion", "reliability", "parts") for kind in ("png", "svg")}
    assert {path.name for path in written} == names
    first = {path.name: path.read_bytes() for path in written}
    assert first["parts.png"].startswith(b"\x89PNG") and b"+20.0" not in first["parts.png"]
    assert {path.name: path.read_bytes() for path in write_figures(tmp_path / "figures", evaluation())} == first
    assert write_figures(tmp_path / "other", evaluation(pq=41.0, per_class={"sky": {**ROW, "pq": 9.0}}))
    assert (tmp_path / "other" / "classes.svg").read_bytes() != first["classes.svg"]


def test_what_was_not_counted_is_not_drawn(tmp_path):
    written = write_figures(tmp_path / "figures", evaluation(confusion=(), reliability=(), oracles=(), pq=None))
    assert {path.name for path in written} == {"classes.png", "classes.svg"}


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.png").write_bytes(b"x")
    with pytest.raises(ConfigError, match="--figures"):
        write_figures(tmp_path / "mine", evaluation())


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    real = builtins.__import__

    def absent(name, *rest):
        if name.startswith("matplotlib"):
            raise ImportError("No module named 'matplotlib'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ConfigError, match=r"pip install 'retclip\[figures\]'"):
        require_matplotlib()
