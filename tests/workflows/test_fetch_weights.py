"""Weights over a real server on this machine: whole or not at all, gone on with where they stopped, known by digest."""

import hashlib
import json
import os
import pickle
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from safetensors.torch import load_file, save_file

from retclip.errors import DataError, WeightsMissing
from retclip.plugin.weights import WeightFile, Weights, cached_in, folder_of, located
from retclip.workflows.fetch_weights import pull, take, verify

CONTENT = bytes(range(256)) * 5000  # more than one block


class Handler(BaseHTTPRequestHandler):
    """Files by path, with ranges; what it was asked for is kept."""

    def do_GET(self):
        server = self.server
        server.asked.append(dict(self.headers))
        if self.path in server.errors:
            return self.send_error(server.errors[self.path])
        if self.path in server.redirects:
            target, headers = server.redirects[self.path]
            return self._send(302, {"Location": target, "Content-Length": "0", **headers})
        content, tag = server.files[self.path]
        start = 0
        asked = self.headers.get("Range")
        if asked and server.ranges and self.headers.get("If-Range", tag) == tag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                return self._send(416, {"Content-Length": "0", "Content-Range": f"bytes */{len(content)}"})
        status = 206 if start else 200
        headers = {"Content-Length": str(len(content) - start), "ETag": tag}
        cut = server.cut.pop(0) if server.cut else None
        self._send(status, headers, content[start:][: cut if cut is not None else None])
        if cut is not None:
            self.wfile.flush()
            self.connection.close()
        return None

    def _send(self, status, headers, body=b""):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.files, found.redirects, found.errors, found.asked, found.cut = {"/model": (CONTENT, '"one"')}, {}, {}, [], []
    found.ranges = True
    found.url = f"http://127.0.0.1:{found.server_port}"
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path):
    with cached_in(tmp_path / "cache"):
        yield tmp_path / "cache"


def weights(*files):
    return Weights("model", "a model", "MIT", "https://example.org/model", 1, files)


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def test_a_file_is_fetched_whole_and_written_down(server):
    told = []
    one = weights(WeightFile("model.safetensors", f"{server.url}/model", sha256(CONTENT)))
    folder = pull(one, on_progress=lambda *now: told.append(now))
    assert located(one) == folder
    assert (folder / "model.safetensors").read_bytes() == CONTENT
    assert sorted(path.name for path in folder.iterdir()) == ["model.safetensors", "weights.json"]
    assert told[-1] == ("model.safetensors", len(CONTENT), len(CONTENT))
    assert [finding.state for finding in verify(one)] == ["ok"]


def test_what_is_here_is_not_fetched_again(server):
    one = weights(WeightFile("model.safetensors", f"{server.url}/model"))
    pull(one)
    pull(one)
    assert len(server.asked) == 1


def test_a_connection_that_breaks_is_gone_on_with(server):
    server.cut = [700_000]
    one = weights(WeightFile("model.safetensors", f"{server.url}/model"))
    with pytest.raises(WeightsMissing, match="goes on where it stopped"):
        pull(one)
    assert not (folder_of(one) / "model.safetensors").exists()
    here = (folder_of(one) / "model.safetensors.part").stat().st_size
    assert 0 < here < len(CONTENT)
    pull(one)
    assert server.asked[-1]["Range"] == f"bytes={here}-"
    assert (folder_of(one) / "model.safetensors").read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_is_begun_anew(server):
    """The part is of another version: the server has another tag by now, and no digest is known."""
    server.cut = [700_000]
    one = weights(WeightFile("model.safetensors", f"{server.url}/model"))
    with pytest.raises(WeightsMissing):
        pull(one)
    newer = CONTENT[::-1]
    server.files["/model"] = (newer, '"two"')
    pull(one)
    assert (folder_of(one) / "model.safetensors").read_bytes() == newer


def test_a_server_without_ranges_sends_it_all_again(server):
    server.cut, server.ranges = [700_000], False
    one = weights(WeightFile("model.safetensors", f"{server.url}/model"))
    with pytest.raises(WeightsMissing):
        pull(one)
    pull(one)
    assert (folder_of(one) / "model.safetensors").read_bytes() == CONTENT


def test_a_part_that_is_longer_than_the_file_is_begun_anew(server):
    one = weights(WeightFile("model.safetensors", f"{server.url}/model"))
    folder_of(one).mkdir(parents=True)
    (folder_of(one) / "model.safetensors.part").write_bytes(CONTENT + b"more")
    pull(one)
    assert (folder_of(one) / "model.safetensors").read_bytes() == CONTENT


def test_another_file_than_was_announced_is_not_kept(server):
    one = weights(WeightFile("model.safetensors", f"{server.url}/model", sha256(b"another")))
    with pytest.raises(DataError, match="nothing was kept"):
        pull(one)
    assert [path.name for path in folder_of(one).iterdir()] == []


def test_the_digest_that_the_hub_states_on_its_redirect_is_held_to(server):
    server.redirects["/right"] = (f"{server.url}/model", {"X-Linked-Etag": f'"{sha256(CONTENT)}"'})
    server.redirects["/wrong"] = (f"{server.url}/model", {"X-Linked-Etag": f'"{sha256(b"else")}"'})
    pull(weights(WeightFile("right.safetensors", f"{server.url}/right")))
    with pytest.raises(DataError, match=sha256(b"else")):
        pull(weights(WeightFile("wrong.safetensors", f"{server.url}/wrong")))


