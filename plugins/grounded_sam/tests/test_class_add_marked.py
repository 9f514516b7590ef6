"""`class add --boxes` and `--points` with a SAM on this machine: it makes the masks, nobody names it."""

import sys

import pytest
from PIL import Image

import retclip
from retclip import cli
from retclip.session import Components


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["retclip", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return int(stop.value.code or 0), capsys.readouterr().err

    return call


@pytest.mark.parametrize(
    ("kind", "text"),
    [("--boxes", "image,x,y,width,height\na.png,5,5,40,30\n"), ("--points", "image,x,y\na.png,20,20\n")],
)
def test_sam_makes_the_masks_where_it_is_here(run, sam_file, tmp_path, kind, text):
    Image.linear_gradient("L").convert("RGB").resize((80, 60)).save(tmp_path / "a.png")
    (tmp_path / "marks.csv").write_text(text)
    assert run("init", tmp_path / "store")[0] == 0
    given = ("--set", f"plugin.grounded_sam.prompted.sam={sam_file}", "--store", tmp_path / "store")
    code, told = run("class", "add", "fox", tmp_path / "a.png", kind, tmp_path / "marks.csv", *given)
    assert code == 0 and "masks by grounded_sam.prompted" in told and "from 1 images" in told
    with retclip.open(tmp_path / "store", settings={"store": {"index": "resident"}}) as memory:
        assert all(one.name == "fox" for one in memory.classes.list())


def test_without_its_weights_it_is_not_here(tmp_path):
    components = Components.configured(None, None, {"weights": {"folder": str(tmp_path)}})
    assert not components.has_model("grounded_sam.prompted")
    assert not components.has_model("grounded_sam.nothing")
    assert components.has_model("reference.superpixels")
