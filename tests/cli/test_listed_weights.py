"""The list of weights on a terminal of 80 columns: no name is cut, what is not sure is said."""

import os
import re
import shutil
import sys

import pytest

from retclip.cli.listed_weights import how_sure, print_weights
from retclip.plugin.manager import PluginManager
from retclip.plugin.weights import WeightFile, Weights, cached_in
from retclip.workflows.weights.keep_weights import take


@pytest.fixture(autouse=True)
def cache(tmp_path):
    with cached_in(tmp_path / "cache"):
        yield


@pytest.fixture
def listed():
    return sorted(PluginManager.discover().listed_weights().values(), key=lambda weights: weights.name)


def on_80_columns(monkeypatch):
    """In the test itself: what captures stdout is another object before it."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda *_: os.terminal_size((80, 24)))


def test_no_name_is_cut_on_80_columns(listed, monkeypatch, capsys):
    on_80_columns(monkeypatch)
    print_weights(listed)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    assert max(map(len, lines)) <= 80
    firsts = {line.split()[0]: line.split() for line in lines if line.strip()}
    for weights in listed:
        assert firsts[weights.name][1] == ("yes" if weights.distribution else "no")  # a wheel of ours is installed
        assert " ".join(firsts[weights.name][3:]) in ("sha256", "revision", "by hand")


def test_the_download_page_and_what_could_not_be_confirmed_are_said(listed, monkeypatch, capsys):
    on_80_columns(monkeypatch)
    print_weights(listed)
    said = capsys.readouterr().err
    assert "fcclip_cocopan.pth is downloaded by hand from https://drive.google.com/file/d/" in said
    assert "fcclip_rn50x64: the name of its file could not be confirmed" in said


def test_every_column_says_commit_digest_and_how_sure_it_is(listed, capsys):
    print_weights(listed)
    rows = dict(line.split("\t", 1) for line in capsys.readouterr().out.splitlines())
    assert "ed25f3a31f01632728cabb09d1542f84ab7b0056" in rows["dinov2_small"]
    assert "stated by 5 projects" in rows["dinov2_small"]
    assert "sha256 not known to us" in rows["owlv2_large"]
    assert not any("not published" in row for row in rows.values())


def test_an_import_says_whether_it_is_the_stated_file(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("hello")
    digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"  # of hello
    for sha256, projects, told in (
        (digest, 3, "stated by 3 projects; it is that file"),
        ("0" * 64, 1, f"this file has sha256 {digest}: compare it with its page"),
        ("", 0, f"sha256 {digest}, written down; sha256 not known to us"),
    ):
        file = WeightFile("words.txt", sha256=sha256, projects=projects)
        weights = Weights("words", "words", "MIT", "https://example.org", 1, (file,))
        take(weights, path)
        assert [line.endswith(told) for line in how_sure(weights)] == [True]
