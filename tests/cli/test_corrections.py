"""`retclip relabel | quarantine | release | retire` and the log's filters: ways to name segments, refusals."""

import csv
import json
import shutil

import pytest

import retclip
from retclip.errors import DataError
from retclip.store.records import SegmentFilter


@pytest.fixture
def folder(built, tmp_path):
    return shutil.copytree(built.store, tmp_path / "store")


@pytest.fixture
def at(folder):
    return ("--store", folder)


def visible(folder, *classes):
    with retclip.open(folder, settings={"store": {"index": "resident"}}) as memory:
        return [str(one.id) for one in memory.search(filter=SegmentFilter(classes=classes), limit=1000)]


def called(folder, ids):
    with retclip.open(folder) as memory:
        found = memory.store.segments.find(ids)
        known = memory.store.segments.get(found)
        return [known[one].class_name for one in found]


def told(done):
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_one_segment_by_a_prefix_and_back(run, folder, at):
    (first, *_) = visible(folder, "sky")
    done = told(run("relabel", first[:8], "sun", *at, "--why", "it shines", "--json"))
    assert (done["segments"], done["unchanged"]) == (1, 0) and called(folder, [first]) == ["sun"]
    log = told(run("log", *at, "--json", "--segment", first[:8], "--action", "segment.relabel"))["events"]
    assert [(one["id"], one["reason"], one["target"]) for one in log] == [(done["event"], "it shines", first)]
    assert log[0]["moves"] == [{"before": ["sky", "visible"], "after": ["sun", "visible"], "segments": 1}]
    again = run("relabel", "--to", "sun", first, *at)
    assert again.code == 0 and "nothing changed; 1 were so already" in again.err
    assert run("undo", done["event"], *at).code == 0 and called(folder, [first]) == ["sky"]


def test_a_list_gives_each_its_class_in_one_event(run, folder, at, tmp_path):
    first, second, *_ = visible(folder, "sky")
    file = tmp_path / "suspects.csv"
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(("note", "segment", "class", "suggested"))
        writer.writerows([("x", first, "sky", "sun"), ("y", second, "sky", "'-new one")])
    same = run("relabel", "--from", file, *at)
    assert same.code == 0 and "nothing changed; 2 were so already" in same.err
    assert f"{file} suggests other classes: take them with --suggested" in same.err
    planned = told(run("relabel", "--from", file, "--suggested", "--new", *at, "--dry-run", "--json"))
    assert sorted(planned["becomes"]) == [["sky", "-new one", 1], ["sky", "sun", 1]] and planned["classes"] == {
        "sky": 2
    }
    shown = run("relabel", "--from", file, "--suggested", "--new", *at, "--dry-run")
    assert "becomes" in shown.out and "-new one" in shown.out
    unknown = run("relabel", "--from", file, "--suggested", *at)
    assert unknown.code == 3 and "--new" in unknown.err
    done = told(run("relabel", "--from", file, "--suggested", "--new", *at, "--json"))
    assert done["segments"] == 2 and called(folder, [first, second]) == ["sun", "-new one"]
    assert told(run("quarantine", "--from", file, *at, "--json"))["segments"] == 2
    assert told(run("relabel", "--from", file, "sky", *at, "--json"))["segments"] == 2


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("id,class\n1,sky\n", "without segment"),
        ("segment,class\n", "with none"),
        ("segment,note\n{0},x\n", "1 of 1 without"),
        ("segment,class\n{0},sky\n{0},sun\n", "two for"),
        ("segment,class,class\n{0},sky,sun\n", "2 columns class"),
        ("segment,class\n{0},sky,sun\n", "2 cells in row 2"),
        ('segment,class\n{0},"sun\n{0},sun\n{0},sun\n', "well-formed quotes in line 2"),
        ("segment,class\n{0},sky\n00000000-0000-5000-8000-000000000000,sky\n", "1 of 2 unknown"),
    ],
)
def test_a_list_that_says_too_little_or_too_much_is_refused(run, folder, at, tmp_path, rows, message):
    (first, *_) = visible(folder, "sky")
    (tmp_path / "list.csv").write_text(rows.format(first))
    done = run("relabel", "--from", tmp_path / "list.csv", *at)
    assert done.code == 3 and message in done.err
    assert len(told(run("log", *at, "--json"))["events"]) == 1


