"""The paper's tables as facts: the same figures as docs/method.md has, and rows whose baselines exist."""

import re
from pathlib import Path

import pytest

from retclip.config import load, merged
from retclip.errors import ConfigError
from retclip.reproduction.published import TABLES, table_named

METHOD = (Path(__file__).parents[2] / "docs" / "method.md").read_text(encoding="utf-8")
PAPERS = [name for name in TABLES if name.startswith("table-")]


@pytest.mark.parametrize("name", PAPERS)
def test_every_figure_stands_in_the_page_on_the_method(name):
    numbers = set(re.findall(r"\d+\.\d", METHOD))
    shown = {f"{value:.1f}" for row in TABLES[name].rows for value in row.published.values()}
    assert shown and shown <= numbers


def test_the_first_table_is_that_of_the_page_row_by_row():
    rows = re.findall(r"^\| (?:ConvNeXt-L|RN50x64), [^|]+\| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", METHOD, re.M)
    assert [tuple(f"{value:.1f}" for value in row.published.values()) for row in TABLES["table-1"].rows] == rows


def test_the_weights_are_those_of_the_page():
    (head, _, figures) = re.search(r"^(\| 0\.4, 0\.7, 0\.3 .*)\n(.*)\n(.*)$", METHOD, re.M).groups()
    columns = [tuple(map(float, cell.split(","))) for cell in head.strip("| ").split("|")]
    told = dict(zip(columns, (float(cell.strip(" *")) for cell in figures.strip("| ").split("|")), strict=True))
    ours = {row.weights: row.published["pq"] for row in TABLES["table-4"].rows}
    assert {weights: ours[weights] for weights in told} == told and len(ours) == 14


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_rows_have_names_of_their_own_and_baselines_that_exist(table):
    names = [row.name for row in table.rows]
    assert len(set(names)) == len(names) and all("/" not in name and " " not in name for name in names)
    assert {row.baseline for row in table.rows} - {""} <= set(names)
    assert all(set(row.published) <= set(table.figures) for row in table.rows)
    assert bool(table.source) == (table.name in PAPERS)


def test_the_settings_of_each_choice_are_settings_and_differ_from_the_literal_formula():
    loaded = [load(None, merged({"preset": row.system.value}, row.settings)) for row in TABLES["choices"].rows]
    assert loaded[0].retrieval.scope == "all"
    literal = loaded[0].ensemble
    assert (literal.unknown, literal.renormalise, literal.void) == ("zero", False, "rival")
    assert len({settings.model_dump_json() for settings in loaded}) == len(loaded)


def test_a_table_that_the_paper_does_not_have():
    with pytest.raises(ConfigError, match="table-1, table-2, table-3, table-4, choices"):
        table_named("table-5")
