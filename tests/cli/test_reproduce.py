"""`retclip reproduce`: the complete list of what is missing, and a table filled on drawn scenes."""

import json
from dataclasses import replace

import pytest

from retclip.reproduction import published


@pytest.fixture(autouse=True)
def no_weights(monkeypatch, tmp_path):
    monkeypatch.setenv("RETCLIP_WEIGHTS__FOLDER", str(tmp_path / "weights"))


@pytest.mark.parametrize("table", ["table-1", "table-2", "table-3", "table-4"])
def test_on_the_papers_data_it_stops_with_everything_that_is_missing(run, tmp_path, table):
    out = tmp_path / "out"
    ran = run("reproduce", table, "--out", out, "--ade20k", tmp_path / "ade")
    assert ran.code == 6 and not out.exists()
    rows = published.TABLES[table].rows
    assert all(row.said in ran.out and f"{row.published['pq']:.1f}" in ran.out for row in rows)
    assert ("retclip weights pull" in ran.out and str(tmp_path / "ade") in ran.out and "RetCLIP, store" in ran.out) or (
        "RetCLIP without training" in ran.out
    )
    assert "parts missing" in ran.err and "--on miniature" in ran.err


def test_as_json(run, tmp_path):
    ran = run("reproduce", "table-1", "--out", tmp_path / "out", "--json")
    told = json.loads(ran.out)
    assert ran.code == 6 and [cell["ours"] for cell in told["cells"]] == [{}] * 6
    assert {"how", "where", "what", "rows"} <= set(told["missing"][0]) and told["records"][0]["sees"]


def test_on_the_miniature_a_table_is_filled(run, tmp_path, monkeypatch):
    table = published.TABLES["table-2"]
    monkeypatch.setitem(published.TABLES, "table-2", replace(table, rows=table.rows[:2]))
    out = tmp_path / "out"
    ran = run("reproduce", "table-2", "--on", "miniature", "--scenes", 1, "--stored", 2, "--out", out)
    assert ran.code == 0, ran.err
    assert "never the figures" in ran.err and "ConceptBank" in ran.out and "SegRAG" in ran.err
    assert (out / "table-2.html").is_file() and (out / "table-2.md").is_file()


def test_an_unknown_table(run, tmp_path):
    assert run("reproduce", "table-9", "--out", tmp_path / "out").code == 2


def test_the_names_that_are_asked(run, tmp_path):
    paper = ("reproduce", "table-1", "--out", tmp_path / "out", "--ade20k", tmp_path / "ade", "--json")
    without = json.loads(run(*paper).out)
    (told,) = [part for part in without["missing"] if part["kind"] == "names"]
    assert "ade20k_150_with_prompt_eng.txt of bytedance/fc-clip" in told["how"] and told["rows"] == []
    assert "with other names than the published ones" in told["what"] and "&names=" not in without["test"]
    file = tmp_path / "names.txt"
    file.write_text("".join(f"{number}:class {number},thing {number}\n" for number in range(1, 151)))
    given = json.loads(run(*paper, "--names", file).out)
    assert all(part["kind"] != "names" for part in given["missing"]) and given["test"].endswith(f"&names={file}")
    assert len(given["missing"]) == len(without["missing"]) - 1
    ran = run("reproduce", "table-1", "--on", "miniature", "--out", tmp_path / "out", "--names", file)
    assert (ran.code, ran.out) == (2, "") and "leave --names out" in ran.err
    file.write_text("1:wall\n2:road\n")
    ran = run(*paper, "--names", file)
    assert (
        (ran.code, ran.out) == (3, "") and "each of ADE20K's 150 classes" in ran.err and "bytedance/fc-clip" in ran.err
    )
