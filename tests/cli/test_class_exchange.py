"""`retclip class export` and `import`: what is said, what is written, and how what cannot be is refused."""

import json

import pytest


@pytest.fixture
def stores(built, tmp_path):
    """A store to export from, an empty one, and a file of all classes."""
    return built.store, tmp_path / "other", tmp_path / "all.zip"


def test_out_and_in(run, own_plugins, stores):
    store, other, file = stores
    out = run("class", "export", "--all", file, "--store", store)
    assert out.code == 0 and "no photos" not in out.err and str(file) in out.err and "sha256" in out.err
    assert run("init", other).code == 0
    dry = run("class", "import", file, "--store", other, "--dry-run", "--json")
    assert dry.code == 0 and json.loads(dry.out)["event"] is None
    done = run("class", "import", file, "--store", other, "--json")
    report = json.loads(done.out)
    assert done.code == 0 and report["segments"] == json.loads(dry.out)["segments"] > 0
    assert f"retclip undo {report['event']} --store {other}" in done.err
    again = run("class", "import", file, "--store", other)
    assert again.code == 0 and f"{report['segments']} were there already" in again.err and "joined" in again.err
    assert "import of" in run("log", "--store", other).out
    assert run("doctor", "--store", other).code in (0, 1)
    assert run("undo", report["event"], "--store", other).code == 0


def test_names_and_file(run, stores):
    store, _, file = stores
    assert run("class", "export", "sky", "tree", file, "--store", store).code == 0
    for arguments in ([file], ["--all", "sky", file]):
        refused = run("class", "export", *arguments, "--store", store)
        assert refused.code == 2 and "--all" in refused.err
    assert run("class", "export", "sky", "tree", "--store", store).code == 3  # a name in the place of the file
    assert run("class", "export", "skyy", file, "--store", store).code == 3


def test_a_file_of_somebody_elses_stays(run, stores, tmp_path):
    store, *_ = stores
    mine = tmp_path / "mine.zip"
    mine.write_bytes(b"mine")
    assert run("class", "export", "sky", mine, "--store", store).code == 2
    assert mine.read_bytes() == b"mine"


def test_what_cannot_be_imported_is_refused_in_three_parts(run, own_plugins, stores, tmp_path):
    store, *_ = stores
    foreign = tmp_path / "foreign.zip"
    foreign.write_bytes(b"no zip")
    for file, code in ((foreign, 3), (tmp_path / "absent.zip", 3), (tmp_path, 3), ("package:nowhere/x.zip", 6)):
        refused = run("class", "import", file, "--store", store)
        assert refused.code == code and "Traceback" not in refused.err
    refused = run("class", "import", foreign, "--recompute", "--store", store)
    assert refused.code == 2 and "--photos" in refused.err


def test_vectors_anew_from_the_photos(run, own_plugins, built, stores, tmp_path):
    store, other, file = stores
    run("class", "export", "--all", file, "--store", store)
    changed = "plugin.reference.colour_texture.grid=80"
    refused = run("class", "import", file, "--store", other, "--set", changed)
    assert refused.code == 5  # there is no store yet
    run("init", other, "--set", changed)
    refused = run("class", "import", file, "--store", other)
    assert refused.code == 5 and refused.err.count("reference.colour_texture (weights none") == 2
    done = run("class", "import", file, "--store", other, "--recompute", "--photos", built.source, "--json")
    report = json.loads(done.out)
    assert done.code == 0 and report["photos_missing"] == 0 and report["segments"] > 0
    run("init", tmp_path / "third", "--set", changed)
    (tmp_path / "empty").mkdir()
    options = ("--recompute", "--photos", tmp_path / "empty", "--store", tmp_path / "third")
    nothing = run("class", "import", file, *options)
    assert nothing.code == 3 and "without a usable photo" in nothing.err
