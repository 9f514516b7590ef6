"""What `retclip explain` prints on terminals of several widths: key columns whole, verdict and vote on stdout."""

import re
import shutil
import sys

import pytest

pytestmark = pytest.mark.usefixtures("own_plugins")
RESIDENT = ("--set", "store.index=resident", "--proposer", "reference.ground_truth")


@pytest.fixture
def evidence(run, built, tmp_path):
    """An evidence file of the first training scene."""
    photo = built.photos / "train_0_0000.png"
    source = built.source.replace("count=6", "count=1")
    assert run("segment", source, "--store", built.store, "--out", tmp_path / "out", *RESIDENT).code == 0, photo
    return next((tmp_path / "out").glob("*.evidence.npz"))


@pytest.fixture
def terminal(monkeypatch, run, built, evidence):
    """`explain` of the first segment as a terminal of some width shows it; its lines on stdout."""

    def call(columns, *more):
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(shutil, "get_terminal_size", lambda *_: shutil.os.terminal_size((columns, 24)))
        ran = run("explain", evidence, "--segment", "1", "--store", built.store, *more)
        assert ran.code == 0, ran.err
        return re.sub(r"\x1b\[[0-9;]*m", "", ran.out).splitlines()  # bold heads

    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True)
    yield call


def known(memory, evidence):
    """The neighbours of the first segment, as the store knows them."""
    from retclip.workflows.explain.evidence_file import load_evidence
    from retclip.workflows.explain.explain import explain

    return explain(memory.store, *load_evidence(evidence), 1)


def test_on_80_columns_no_key_column_is_cut_and_nothing_is_wider(terminal, memory, evidence):
    lines = terminal(80)
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
    head = next(n for n, line in enumerate(lines) if line.split()[:2] == ["share", "distance"])
    assert " ".join(lines[head].split()).startswith("share distance label said by photo id")
    why = known(memory, evidence)
    for near, line in zip(why.neighbours, lines[head + 2 :], strict=False):
        cells = re.split(r" +", line.strip())
        assert cells[:3] == [f"{near.share:.4f}", f"{near.distance:.4f}", near.class_then]
        photo = near.stored.image_uri.rpartition("/")[2]
        assert {"annotation", photo, str(near.id)[:8]} <= set(cells)


def test_constant_columns_are_said_once_and_what_has_no_room_is_named(terminal):
    said = " ".join(" ".join(terminal(80)).split())
    assert "the same for all: state visible, made by reference.ground_truth" in said
    assert "weights none" in said
    assert "no room for segment: --wide" in said or "no room for box, segment: --wide" in said


@pytest.mark.parametrize("columns", [30, 50, 64])
def test_on_a_narrower_terminal_cells_go_on_in_the_next_line(terminal, memory, evidence, columns):
    lines = terminal(columns)
    assert max(map(len, lines)) <= columns
    assert not any("…" in line for line in lines)
    letters = "".join("".join(lines).split())
    near = known(memory, evidence).neighbours[0]
    assert f"{near.distance:.4f}"[:3] in letters


def test_wide_shows_every_column_of_every_neighbour_in_one_line(terminal, memory, evidence):
    lines = terminal(80, "--wide")
    for near in known(memory, evidence).neighbours:
        (line,) = [line for line in lines if str(near.id) in line]
        for cell in ("visible", "reference.ground_truth", "none", ",".join(map(str, near.stored.box))):
            assert cell in line


def test_verdict_vote_and_rule_are_on_stdout_and_the_counts_add_up(run, built, evidence, memory):
    ran = run("explain", evidence, "--segment", "1", "--store", built.store)
    why = known(memory, evidence)
    said, *_ = ran.out.split("share\t")
    assert said.startswith(f"segment 1 of {why.image_uri}: {why.segment.class_name}, score ")
    assert f"\n  {why.verdict()}\n" in said
    assert f"the rule of retrieval.vote: {why.vote.rule}" in said
    (vote,) = [line for line in said.splitlines() if line.startswith("  retrieval.vote: ")]
    assert sum(int(number) for number in re.findall(r"\((\d+)\)", vote)) == len(why.neighbours)
    assert vote.endswith(f"from {len(why.neighbours)} neighbours")
    assert "together: " in said


def test_a_name_with_control_characters_moves_nothing(terminal, monkeypatch, memory, evidence):
    """Names come from strangers: neither markup nor escapes reach the terminal."""
    from retclip.workflows.explain import explanation

    monkeypatch.setattr(explanation.Explanation, "verdict", lambda _: "[/b]\x1b[31mred\x07")
    lines = terminal(80)
    assert any("[/b]\\x1b[31mred\\x07" in line for line in lines)


def test_a_picture_replaces_a_picture_of_ours_and_no_photo(run, built, evidence, tmp_path):
    photo, why = tmp_path / "photo.png", tmp_path / "why.png"
    shutil.copy(built.photos / "train_0_0000.png", photo)
    before = photo.read_bytes()
    explain = ("explain", evidence, "--segment", "1", "--store", built.store, "--picture")
    ran = run(*explain, photo)
    assert (ran.code, ran.out) == (2, "") and "choose another name for --picture" in ran.err
    assert photo.read_bytes() == before
    for _ in range(2):
        assert run(*explain, why).code == 0
    assert why.is_file()


def test_without_some_segments_the_answer_is_said_and_stands_in_json(run, built, evidence, memory):
    import json

    near = known(memory, evidence).neighbours
    first, second = str(near[0].id)[:8], str(near[1].id)
    explain = ("explain", evidence, "--segment", "1", "--store", built.store)
    ran = run(*explain, "--without", f"{first},{second}")
    assert ran.code == 0, ran.err
    assert "\n  margin: " in ran.out
    assert re.search(r"\n  without them .*: 2 of its neighbours go, 2 further ones vote in their places\n", ran.out)
    ran = run(*explain, "--without", first, "--without", second, "--json")
    answer = json.loads(ran.out)["what_if"]
    assert (answer["left_out"], answer["moved_up"], answer["exact"]) == (2, 2, True)
    ran = run(*explain, "--without", "nothing")
    assert ran.code == 3 and "the id of a stored segment, or its first digits" in ran.err
    ran = run(*explain, "--without-class", "dragon")
    assert ran.code == 3 and "a class of this result" in ran.err
    ran = run(*explain, "--without-run", "99")
    assert (ran.code, ran.out) == (3, "") and "99" in ran.err


def test_the_nearest_prototypes_are_said_with_what_they_are_made_of(run, built, tmp_path):
    source = built.source.replace("count=6", "count=1")
    options = ("--store", built.store, *RESIDENT, "--classifier", "retrieval.prototypes")
    assert run("segment", source, *options, "--out", tmp_path / "out").code == 0
    evidence = next((tmp_path / "out").glob("*.evidence.npz"))
    ran = run("explain", evidence, "--segment", "1", "--store", built.store)
    lines = [line.strip() for line in ran.out.splitlines() if "nearest prototype" in line]
    assert ran.code == 0 and 3 <= len(lines) <= 4
    assert all(
        re.fullmatch(r"nearest prototype: .+, the mean, at 0\.\d{4}: of \d+ segments?, .+", line) for line in lines
    )
    refused = run("explain", evidence, "--segment", "1", "--store", built.store, "--without-class", "sky")
    assert refused.code == 3 and "by their neighbours alone" in refused.err and "Traceback" not in refused.err
