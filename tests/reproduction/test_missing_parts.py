"""What a table lacks: each part once, with how to get it, where it goes, and the rows that need it."""

import pytest

from retclip.plugin.weights import folder_of, stored_name
from retclip.preset_needs import needs_of
from retclip.reproduction.cells import cells_of
from retclip.reproduction.missing_parts import missing_for, missing_parts
from retclip.reproduction.published import TABLES
from retclip.reproduction.worlds import Places, Sizes, miniature_world, paper_world


@pytest.fixture(autouse=True)
def no_weights(monkeypatch, tmp_path):
    monkeypatch.setenv("RETCLIP_WEIGHTS__FOLDER", str(tmp_path / "weights"))


@pytest.fixture
def world(tmp_path):
    return paper_world(Places(tmp_path / "ade", tmp_path / "oi"))


def test_the_first_table_lacks_weights_and_data_each_once(world, tmp_path):
    cells = cells_of(TABLES["table-1"], world)
    parts = {part.name: part for part in missing_parts(cells)}
    assert len(parts) == 9
    head = parts["fcclip_rn50x64"]
    assert head.rows == ("rn50x64-fc-clip", "rn50x64-open-images", "rn50x64-ade20k")
    assert "by hand" in head.how and "drive.google.com" in head.how and "weights import fcclip_rn50x64" in head.how
    assert head.where == str(tmp_path / "weights" / "weights" / "fcclip_rn50x64")
    assert parts["sam_vit_b"].how == "retclip weights pull sam_vit_b"
    assert "fc-clip" not in " ".join(parts["sam_vit_b"].rows), "FC-CLIP asks no store"
    val, train = parts["ADE20K val, panoptic"], parts["ADE20K train"]
    assert len(val.rows) == 6 and str(tmp_path / "ade") in val.where and "--ade20k" in val.where
    assert "prepare_ade20k_pan_seg.py" in val.how and "ade20k_panoptic_val.json" in val.what
    assert "objectInfo150" in train.what and train.rows == ("convnext-ade20k", "rn50x64-ade20k")
    assert parts["Open Images train"].rows == ("convnext-open-images", "rn50x64-open-images")
    assert [part.name for part in missing_for(cells[0], tuple(parts.values()))] == [
        "openclip_convnext_large_d_320_laion2b_s29b_b131k_ft_soup", "fcclip_convnext_large", "ADE20K val, panoptic",
    ]  # fmt: skip


def test_annotated_masks_need_no_detector_to_be_judged_but_one_for_their_store(world):
    lacks = {part.name: part.rows for part in missing_parts(cells_of(TABLES["table-3"], world))}
    assert set(lacks["grounding_dino_base"]) == {row.name for row in TABLES["table-3"].rows}
    assert len(lacks["openclip_ViT-B-16_openai"]) == len(lacks["openclip_ViT-L-14_openai"]) == 3


def test_weights_that_are_here_are_not_told(world, tmp_path, monkeypatch):
    from retclip import config
    from retclip.plugin.weights import cached_in
    from retclip.session import plugins_of

    settings = config.load(None, {"preset": "fc-clip"})
    with cached_in(settings.weights.place):
        for weights in needs_of("fc-clip", settings, plugins_of(settings)).absent:
            for file in weights.files:
                path = folder_of(weights) / stored_name(file.path)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"weights")
    parts = missing_parts(cells_of(TABLES["table-1"], world)[:1])
    assert [(part.kind, part.name) for part in parts] == [("data", "ADE20K val, panoptic")]


def test_the_drawn_world_lacks_nothing(tmp_path):
    world = miniature_world(tmp_path / "scenes", Sizes(1, 1))
    assert [missing_parts(cells_of(table, world)) for table in TABLES.values()] == [()] * len(TABLES)


def test_rows_of_one_store_build_it_alike(world, tmp_path):
    for place in (world, miniature_world(tmp_path / "scenes", Sizes(1, 1))):
        plans = {}
        for cell in (cell for table in TABLES.values() for cell in cells_of(table, place) if cell.store):
            assert plans.setdefault(cell.store.name, cell.store) == cell.store
