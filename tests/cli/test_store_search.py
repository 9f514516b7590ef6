"""`retclip store search | show` on the command line: every way to ask, every refusal, pages, sheets."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from retclip.errors import ConfigError


@pytest.fixture(scope="module")
def store(built):
    return ("--store", built.store, "--set", "store.index=resident")


@pytest.fixture
def found(run, store):
    def ask(*more):
        done = run("store", "search", *store, "--json", *more)
        assert done.code == 0, done.err
        return json.loads(done.out)

    return ask


def ids(answer):
    return [one["segment"] for one in answer["segments"]]


def test_nothing_but_filters_is_a_list_in_pages(found, memory):
    every = [str(one) for one in memory.search(limit=1000).ids]
    seen, cursor = [], ()
    while True:
        page = found("--limit", "7", *cursor)
        seen += ids(page)
        if page["next"] is None:
            break
        cursor = ("--cursor", page["next"])
    assert seen == every and len(set(seen)) == len(seen) > 20
    cars = [str(one.id) for one in memory.search(limit=1000) if one.class_name in ("sky", "sun")]
    assert ids(found("--class", "sky,sun", "--limit", "100")) == cars
    assert ids(found("--state", "retired")) == []


def test_a_stored_segment_finds_the_nearest_others_in_pages(found, memory):
    first = memory.search().ids[0]
    whole = found("--segment", str(first)[:8], "--limit", "500")
    assert str(first) not in ids(whole) and whole["segments"][0]["distance"] is not None
    assert [one["distance"] for one in whole["segments"]] == sorted(one["distance"] for one in whole["segments"])
    page = found("--segment", str(first), "--limit", "4")
    rest = found("--segment", str(first), "--limit", "500", "--cursor", page["next"])
    assert ids(page) + ids(rest) == ids(whole) == [str(one) for one in memory.search(segment=first, limit=500).ids]


def test_a_stored_mask_of_its_photo_finds_itself(found, memory, tmp_path):
    """By its mask at distance 0; by its box and by a point in it something near."""
    (one,) = memory.search(limit=1)
    counts, height, width = memory.store.segments.mask(one.id)
    from retclip.data import rle

    pixels = rle.decode({"size": [height, width], "counts": counts.decode()})
    Image.fromarray(pixels.astype(np.uint8) * 255).save(tmp_path / "mask.png")
    near = found("--image", one.image_uri, "--mask", tmp_path / "mask.png", "--limit", "2")
    assert ids(near)[0] == str(one.id) and near["segments"][0]["distance"] < 1e-3
    x0, y0, x1, y1 = one.box
    assert found("--image", one.image_uri, "--box", f"{x0},{y0},{x1 - x0},{y1 - y0}")["segments"][0]["distance"] < 1
    y, x = (int(places[len(places) // 2]) for places in np.nonzero(pixels))
    point = found(
        "--image", one.image_uri, "--point", f"{x},{y}", "--proposer", "reference.superpixels", "--limit", "2"
    )
    assert f"point ({x}, {y})" in point["title"] and len(ids(point)) == 2
    assert ids(found("--image", one.image_uri)) != ids(near)


def test_words_need_a_text_tower_and_who_has_one_is_said(run, store):
    done = run("store", "search", *store, "--text", "a red car")
    assert done.code == 2 and "expected a backbone with a text tower" in done.err
    assert "reference.colour_texture" in done.err and "openclip." in done.err and "retclip store add-space" in done.err


def test_a_sheet_and_a_table_are_written(run, store, tmp_path):
    for name in ("page.html", "sheet.png", "list.csv"):
        done = run("store", "search", *store, "--class", "sky", "--limit", "3", "--sheet", tmp_path / name)
        assert done.code == 0 and f"{name}: 3 segments" in done.err and "more: --cursor" in done.err
        assert (tmp_path / name).stat().st_size > 200 and done.out.count("sky") == 3
    (tmp_path / "mine.csv").write_text("my notes")
    refused = run("store", "search", *store, "--sheet", tmp_path / "mine.csv")
    assert refused.code == 2 and (tmp_path / "mine.csv").read_text() == "my notes"


@pytest.mark.parametrize(
    ("wrong", "code", "told"),
    [
        (("--text", "x", "--segment", "a" * 8), 2, "one of --text"),
        (("--box", "1,2,3,4"), 2, "--image beside"),
        (("--image", "PHOTO", "--box", "1,2,3,4", "--point", "1,2"), 2, "one of --box"),
        (("--image", "PHOTO", "--box", "1,2,3"), 2, "4 whole numbers"),
        (("--image", "PHOTO", "--box", "9000,1,5,5"), 3, "inside 96 x 64"),
        (("--image", "PHOTO", "--point", "96,1", "--proposer", "reference.superpixels"), 3, "a pixel inside 96 x 64"),
        (("--image", "gone.jpg"), 3, "gone.jpg"),
        (("--image", "PHOTO", "--mask", "gone.png"), 3, "gone.png"),
        (("--segment", "0" * 8), 3, "a stored segment"),
        (("--segment", "xyz"), 3, "the id of a segment"),
        (("--text", " "), 2, "words after --text"),
        (("--limit", "0"), 2, "at least 1"),
        (("--cursor", "abc"), 2, "cursor"),
        (("--class", "kayak"), 3, "a class of the store"),
        (("--run", "99"), 3, "a run of the store"),
        (("--data-set", "none"), 3, "a data set of the store"),
        (("--of-image", "none"), 3, "an image of the store"),
        (("--since", "soon"), 2, "a date"),
        (("--min-score", "7"), 2, "min_score from 0 to 1"),
        (("--state", "hidden"), 2, "SegmentStatus"),
        (("--segment", "FIRST", "--space", "openclip.model"), 5, "one space of openclip.model"),
        (("--sheet", "sheet.jpg"), 3, ".html, .png or .csv"),
    ],
)
def test_what_cannot_be_is_refused_in_three_parts(run, store, memory, built, wrong, code, told):
    photo = next(built.photos.glob("*.png"))
    named = {"PHOTO": str(photo), "FIRST": str(memory.search(limit=1).ids[0])}
    done = run("store", "search", *store, *(named.get(part, part) for part in wrong))
    assert (done.code, done.out) == (code, "") and told in done.err and "to do" in done.err


def test_neighbours_below_none_are_refused(run, store, memory):
    first = memory.search(limit=1).ids[0]
    done = run("store", "show", str(first), *store, "--neighbours", "-1")
    assert (done.code, done.out) == (2, "") and "--neighbours" in done.err
    with pytest.raises(ConfigError, match="0 neighbours or more"):
        memory.show(first, neighbours=-1)
    assert len(memory.show(first, neighbours=0).neighbours) == 0


def test_a_class_with_a_comma_is_named_as_csv_quotes_it(run, store, memory, tmp_path):
    name, other = "cup, paper", next(row.name for row in memory.store.classes.all() if row.segments)
    folder = tmp_path / "own"
    shutil.copytree(memory.session.folder, folder)
    ids = [str(segment) for segment in memory.search(limit=2).ids]
    assert run("relabel", *ids, "--to", name, "--new", "--store", folder).code == 0
    asked = ("store", "search", "--store", folder, "--json", "--limit", 500)
    found = json.loads(run(*asked, "--class", f'"{name}"').out)["segments"]
    assert {one["segment"] for one in found} == set(ids)
    several = json.loads(run(*asked, "--class", f'"{name}", {other}').out)["segments"]
    assert {one["class"] for one in several} == {name, other}
    assert run("audit", "coverage", "--store", folder, "--few", 50, "--class", f'"{name}"', "--json").code == 0
    assert run("quarantine", "--class", f'"{name}"', "--yes", "--store", folder).code == 0
    assert json.loads(run(*asked, "--class", f'"{name}"').out)["segments"] == []
    assert run("log", "--class", f'"{name}"', "--store", folder).code == 0
    done = run(*asked, "--class", '"cup, paper')
    assert done.code == 3 and "double quotes" in done.err


def test_a_mask_of_another_size_is_refused(run, store, built, tmp_path):
    Image.new("L", (5, 5), 255).save(tmp_path / "small.png")
    photo = next(built.photos.glob("*.png"))
    done = run("store", "search", *store, "--image", photo, "--mask", tmp_path / "small.png")
    assert done.code == 3 and "of 5 x 5" in done.err


def test_everything_of_a_segment_is_shown(run, store, memory, tmp_path):
    one = memory.search(limit=1)[0]
    done = run("store", "show", str(one.id)[:8], *store, "--sheet", tmp_path / "one.html", "--neighbours", "3")
    assert done.code == 0, done.err
    for part in (
        str(one.id),
        one.class_name,
        one.image_sha256,
        one.dataset,
        "reference.ground_truth",
        "event",
        "run 1",
    ):
        assert part in done.out, part
    page = (tmp_path / "one.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg") == 4 and str(one.id) in page
    plain = json.loads(run("store", "show", str(one.id), *store, "--json").out)
    assert plain["stored"]["class_name"] == one.class_name and len(plain["neighbours"]) == 8
    assert plain["facts"][0]["action"] == "build" and plain["facts"][0]["class_name"] == one.class_name
    assert repr(memory.show(one.id)).count("near ") == 8 and "base64" in memory.show(one.id)._repr_html_()
    assert run("store", "show", "0" * 8, *store).code == 3
