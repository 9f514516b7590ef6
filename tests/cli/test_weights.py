"""`retclip weights` as a user meets it: a list, an import, a check, and what a missing file is told with."""

import hashlib
import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from safetensors.torch import save_file

from retclip.plugin.contracts import Component, Settings
from retclip.plugin.discovery import ComponentInfo
from retclip.plugin.manager import PluginManager
from retclip.plugin.weights import WeightFile, Weights, hub

MODEL = Weights("mine_large", "my model", "MIT", "https://example.org/mine", 12, (WeightFile("model.pth"),))
OTHER = Weights("mine_small", "my small model", "MIT", "https://example.org/mine", 3, (WeightFile("model.pth"),))


class Options(Settings):
    small: bool = False


class Masks:
    def propose(self, images, vocabulary, features):
        return []


@pytest.fixture(autouse=True)
def plugin(monkeypatch, tmp_path):
    """One plugin with weights beside the repository's own without any."""
    component = Component(
        "masks", "masks", Options, lambda *_: Masks(),
        weights=lambda settings: (OTHER if settings.small else MODEL,), published=(MODEL, OTHER),
    )  # fmt: skip
    info = ComponentInfo("proposer", "mine", "retclip-mine", "1", component)
    announced = []  # `served` puts some in
    two = Component("two", "two", Options, lambda *_: Masks(), weights=lambda _: announced)
    original = PluginManager.discover

    def discover(*arguments, **options):
        found = original(*arguments, **options)
        own = [one for one in found.components() if one.plugin in ("data", "reference", "retrieval", "zero_shot")]
        return PluginManager(
            [*own, info, ComponentInfo("proposer", "mine", "retclip-mine", "1", two)], [], options.get("cache")
        )

    monkeypatch.setattr(PluginManager, "discover", discover)
    monkeypatch.setenv("RETCLIP_WEIGHTS__FOLDER", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return announced


@pytest.fixture
def served(plugin):
    """Two sets of weights on a server of this machine, the second of which is gone; the paths that were asked for."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(404 if self.path == "/gone" else 200)
            self.send_header("Content-Length", str(len(self.path)))
            self.end_headers()
            self.wfile.write(self.path.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    files = (WeightFile("a.txt", f"{url}/a"), WeightFile("sub/b.txt", f"{url}/b"))
    plugin.append(Weights("served", "served", "MIT", "https://example.org", 1, files))
    plugin.append(Weights("gone", "gone", "MIT", "https://example.org", 1, (WeightFile("c.txt", f"{url}/gone"),)))
    yield asked
    server.shutdown()
    server.server_close()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model.pth"
    torch.save({"a": torch.ones(2)}, path)
    return path


def test_the_list_shows_what_there_is_and_whether_it_is_here(run, file):
    told = run("weights", "list", "--json")
    assert told.code == 0
    rows = {one["name"]: one for one in json.loads(told.out)}
    assert set(rows) == {"mine_large", "mine_small"}
    (model,) = rows["mine_large"].pop("files")
    assert rows["mine_large"] == {
        "name": "mine_large", "here": False, "megabytes": 12, "licence": "MIT", "source": "https://example.org/mine",
        "pinned_by": "by hand", "note": "", "distribution": "", "folder": rows["mine_large"]["folder"],
        "summary": "my model",
    }  # fmt: skip
    assert (model["path"], model["sha256"], model["how_sure"]) == ("model.pth", "", "sha256 not known to us")
    told = run("weights", "import", "mine_large", file)
    assert f"model.pth: sha256 {hashlib.sha256(file.read_bytes()).hexdigest()}, written down" in told.err
    told = run("weights", "list")
    line = "mine_large\tyes\t12\tby hand\tMIT\t-\tsha256 not known to us\thttps://example.org/mine\tmy model"
    assert line in told.out
    assert "mine_small: model.pth is downloaded by hand from https://example.org/mine" in told.err


def test_an_imported_file_is_used_and_checked(run, file, tmp_path):
    assert run("weights", "import", "mine_large", file).code == 0
    assert run("weights", "verify").out.splitlines()[1:] == ["mine_large\tmodel.safetensors\tok"]
    assert run("weights", "verify", "mine.masks").code == 0
    (tmp_path / "cache/weights/mine_large/model.safetensors").write_bytes(b"x")
    told = run("weights", "verify", "--json")
    assert told.code == 3
    assert json.loads(told.out)[0]["state"] == "changed"
    assert "mine_large/model.safetensors is changed" in told.err


def test_weights_that_are_here_in_part_are_not_passed_over(run, tmp_path, served):
    """Of two files one is gone: the check of all weights must say so."""
    assert run("weights", "verify").out.splitlines() == ["weights\tfile\tstate"]
    assert run("weights", "pull", "served").code == 0
    assert run("weights", "verify").code == 0
    (tmp_path / "cache/weights/served/sub/b.txt").unlink()
    told = run("weights", "verify")
    assert told.code == 3
    assert "served/sub/b.txt is missing" in told.err
    assert run("weights", "pull", "served").code == 0
    assert run("weights", "verify").code == 0


def test_a_pull_says_how_far_it_is_and_under_what_licence(run, served, tmp_path):
    told = run("weights", "pull", "served")
    assert (told.code, told.out) == (0, "")
    assert "a.txt: 0 of 0 MB" in told.err
    assert f"served is in {tmp_path / 'cache/weights/served'} (licence: MIT; pinned by address)" in told.err
    assert (tmp_path / "cache/weights/served/a.txt").read_text() == "/a"
    assert served == ["/a", "/b"]


def test_another_file_is_6_and_a_commit_is_asked_for_where_none_is_known(run, plugin, served, tmp_path):
    url = plugin[0].files[0].url
    plugin[:] = [Weights("held", "held", "MIT", "https://example.org", 1, (WeightFile("a.txt", url, "0" * 64),))]
    told = run("weights", "pull", "held")
    assert (told.code, told.out) == (6, "")
    assert "nothing was kept" in told.err and [*(tmp_path / "cache/weights/held").iterdir()] == []
    plugin[:] = [Weights("free", "free", "MIT", "https://example.org/free", 1, hub("owner/name", "a.txt"))]
    told = run("weights", "pull", "free")
    assert told.code == 6
    assert "https://example.org/free/commits" in told.err and "--revision COMMIT" in told.err
    told = run("weights", "pull", "free", "--revision", "main")
    assert told.code == 2
    assert "40 hex digits" in told.err


def test_what_came_before_it_was_pinned_is_told_by_verify(run, plugin, file):
    plugin[:] = [OTHER]
    run("weights", "import", "mine_small", file)
    held = WeightFile("model.pth", sha256="0" * 64, projects=2)
    plugin[:] = [replace(OTHER, name="mine_small", files=(held,))]
    told = run("weights", "verify", "mine.two")
    assert told.code == 3
    assert "mine_small/model.safetensors is another" in told.err


def test_offline_touches_no_network(run, served, monkeypatch):
    assert run("weights", "pull", "served", "--offline").code == 6
    monkeypatch.setenv("RETCLIP_WEIGHTS__OFFLINE", "true")
    assert run("weights", "pull", "served").code == 6
    assert run("weights", "list").code == 0
    assert served == []


def test_a_file_that_is_gone_from_its_server_is_6_in_three_parts(run, served, tmp_path):
    found = run("weights", "pull", "gone")
    assert (found.code, found.out) == (6, "")
    lines = found.err.splitlines()
    assert [line.split()[0] for line in lines] == ["retclip:", "got", "to"]
    assert "HTTP 404" in lines[1]
    assert "retclip weights import gone FILE" in lines[2]


def test_a_component_that_needs_two_sets_is_pulled_whole_and_imported_by_name(run, served, file):
    assert run("weights", "pull", "mine.two").code == 6  # the second is gone from its server
    assert served == ["/a", "/b", "/gone"]
    told = run("weights", "import", "mine.two", file)
    assert told.code == 2
    assert "served, gone" in told.err


def test_a_component_stands_for_the_weights_that_its_settings_name(run, file, tmp_path):
    small = ("--set", "plugin.mine.masks.small=true")
    assert run("weights", "import", "mine.masks", file, *small).code == 0
    assert (tmp_path / "cache/weights/mine_small/model.safetensors").exists()
    assert run("weights", "verify", "mine_large").code == 3


def test_what_only_a_person_can_fetch_is_told_and_an_unknown_name_meets_its_neighbour(run):
    told = run("weights", "pull", "mine_large")
    assert told.code == 6
    assert "https://example.org/mine" in told.err
    told = run("weights", "pull", "mine_lrage")
    assert told.code == 2
    assert "did you mean 'mine_large'?" in told.err


def test_offline_is_believed_as_a_flag_and_as_a_setting(run):
    for arguments in (("--offline",), ("--set", "weights.offline=true")):
        told = run("weights", "pull", "mine_large", *arguments)
        assert told.code == 6
        assert "--offline" in told.err


def test_a_command_that_needs_weights_says_so_with_its_own_exit_code(run, photos):
    told = run("segment", photos, "--proposer", "mine.masks", "--store", "s", "--classes", "sky")
    assert told.code == 6 and "nor a store at s" in told.err  # who makes a store first learns of the weights too late
    assert run("init", "s").code == 0
    told = run("segment", photos, "--proposer", "mine.masks", "--store", "s", "--classes", "sky")
    assert told.code == 6
    for part in ("mine_large", "12 MB", "cache/weights/mine_large", "retclip weights pull mine_large", "import"):
        assert part in told.err
    assert "Traceback" not in told.err


def test_a_file_that_is_no_checkpoint_is_told(run, tmp_path):
    path = tmp_path / "model.pth"
    path.write_text("hello")
    assert run("weights", "import", "mine_large", path).code == 3
    assert run("weights", "import", "mine_large", tmp_path / "none.pth").code == 3
    save_file({"a": torch.ones(1)}, path)  # safetensors by another name are as good
    assert run("weights", "import", "mine_large", path).code == 0


def test_an_import_in_the_place_of_other_weights_is_refused_until_it_is_asked_for(run, file, tmp_path):
    assert run("weights", "import", "mine_large", file).code == 0
    other = tmp_path / "other.safetensors"
    save_file({"b": torch.ones(3)}, other)
    told = run("weights", "import", "mine_large", other)
    assert told.code == 2
    assert "--replace" in told.err
    assert run("weights", "import", "mine_large", file).code == 0
    assert run("weights", "import", "mine_large", other, "--replace").code == 0
    assert (tmp_path / "cache/weights/mine_large/model.safetensors").read_bytes() == other.read_bytes()