def test_a_filter_shows_first_and_changes_only_with_yes(run, folder, at, tmp_path):
    skies = visible(folder, "sky")
    sheet = tmp_path / "sheet.html"
    dry = run("quarantine", "--class", "sky", "--dry-run", "--sheet", sheet, "--json", *at)
    assert told(dry) == {"dry_run": True, "segments": len(skies), "classes": {"sky": len(skies)}}
    assert sheet.read_text().count("<img") == len(skies)
    unsure = run("quarantine", "--class", "sky", *at)
    assert unsure.code == 2 and "--yes" in unsure.err and f"sky\t{len(skies)}" in unsure.out
    assert visible(folder, "sky") == skies and len(told(run("log", *at, "--json"))["events"]) == 1
    done = told(run("quarantine", "--class", "sky", "--yes", "--json", *at))
    assert done["segments"] == len(skies) and visible(folder, "sky") == []
    back = told(run("release", "--class", "sky", "--state", "quarantined", "--yes", "--json", *at))
    assert back["segments"] == len(skies) and visible(folder, "sky") == skies
    assert "none" in run("release", "--class", "sky", "--state", "quarantined", "--yes", *at).err


def test_many_segments_need_yes_however_they_are_named(run, folder, at, monkeypatch):
    monkeypatch.setattr("retclip.cli.corrections.UNASKED", 1)
    first, second, *_ = visible(folder, "sky")
    assert run("retire", first, second, *at).code == 2 and len(visible(folder, "sky")) > 1
    assert told(run("retire", first, second, "--yes", "--json", *at))["segments"] == 2
    assert not {first, second} & set(visible(folder))
    assert told(run("retire", first, "--json", *at)) == {"event": None, "segments": 0, "unchanged": 1}


@pytest.mark.parametrize(
    "words",
    [
        ("quarantine",), ("relabel",), ("relabel", "12345678", "--suggested"), ("relabel", "sun"),
        ("quarantine", "12345678", "--class", "sky"), ("relabel", "--suggested", "--from", "x.csv", "--to", "sun"),
        ("log", "--action", "hearsay"), ("log", "--limit", "0"), ("log", "--since", "yesterday"),
    ],
)  # fmt: skip
def test_what_is_not_clear_is_refused(run, at, words):
    done = run(*words, *at)
    assert done.code == 2 and "to do" in done.err


def test_the_log_is_filtered(run, folder, at):
    (first, *_) = visible(folder, "sky")
    hidden = told(run("quarantine", first, *at, "--json"))["event"]
    run("undo", hidden, *at)
    run("class", "alias", "sun", "star", *at)

    def events(*words):
        return [one["action"] for one in told(run("log", *at, "--json", *words))["events"]]

    assert events() == ["build", "segment.quarantine", "undo", "class.alias"]
    assert events("--limit", "2") == ["undo", "class.alias"]
    assert events("--undone") == ["segment.quarantine"]
    assert events("--not-undone", "--action", "class.alias,build") == ["build", "class.alias"]
    assert events("--segment", first) == ["build", "segment.quarantine", "undo"]
    assert events("--class", "star") == ["build", "class.alias"]
    assert events("--class", "sky") == ["build", "segment.quarantine", "undo"]
    assert events("--run", "1") == ["build"] == events("--actor", "run 1")
    assert events("--since", "2999-01-01") == [] == events("--until", "1999-01-01")
    built = told(run("log", *at, "--json", "--limit", "4"))["events"][0]
    assert built["proposer"] and built["moves"] == []
    assert run("log", *at, "--class", "nothing").code == 3


def test_python_does_the_same(folder):
    with retclip.open(folder, settings={"store": {"index": "resident"}}, actor="ann") as memory:
        skies = memory.search(filter=SegmentFilter(classes=("sky",)), limit=2)
        done = memory.relabel({skies[0].id: "sun", str(skies[1].id)[:8]: "road"}, why="seen")
        assert done.segments == 2
        assert memory.quarantine(skies).segments == 2 and memory.release(skies[:1]).segments == 1
        gone = memory.retire(SegmentFilter(classes=("sun",)), "too bright")
        event = memory.log(retclip.EventFilter(actions=("segment.retire",)))[0]
        assert (event.id, event.actor, event.reason, event.segments) == (gone.event, "ann", "too bright", gone.segments)
        assert all(move.after == ("sun", "retired") for move in event.moves)
        assert memory.undo(gone.event).segments == gone.segments
        with pytest.raises(retclip.DataError, match="name of a class"):
            memory.relabel(skies)