@pytest.mark.parametrize(("code", "todo"), [(401, "TOKEN"), (403, "TOKEN"), (404, "try again"), (500, "try again")])
def test_what_a_server_refuses_is_told_with_its_code(code, todo, server):
    server.errors["/model"] = code
    with pytest.raises(WeightsMissing, match=f"HTTP {code}.*{todo}"):
        pull(weights(WeightFile("model.safetensors", f"{server.url}/model")))


def test_no_server_is_told_without_a_traceback(server):
    server.shutdown()
    server.server_close()
    with pytest.raises(WeightsMissing, match="ConnectError"):
        pull(weights(WeightFile("model.safetensors", f"{server.url}/model")))


def test_the_token_goes_to_the_hub_alone(server):
    pull(weights(WeightFile("model.safetensors", f"{server.url}/model")), token="secret")
    assert all("Authorization" not in headers for headers in server.asked)
    from retclip.workflows.fetch_weights import _headers

    part = folder_of(weights()) / "x.part"
    hub = WeightFile("x", "https://huggingface.co/a/b/resolve/main/x")
    assert _headers(hub, part, "secret")["Authorization"] == "Bearer secret"
    assert "Authorization" not in _headers(WeightFile("x", "https://huggingface.co.evil.org/x"), part, "secret")


def test_offline_asks_nobody(server):
    one = weights(WeightFile("model.safetensors", f"{server.url}/model"))
    with pytest.raises(WeightsMissing, match="--offline"):
        pull(one, offline=True)
    pull(one)
    assert pull(one, offline=True) == folder_of(one)
    assert len(server.asked) == 1


def test_a_file_that_only_a_person_can_fetch_says_where(server):
    one = weights(WeightFile("model.pth"), WeightFile("config.json", f"{server.url}/model"))
    with pytest.raises(WeightsMissing, match=r"https://example\.org/model.*retclip weights import model FILE"):
        pull(one)
    assert server.asked == []


def test_a_file_in_a_folder_of_its_own(server):
    one = weights(WeightFile("tokenizer/vocab.json", f"{server.url}/model"))
    assert (pull(one) / "tokenizer" / "vocab.json").read_bytes() == CONTENT
    assert [finding.state for finding in verify(one)] == ["ok"]


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "checkpoint.pth"
    shared = torch.arange(6.0).reshape(2, 3)
    torch.save({"model": {"a": shared, "b": shared.T}, "iteration": 7}, path)
    return path


def test_a_pickled_checkpoint_becomes_safetensors(checkpoint):
    one = weights(WeightFile("model.pth"))
    path = take(one, checkpoint)
    assert path.name == "model.safetensors"
    found = load_file(path)
    assert found["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["b"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert located(one) == path.parent
    written = json.loads((path.parent / "weights.json").read_text())["model.safetensors"]
    assert written["came_with_sha256"] == sha256(checkpoint.read_bytes())
    assert [finding.state for finding in verify(one)] == ["ok"]


def test_a_pulled_pickle_is_converted_too(server, checkpoint):
    server.files["/model"] = (checkpoint.read_bytes(), '"x"')
    one = weights(WeightFile("model.pth", f"{server.url}/model", sha256(checkpoint.read_bytes())))
    assert load_file(pull(one) / "model.safetensors")["a"].shape == (2, 3)


def test_code_in_a_pickle_never_runs(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'ran'}",)

    path = tmp_path / "evil.pth"
    for write in (lambda: torch.save({"a": Evil()}, path), lambda: path.write_bytes(pickle.dumps(Evil()))):
        write()
        with pytest.raises(DataError, match="plain tensors"):
            take(weights(WeightFile("model.pth")), path)
        assert not (tmp_path / "ran").exists()


def test_safetensors_are_taken_as_they_are_whatever_they_are_called(tmp_path):
    path = tmp_path / "mine.safetensors"
    save_file({"a": torch.ones(2)}, path)
    one = weights(WeightFile("model.pth"))
    assert take(one, path).read_bytes() == path.read_bytes()


def test_one_of_several_files_is_named(tmp_path):
    path = tmp_path / "config.json"
    path.write_text("{}")
    one = weights(WeightFile("config.json"), WeightFile("model.safetensors"))
    assert take(one, path).name == "config.json"
    with pytest.raises(DataError, match="--as NAME"):
        take(one, tmp_path / "other.json")
    assert take(one, path, "model.safetensors").name == "model.safetensors"
    with pytest.raises(DataError, match="readable"):
        take(one, tmp_path / "config.json.none", "config.json")


def test_a_known_digest_is_held_to_on_import_too(checkpoint):
    with pytest.raises(DataError, match="nothing was kept"):
        take(weights(WeightFile("model.pth", sha256=sha256(b"x"))), checkpoint)
    take(weights(WeightFile("model.pth", sha256=sha256(checkpoint.read_bytes()))), checkpoint)


def test_files_are_missing_changed_or_nobody_wrote_them_down(server):
    one = weights(WeightFile("model.safetensors", f"{server.url}/model"))
    assert [finding.state for finding in verify(one)] == ["missing"]
    folder = pull(one)
    (folder / "model.safetensors").write_bytes(b"x")
    assert [finding.state for finding in verify(one)] == ["changed"]
    (folder / "weights.json").write_text("{ damaged")
    assert [finding.state for finding in verify(one)] == ["unrecorded"]
