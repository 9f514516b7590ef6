"""Evaluations by several processes: the figures of one, to the last bit, also where earlier workers were stopped."""

import json

import pytest

import retclip
from retclip.errors import ConfigError, PartialFailure
from retclip.executors.one_task_each import THREADS, one_task_each
from retclip.own_files import claim_folder
from retclip.workflows.evaluation.absorb_parts import absorb_parts, counted_in
from retclip.workflows.evaluation.evaluation_figures import Bootstrap
from retclip.workflows.evaluation.run_folder import KIND, Part
from retclip.workflows.segment import segment_image

SETTINGS = {"store": {"index": "resident"}, "components": {"proposer": "reference.superpixels"}}
DRAWN = Bootstrap(50, 3)
SCENES = "reference.scenes:scenes?split=val&count=5"


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the scenes are drawn there


@pytest.fixture
def evaluate(tmp_path):
    with retclip.open(tmp_path / "store", create=True, settings=SETTINGS) as memory:
        memory.build("reference.scenes:scenes?split=train&count=4")
        yield lambda **more: memory.evaluate(SCENES, "sky", bootstrap=DRAWN, oracles="labels", **more)


def figures(folder):
    return json.dumps(json.loads((folder / "run.json").read_text())["figures"])


def test_two_workers_find_what_one_finds_and_go_on_where_others_stopped(evaluate, tmp_path):
    steps = []
    alone = evaluate(out=tmp_path / "alone")
    claim_folder(tmp_path / "both", KIND)
    evaluate(out=tmp_path / "both" / "parts" / "1-of-3", part=Part(1, 3))  # of three earlier workers one came so far
    both = evaluate(out=tmp_path / "both", workers=2, on_progress=lambda now: steps.append((now.done, now.total)))
    assert both.as_dict() == alone.as_dict()
    assert figures(tmp_path / "both") == figures(tmp_path / "alone")
    assert not (tmp_path / "both" / "parts").exists()
    assert counted_in(tmp_path / "both") == counted_in(tmp_path / "alone") == frozenset(range(5))
    assert (5, 5) in steps


def test_parts_become_one(evaluate, tmp_path):
    claim_folder(tmp_path / "all", KIND)
    for index in (1, 2):
        evaluate(out=tmp_path / "all" / "parts" / f"{index}-of-2", part=Part(index, 2))
    assert counted_in(tmp_path / "all") == frozenset()
    assert absorb_parts(tmp_path / "all") == 5
    assert evaluate(out=tmp_path / "all").as_dict() == evaluate().as_dict()
    assert absorb_parts(tmp_path / "all") == 0


def test_another_evaluation_is_refused_before_workers_start(evaluate, tmp_path, monkeypatch):
    evaluate(out=tmp_path / "kept", workers=2)
    monkeypatch.setattr("retclip.executors.one_task_each.one_task_each", lambda *_: pytest.fail("workers were started"))
    monkeypatch.setattr(segment_image, "__version__", "9.9")
    with pytest.raises(ConfigError, match=r"settings\.retclip is '9.9', it began with '"):
        evaluate(out=tmp_path / "kept", workers=2)
    assert not (tmp_path / "kept" / "parts").exists()


def test_another_precision_is_another_evaluation(tmp_path):
    def evaluate(precision):
        settings = {**SETTINGS, "device": {"name": "cpu", "dtype": precision}}
        with retclip.open(tmp_path / "store", create=True, settings=settings) as memory:
            memory.build("reference.scenes:scenes?split=train&count=2")
            return memory.evaluate(f"{SCENES}&seed=4", "sky", bootstrap=DRAWN, out=tmp_path / "kept")

    evaluate("float32")
    with pytest.raises(ConfigError, match=r"settings\.precision\.\S+ is 'bfloat16', it began with 'float32'"):
        evaluate("bfloat16")


def test_what_several_workers_cannot_do_is_refused(evaluate, tmp_path):
    with pytest.raises(ConfigError, match="at least one worker"):
        evaluate(workers=0)
    with pytest.raises(ConfigError, match="leave --part out"):
        evaluate(workers=2, out=tmp_path / "out", part=Part(1, 2))


def environment(names, tell):
    import os

    tell(len(names))
    return {name: os.environ.get(name) for name in names}


def dies(task, tell):
    import os

    os._exit(3)


def test_a_worker_computes_on_one_thread_and_one_that_dies_is_told(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    told = []
    assert one_task_each(environment, [THREADS], told.append) == [dict.fromkeys(THREADS, "1")]
    assert told == [len(THREADS)]
    import os

    assert os.environ["OMP_NUM_THREADS"] == "7"
    with pytest.raises(PartialFailure, match="run the same command again"):
        one_task_each(dies, [1], told.append)