def test_a_dry_run_refuses_what_the_change_would_refuse(run, folder, at, tmp_path):
    first, *_ = visible(folder, "sky")
    unknown = "00000000-0000-0000-0000-000000000001"
    for arguments in (("quarantine", unknown), ("relabel", first, unknown, "sun"), ("relabel", first, "dragon")):
        done = run(*arguments, *at, "--dry-run")
        assert done.code == 3 and "unknown" in done.err and "dry run" not in done.err
    done = run("quarantine", first, "ffffffff", "eeeeeeee", *at)
    assert done.code == 3 and "ffffffff, and 1 more unknown" in done.err
    assert run("relabel", first, "dragon", *at, "--dry-run", "--new").code == 0


def test_a_list_of_a_spreadsheet_may_part_its_columns_by_semicolons(run, folder, at, tmp_path):
    first, second, *_ = visible(folder, "sky")
    file = tmp_path / "list.csv"
    for mark in (";", "\t", ","):
        lines = ["segment,class", f"{first},sun", f'"{second[:8]}",sun', f"{first[:8]},sun"]
        text = "\r\n".join(line.replace(",", mark) for line in lines)
        file.write_bytes(b"\xef\xbb\xbf" + text.encode())
        done = told(run("relabel", "--from", file, *at, "--json"))
        assert done["segments"] == 2 and called(folder, [first, second]) == ["sun", "sun"]
        assert run("undo", done["event"], *at).code == 0


def test_a_list_is_read_as_every_table_is(run, folder, at, tmp_path):
    first, second, *_ = visible(folder, "sky")
    file = tmp_path / "list.csv"
    text = f"\r\nSegment, Class\r\n{first}, sun\r\n{second}, sun\r\n"
    for content in (text.encode(), text.encode("utf-16"), b"sep=;\r\n" + text.replace(",", ";").strip().encode()):
        file.write_bytes(content)
        done = told(run("relabel", "--from", file, *at, "--json"))
        assert done["segments"] == 2 and called(folder, [first, second]) == ["sun", "sun"]
        assert run("undo", done["event"], *at).code == 0


def test_an_open_quote_swallows_no_segment_of_a_list(run, folder, at, tmp_path):
    first, second, *_ = skies = visible(folder, "sky")
    (tmp_path / "list.csv").write_text(f'segment,note\n{first},"x\n{second},y\n')
    done = run("quarantine", "--from", tmp_path / "list.csv", *at)
    assert done.code == 3 and "1 that cannot be read" in done.err and visible(folder, "sky") == skies


def test_a_segment_has_one_new_class_in_python_too(folder):
    first, *_ = visible(folder, "sky")
    with retclip.open(folder) as memory, pytest.raises(DataError, match="two for"):
        memory.relabel({first: "sun", first[:8]: "grass"})


def test_an_option_without_a_value_is_not_everything(run, folder, at):
    count = len(visible(folder))
    for command in (("quarantine", "--yes"), ("store", "search"), ("log",)):
        done = run(*command, *at, "--class", "")
        assert done.code == 2 and "leave --class out" in done.err
    assert len(visible(folder)) == count


def test_a_filter_releases_what_is_quarantined(run, folder, at):
    ids = visible(folder, "sky")
    assert run("quarantine", *ids, *at).code == 0 and not visible(folder, "sky")
    assert told(run("release", "--class", "sky", "--yes", *at, "--json"))["segments"] == len(ids)
    assert visible(folder, "sky") == ids


@pytest.mark.parametrize(
    "arguments",
    [("undo", "HUGE"), ("diff", "1", "HUGE"), ("log", "--at", "HUGE"), ("log", "--run", "HUGE"),
     ("log", "--limit", "HUGE"), ("store", "search", "--run", "HUGE"), ("store", "search", "--limit", "HUGE")],
)  # fmt: skip
def test_a_number_that_no_database_holds_is_refused(run, folder, at, arguments):
    done = run(*(str(10**25) if word == "HUGE" else word for word in arguments), *at)
    assert done.code == 3 and "64 bits" in done.err
