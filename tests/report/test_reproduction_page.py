"""The files of a reproduction: one report, three times, and what must not be compared says so."""

import html
import json
import re

import pytest

from retclip.report.reproduction_page import write_reproduction
from retclip.reproduction.cells import cells_of
from retclip.reproduction.missing_parts import MissingPart
from retclip.reproduction.published import TABLES
from retclip.reproduction.reproduction import CellResult, reproduction_of
from retclip.reproduction.table_rows import columns_of, record_rows, rows_of
from retclip.reproduction.worlds import Places, Sizes, miniature_world, paper_world

PART = MissingPart(
    "weights", "model", "a <model> of 5 MB", "retclip weights pull model", "/cache", ("convnext-ade20k",)
)


def report_of(world, tmp_path, missing=(PART,)):
    table = TABLES["table-1"]
    cells = [
        CellResult(
            name=cell.row.name, said=cell.row.said, baseline=cell.row.baseline, published=dict(cell.row.published),
            ours={} if cell.row.name in PART.rows and missing else {"pq": 25.0 + number, "map": None, "miou": 30.0},
            unseen={}, lacks=("model",) if cell.row.name in PART.rows and missing else (), stand_ins=cell.stand_ins,
            failed=0, folder="",
        )
        for number, cell in enumerate(cells_of(table, world))
    ]  # fmt: skip
    return reproduction_of(table, world, cells, missing, 7)


@pytest.fixture
def on_paper(tmp_path):
    return report_of(paper_world(Places(tmp_path, tmp_path)), tmp_path)


def test_a_cell_has_published_figure_ours_and_difference_or_what_it_lacks(on_paper):
    columns, rows = columns_of(on_paper), rows_of(on_paper)
    first, _, third = (dict(zip(columns, row, strict=True)) for row in rows[:3])
    assert (first["PQ paper"], first["PQ ours"], first["PQ difference"]) == ("26.4", "25.0", "-1.4")
    assert (first["mAP paper"], first["mAP ours"], first["mAP difference"], first["missing"]) == ("16.8", "-", "-", "")
    assert (third["PQ paper"], third["PQ ours"], third["PQ difference"], third["missing"]) == (
        "30.9",
        "-",
        "-",
        "model",
    )
    second = dict(zip(columns, rows[1], strict=True))
    assert (second["PQ gained, paper"], second["PQ gained, ours"]) == ("+1.9", "+1.0")


def test_three_files_say_the_same_and_escape(on_paper, tmp_path):
    files = write_reproduction(on_paper, tmp_path / "table-1")
    read = {file.suffix: file.read_text(encoding="utf-8") for file in files}
    assert json.loads(read[".json"])["cells"][0]["difference"]["pq"] == pytest.approx(25.0 - 26.4)
    assert "a &lt;model&gt; of 5 MB" in read[".html"] and "<model>" not in read[".html"]
    for said in ("ConvNeXt-L, RetCLIP, ADE20K train", "retclip weights pull model", "OpenWorldSAM", "OVRCOAT"):
        assert said in html.unescape(read[".html"]) and said in read[".md"]
    assert not re.search(r'(src|href)="http', read[".html"])


def test_on_other_data_it_warns_and_tells_the_stand_ins(tmp_path):
    report = report_of(miniature_world(tmp_path / "scenes", Sizes()), tmp_path, ())
    assert "PQ difference (unlike data)" in columns_of(report)
    files = write_reproduction(report, tmp_path / "table-1")
    for text in (file.read_text(encoding="utf-8") for file in files[1:]):
        assert "never the figures" in text and "miniature's CLIP" in html.unescape(text)


def test_records_are_sorted_and_those_apart_are_not_among_them(on_paper):
    figures = [float(row[3]) for row in record_rows(on_paper) if row[3] != "-"]
    assert figures == sorted(figures, reverse=True) and figures[0] == 30.9
    names = {row[0] for row in record_rows(on_paper)}
    assert names.isdisjoint(row[0] for row in record_rows(on_paper, apart=True))
