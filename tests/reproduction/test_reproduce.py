"""A table filled on drawn scenes, killed and resumed; refused where something is missing or another one lies there."""

import json
from dataclasses import replace

import pytest

import retclip
from retclip.engine import RetCLIP
from retclip.errors import ConfigError, PartsMissing
from retclip.progress import silent
from retclip.reproduction import published

TINY = {"scenes": 2, "stored": 3}


class Killed(BaseException):
    """The end of the process, at a place of the test's choosing."""


def filled(out, on_progress=silent, sizes=TINY):
    return retclip.reproduce("table-1", "miniature", out, **sizes, on_progress=on_progress)


def figures_of(out, row):
    return json.loads((out / "table-1" / row / "run.json").read_text(encoding="utf-8"))["figures"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The figures of both rows, run in one go."""
    with pytest.MonkeyPatch.context() as patch:
        table = published.TABLE_1
        rows = (table.rows[0], table.rows[2])
        patch.setattr(published, "TABLES", {"table-1": replace(table, rows=rows)})
        out = tmp_path_factory.mktemp("undisturbed") / "out"
        return out, filled(out)


def test_every_cell_is_filled_and_says_what_stood_in(undisturbed):
    out, report = undisturbed
    assert [cell.said for cell in report.cells] == ["ConvNeXt-L, FC-CLIP", "ConvNeXt-L, RetCLIP, ADE20K train"]
    assert all(set(cell.ours) == {"pq", "map", "miou"} and not cell.lacks for cell in report.cells)
    assert report.images == 2 and not report.comparable and not report.missing
    assert report.cells[1].published == {"pq": 30.9, "map": 19.3, "miou": 44.0}
    first, second = report.cells
    gained = report.above_baseline(second, published=False)["pq"]
    assert gained == pytest.approx(second.ours["pq"] - first.ours["pq"])
    assert report.above_baseline(second, published=True)["pq"] == pytest.approx(30.9 - 26.4)
    assert "ConvNeXt-L" in second.stand_ins and "ADE20K train" in second.stand_ins
    assert {file.name for file in out.glob("table-1.*")} == {"table-1.json", "table-1.md", "table-1.html"}
    assert json.loads((out / "table-1.json").read_text())["cells"][1]["ours"] == second.ours


def test_the_formula_of_a_row_is_the_presets(undisturbed):
    out, report = undisturbed
    ensembles = [
        json.loads((out / "table-1" / cell.name / "run.json").read_text())["configuration"]["settings"]["ensemble"]
        for cell in report.cells
    ]
    assert [ensemble["form"] for ensemble in ensembles] == ["geometric", "arithmetic"]
    assert (ensembles[1]["unknown"], ensembles[1]["renormalise"], ensembles[1]["void"]) == ("zero", False, "rival")


def test_the_same_table_twice_has_the_same_figures_to_the_byte(undisturbed, two_rows, tmp_path):
    out, _ = undisturbed
    filled(tmp_path / "again")
    for row in two_rows:
        first, second = (json.dumps(figures_of(place, row)) for place in (out, tmp_path / "again"))
        assert first == second


@pytest.mark.parametrize("at", ["the store", "the second row", "an image of the second row"])
def test_killed_and_resumed_it_loses_the_running_cell_at_most(undisturbed, two_rows, tmp_path, monkeypatch, at):
    out, evaluated = tmp_path / "out", []
    whole = RetCLIP.evaluate

    def counted(self, source, **options):
        evaluated.append(options["out"].name)
        return whole(self, source, **options)

    monkeypatch.setattr(RetCLIP, "evaluate", counted)

    def killing(progress):
        second = bool(evaluated) and evaluated[-1] == two_rows[1]
        if (
            (at == "the store" and progress.task.startswith("build"))
            or (at == "the second row" and progress.message.startswith("table-1 2/2"))
            or (at == "an image of the second row" and second and progress.done == 1)
        ):
            raise Killed

    with pytest.raises(Killed):
        filled(out, killing)
    assert (out / "table-1" / two_rows[0] / "run.json").exists()
    assert not (out / "table-1" / two_rows[1] / "run.json").exists() and not (out / "table-1.json").exists()
    evaluated.clear()
    report = filled(out)
    assert evaluated == [two_rows[1]], "the finished cell is read, not run"
    assert [cell.ours for cell in report.cells] == [cell.ours for cell in undisturbed[1].cells]
    evaluated.clear()
    assert filled(out) == report and evaluated == []


def test_rows_whose_names_differ_behind_a_point_lie_apart(tmp_path, monkeypatch):
    table = published.TABLES["table-4"]
    monkeypatch.setattr(published, "TABLES", {"table-4": replace(table, rows=table.rows[1:3])})
    report = retclip.reproduce("table-4", "miniature", tmp_path, scenes=1, stored=2)
    gammas = [
        json.loads((tmp_path / "table-4" / cell.name / "run.json").read_text())["configuration"]["settings"]["ensemble"]
        for cell in report.cells
    ]
    assert [ensemble["gamma"] for ensemble in gammas] == [0.1, 0.2]
    assert len(list((tmp_path / "table-4").glob("*.json"))) == 2


def test_a_folder_of_other_sizes_is_refused(undisturbed, two_rows, tmp_path):
    filled(tmp_path / "out")
    with pytest.raises(ConfigError, match="choose a new --out"):
        filled(tmp_path / "out", sizes={"scenes": 3, "stored": 3})


def test_somebody_elses_folder_is_refused_before_anything(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="choose a new folder"):
        filled(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def test_without_weights_and_data_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("RETCLIP_WEIGHTS__FOLDER", str(tmp_path / "weights"))
    out, places = tmp_path / "out", {"ade20k": tmp_path / "ade", "open_images": tmp_path / "oi"}
    with pytest.raises(PartsMissing) as stop:
        retclip.reproduce("table-3", out=out, **places, partial=True)
    assert stop.value.exit_code == 6 and not out.exists()
    report = stop.value.reproduction
    assert [bool(cell.lacks) for cell in report.cells] == [True] * 6
    assert {part.kind for part in report.missing if part.rows} == {"weights", "data"}
    assert [part.kind for part in report.missing if not part.rows] == ["names"], "rows run without FC-CLIP's list"


@pytest.mark.parametrize("wrong", [{"on": "moon"}, {"scenes": 0}, {"stored": 0}])
def test_what_cannot_be_is_told(tmp_path, wrong):
    with pytest.raises(ConfigError):
        retclip.reproduce("table-1", **{"on": "miniature", "out": tmp_path / "out", **wrong})
