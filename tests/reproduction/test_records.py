"""The records of others: each says what it was allowed to see, and those that must not be compared stand apart."""

import pytest

from retclip.reproduction.published import TABLES
from retclip.reproduction.records import RECORDS, records_of


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.system)
def test_a_record_says_what_it_was_trained_on_and_what_it_sees(record):
    assert record.trained_on and record.sees and record.source
    figures = [figure for figure in (record.pq, record.map, record.miou) if figure is not None]
    assert figures and all(0 < figure < 100 for figure in figures)
    assert 2020 < record.year <= 2026 and record.venue


def test_every_table_has_records_and_ours_are_the_papers_rows():
    for name in ("table-1", "table-2", "table-3", "table-4"):
        assert len(records_of(name)) > 5
    by_name = {record.system: record for record in RECORDS}
    stores = (
        ("convnext-open-images", "RetCLIP, store from Open Images"),
        ("convnext-ade20k", "RetCLIP, store from ADE20K train"),
    )
    rows = {row.name: row.published for row in TABLES["table-1"].rows}
    for row, system in stores:
        record = by_name[system]
        assert {"pq": record.pq, "map": record.map, "miou": record.miou} == rows[row]


def test_who_is_told_the_classes_of_each_image_stands_apart():
    apart = {record.system for record in RECORDS if record.apart}
    assert any(name.startswith("OpenWorldSAM") for name in apart) and any(name.startswith("SegRAG") for name in apart)
    assert all("annotation" in record.sees for record in RECORDS if record.apart)
