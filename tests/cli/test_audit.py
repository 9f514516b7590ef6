"""`retclip audit` on the command line: tables, JSON, lists for the correcting commands, pages, refusals."""

import csv
import json
import shutil

import pytest


@pytest.fixture
def store(built, tmp_path):
    return shutil.copytree(built.store, tmp_path / "store")


def test_suspects_as_table_json_list_and_page(run, store, tmp_path):
    out, page = tmp_path / "s.csv", tmp_path / "s.html"
    told = run("audit", "mislabels", "--store", store, "--limit", 3, "--out", out, "--html", page, "--json")
    found = json.loads(told.out)["segments"]
    assert len(found) <= 3 and all(one["trust"] < 0.5 and one["suggested"] for one in found)
    rows = list(csv.DictReader(out.open(encoding="utf-8")))
    assert [row["segment"] for row in rows] == [one["segment"] for one in found]
    assert list(rows[0])[:2] == ["segment", "class"] and rows[0]["suggested"] == found[0]["suggested"]
    assert found[0]["segment"] in page.read_text(encoding="utf-8")
    assert f"`retclip relabel --from {out} --suggested`" in told.err
    assert found[0]["suggested"] in run("audit", "mislabels", "--store", store).out


def test_suspects_by_doubt_and_by_trust(run, store):
    found = json.loads(run("store", "search", "--store", store, "--limit", 100, "--json").out)["segments"]
    first, other = found[0], next(one["class"] for one in found if one["class"] != found[0]["class"])
    assert run("relabel", first["segment"], other, "--store", store).code == 0
    doubted = json.loads(run("audit", "mislabels", "--store", store, "--by", "doubt", "--json").out)["segments"]
    assert first["segment"] in {one["segment"] for one in doubted}
    assert all("that it is wrong" in one["note"] and one["suggested"] for one in doubted)
    trusted = json.loads(run("audit", "mislabels", "--store", store, "--by", "trust", "--json").out)["segments"]
    assert all("its nearest" in one["note"] for one in trusted)


def test_suspects_with_frames_say_how_photos_were_grouped(run, store):
    told = run("audit", "mislabels", "--store", store, "--frames", "--json")
    assert told.code == 0 and "6 photos are " in told.err and isinstance(json.loads(told.out)["segments"], list)
    assert run("store", "search", "--store", store).out.startswith("class\t")  # that trust is not kept


def test_search_and_show_tell_the_trust_once_it_was_computed(run, store):
    assert run("store", "search", "--store", store).out.startswith("class\t")
    told = json.loads(run("audit", "mislabels", "--store", store, "--json").out)["segments"]
    found = json.loads(run("store", "search", "--store", store, "--max-trust", 0.4999, "--limit", 100, "--json").out)
    trusts = {one["segment"]: (one["trust"], one["suggested"]) for one in found["segments"]}
    assert trusts and trusts == {one["segment"]: (one["trust"], one["suggested"]) for one in told}
    assert run("store", "search", "--store", store).out.startswith("trust\tclass\t")
    first = told[0]
    shown = run("store", "show", first["segment"], "--store", store).out
    assert f"trust: {first['trust']:.3f}, {first['suggested']} is nearer" in shown
    plain = json.loads(run("store", "show", first["segment"], "--store", store, "--json").out)
    assert (plain["trust"], plain["suggested"]) == (first["trust"], first["suggested"])


@pytest.mark.parametrize("name", ["outliers", "conflicts"])
def test_other_lists_of_segments(run, store, name):
    assert isinstance(json.loads(run("audit", name, "--store", store, "--json").out)["segments"], list)
    assert "suggested" in run("audit", name, "--store", store).out


def test_duplicates_and_leakage(run, store, built):
    found = json.loads(run("audit", "duplicates", "--store", store, "--json").out)
    assert found["leaked"] is None and found["compared"] == 6
    told = run("audit", "duplicates", "--store", store, "--against", built.source)
    assert "6 of your 6 evaluation photos are in the store: 6 are the same file" in told.err
    assert "train_0_0000" in told.out


def test_coverage(run, store):
    found = json.loads(run("audit", "coverage", "--store", store, "--few", 50, "--json").out)
    assert found and all(one["reasons"] for one in found)
    told = run("audit", "coverage", "--store", store, "--few", 50)
    assert found[0]["class"] in told.out and found[0]["text_rank"] is None
    assert told.err.count("no class is compared with its text: reference.colour_texture has no text tower") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["mislabels", "--out", "s.txt"], 3, ".csv"),
        (["mislabels", "--html", "s.png"], 3, ".html"),
        (["mislabels", "--limit", 0], 2, "at least 1"),
        (["mislabels", "--by", "fear"], 2, "fear"),
        (["mislabels", "--class", "narwhal"], 3, "narwhal"),
        (["duplicates", "--bits", 200], 2, "from 0 to 128"),
        (["conflicts", "--alike", 3], 2, "from 0 to 2"),
        (["mislabels", "--space", "nobody.knows"], 5, "nobody.knows"),
    ],
)
def test_refusals(run, store, arguments, code, said):
    answer = run("audit", *arguments, "--store", store)
    assert answer.code == code and said in answer.err


def test_a_store_that_is_not_there_is_refused(run, tmp_path):
    assert run("audit", "mislabels", "--store", tmp_path / "none").code == 5
