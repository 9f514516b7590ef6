"""Types reach whoever uses the package: an editable install is a path that tools follow, the front door is typed."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = """
import retclip

with retclip.open("store", preset="appearance") as memory:
    result = memory.segment("photo.jpg", ["sky", "car"])
    several = memory.segment(["a.jpg", b"..."], "sky, car")
    why = result.explain(result.segments[0])
    reveal_type(memory)
    reveal_type(result)
    reveal_type(several)
    reveal_type(why.votes())
    reveal_type(result.overlay(legend=False))
    memory.segment("photo.jpg", 3)
    retclip.open("store", presett="appearance")
"""
WHOLE = """
from pathlib import Path

import retclip


def show(progress: retclip.Progress) -> None:
    print(progress.task, progress.done, progress.total, progress.failed, progress.note)


def worth(memory: retclip.RetCLIP) -> float | None:
    figures: retclip.Evaluation = memory.evaluate("coco-panoptic:coco?split=val", on_progress=show)
    return figures.pq


with retclip.open("store", create=True, settings={"retrieval": {"k": 16}}, actor="ann") as memory:
    photos: retclip.CheckedSource = memory.source(Path("photos"))
    built: retclip.BuildReport = memory.build(photos, ["sky"], without=["car"], on_progress=show)
    words: retclip.PreparedVocabulary = memory.prepare("sky, car")
    results: list[retclip.SegmentationResult] = memory.segment([Path("a.jpg"), b"..."], words)
    why: retclip.Explanation = memory.explain(results[0], at=(3, 4))
    added: retclip.AdditionReport = memory.classes.add("cat", "cats/", marks=retclip.Marks(crops=True), check=photos)
    edit: retclip.Edit = memory.classes.rename("cat", "dog")
    edit = memory.undo(edit.event)
    known: list[str] = [known.name for known in memory.classes]
    filled: retclip.FillReport = memory.fill_missing(["boat"], on_progress=show)
    match: retclip.ClassMatch = memory.matches.accept("boat")
    edit = memory.matches.reject("boat", reason="no")
    spaces: tuple[retclip.SpaceState, ...] = memory.spaces.list()
    more: retclip.AddSpaceReport = memory.spaces.add("openclip.vit_b_16", on_progress=show)
    trained: retclip.FinetuneReport = memory.finetune(photos, "run", on_progress=show)
    forecast: retclip.Estimate = memory.estimate(photos)
    health: retclip.DoctorReport = retclip.doctor("store")
    try:
        print(worth(memory), health.ok, forecast.todo, trained.step, more.lacking, spaces, match.query, filled.outcomes)
    except retclip.StoreError as error:
        print(error.todo, known, added.kept, why.votes(), built.failures)
"""


def setuptools_table():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]


def test_an_editable_install_is_a_path_and_no_import_hook():
    """setuptools writes a plain path only where one folder holds every package under its own name; what it writes else
    is a hook that mypy, pyright and editors do not run."""
    table = setuptools_table()
    assert table["package-dir"] == {"": "."}
    for package in table["packages"]:
        assert (ROOT / package.replace(".", "/") / "__init__.py").is_file(), package


def test_every_package_is_installed_and_says_that_it_is_typed():
    table = setuptools_table()
    there = {
        path.parent.relative_to(ROOT).as_posix().replace("/", ".")
        for path in (ROOT / "retclip").rglob("__init__.py")
        if "template" not in path.parts
    }
    assert set(table["packages"]) == there
    assert "py.typed" in table["package-data"]["retclip"] and (ROOT / "retclip" / "py.typed").is_file()


def test_the_front_door_has_types(tmp_path, monkeypatch):
    api = pytest.importorskip("mypy.api")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    monkeypatch.chdir(ROOT)  # its cache is warm after `make check`
    said, _, _ = api.run(["--strict", "--no-error-summary", str(script)])
    revealed = [line.partition('type is "')[2].rstrip('"') for line in said.splitlines() if "Revealed" in line]
    assert revealed[:4] == [
        "retclip.engine.RetCLIP",
        "retclip.result.SegmentationResult",
        "list[retclip.result.SegmentationResult]",
        "dict[str, float]",
    ]
    assert "ndarray" in revealed[4] and "unsignedinteger" in revealed[4]
    wrong = [line for line in said.splitlines() if "error:" in line]
    assert len(wrong) == 2, said
    assert "[call-overload]" in wrong[0] and "presett" in wrong[1]


def test_a_script_over_the_whole_surface_is_typed(tmp_path, monkeypatch):
    api = pytest.importorskip("mypy.api")
    script = tmp_path / "script.py"
    script.write_text(WHOLE, encoding="utf-8")
    monkeypatch.chdir(ROOT)
    said, _, code = api.run(["--strict", "--no-error-summary", str(script)])
    assert code == 0, said
