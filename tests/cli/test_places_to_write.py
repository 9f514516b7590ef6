"""What a command writes at its end has a place before its work begins: else it ends with code 3, and nothing is
done."""

import os

import pytest

pytestmark = pytest.mark.usefixtures("own_plugins", "idle")
OF_STORE = [  # each ends with an option that names what is written, and its ending
    ("segment PHOTO --out", ""),
    ("explain PHOTO --at 5,5 --picture", ".png"),
    ("evaluate SCENES --report", ".html"),
    ("evaluate SCENES --report", ""),
    ("evaluate SCENES --figures", ""),
    ("evaluate SCENES --out", ""),
    ("evaluate SCENES --workers 2 --out", ""),
    ("evaluate SCENES --compare retrieval --report", ".html"),
    ("evaluate SCENES --compare retrieval --out", ""),
    ("evaluate SCENES --fill-missing --report", ".html"),
    ("evaluate SCENES --compare retrieval --fill-missing --out", ""),
    ("tune SCENES --val OTHERS --out", ""),
    ("audit mislabels --out", ".csv"),
    ("audit duplicates --html", ".html"),
    ("store search --sheet", ".png"),
    ("class export --all", ".zip"),
]
ALONE = [("finetune SCENES --out", ""), ("reproduce table-1 --on miniature --out", ""), ("demo --out", "")]


@pytest.fixture
def idle(monkeypatch):
    """Fails where a photo is segmented, filled in or read from the store for a list."""
    from retclip.cli import evaluate
    from retclip.store.feature_store import FeatureStore
    from retclip.workflows.exchange import export_classes
    from retclip.workflows.segment import describe_image

    def working(*_, **__):
        raise AssertionError("the work was begun")

    monkeypatch.setattr(describe_image, "dense", working)
    monkeypatch.setattr(evaluate, "filled", working)
    monkeypatch.setattr(export_classes, "class_file_of", working)
    monkeypatch.setattr(FeatureStore, "segments", property(working))


@pytest.fixture
def refused(run, built, photos, tmp_path):
    """Run a command's words with a place to write; the places of the words are filled in."""
    known = {"PHOTO": photos / "good.png", "SCENES": built.source, "OTHERS": f"{built.source}&seed=5"}

    def call(words, place, *more):
        ran = run(*(known.get(word, word) for word in words.split()), place, *more)
        assert (ran.code, ran.out) == (3, ""), ran.err
        told = ran.err[ran.err.index("retclip: expected ") :].splitlines()
        assert [line.split()[0] for line in told] == ["retclip:", "got", "to"]
        return ran.err

    return call


@pytest.mark.parametrize(("words", "ending"), OF_STORE, ids=[" ".join(one) for one in OF_STORE])
def test_a_place_below_a_file_is_refused_before_the_work(refused, built, tmp_path, words, ending):
    (tmp_path / "file").write_text("in the way")
    told = refused(words, tmp_path / "file" / f"x{ending}", "--store", built.store)
    assert f"{tmp_path / 'file'}: Not a directory" in told and "nothing was written" in told


@pytest.mark.parametrize(("words", "ending"), ALONE, ids=[words for words, _ in ALONE])
def test_so_do_commands_without_a_store(refused, tmp_path, words, ending):
    (tmp_path / "file").write_text("in the way")
    assert "Not a directory" in refused(words, tmp_path / "file" / f"x{ending}")


@pytest.mark.parametrize("words", ["explain PHOTO --at 5,5 --picture", "store search --sheet"])
def test_a_folder_in_the_place_of_a_file_is_refused_before_the_work(refused, built, tmp_path, words):
    (tmp_path / "x.png").mkdir()
    assert "a folder" in refused(words, tmp_path / "x.png", "--store", built.store)


def test_a_picture_that_is_no_png_is_refused_before_the_work(refused, built, tmp_path):
    told = refused("explain PHOTO --at 5,5 --picture", tmp_path / "x.gif", "--store", built.store)
    assert "ends in .png" in told


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to this user")
def test_a_read_only_folder_is_refused_before_the_work(refused, built, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o555)
    assert "Permission denied" in refused(
        "evaluate SCENES --report", tmp_path / "locked" / "x.html", "--store", built.store
    )
