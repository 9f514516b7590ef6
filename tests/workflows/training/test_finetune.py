"""Fine-tuning: what a killed run ends with is what an undisturbed one ends with, number by number."""

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from retclip.config_sections import FinetuneSection
from retclip.data.augmentation import Augmentation
from retclip.data.drawn_scenes import DrawnScenes
from retclip.errors import ConfigError, ContractBroken, DataError, PluginFailed
from retclip.passed_over import BAD_OBJECTS, BAD_ROWS, CROWDS, TURNED_UPRIGHT, BadPart, PassedOver
from retclip.plugin.contracts import SourceClass
from retclip.types import DenseFeatures, Device, FeatureSpace, PanopticSegmentation, SegmentInfo, Vocabulary
from retclip.workflows.segment.parts import Loaded
from retclip.workflows.training.finetune import FinetuneJob, finetune
from retclip.workflows.training.training_calls import frozen_features
from retclip.workflows.training.training_data import TrainingData
from retclip.workflows.training.training_run import TIMES, TrainingRun, read_metrics

SPACE = FeatureSpace("tests", "none", "none", "none", 3)
VOCABULARY = Vocabulary(("ball", "wall"), (True, False), (("sphere",), ()), torch.eye(3))


def draw(index):
    """A ball on a wall, elsewhere each time."""
    rng = np.random.default_rng(index)
    labels = np.ones((24, 32), np.int32)
    y, x = rng.integers(4, 16, 2)
    labels[y : y + 6, x : x + 6] = 2
    pixels = np.where(labels[..., None] == 2, 200, 40).astype(np.uint8) + rng.integers(0, 20, (24, 32, 3), np.uint8)
    segments = (SegmentInfo(1, "wall", False, int((labels == 1).sum())), SegmentInfo(2, "ball", True, 36))
    return pixels, PanopticSegmentation(labels, segments)


class Colours:
    """A frozen backbone whose feature map is the picture."""

    space = SPACE

    def dense_features(self, images):
        grids = [torch.from_numpy(one.pixels).permute(2, 0, 1).float() / 255 for one in images]
        return [
            DenseFeatures(grid, SPACE, one.size, levels={"res2": grid}) for grid, one in zip(grids, images, strict=True)
        ]


class Pixelwise(torch.nn.Module):
    """Learns the class of every pixel; a part of its loss is random, as a sampling loss's is."""

    def __init__(self, broken_at=None, share=0.5):
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 2, 3, padding=1)
        self.calls, self.broken_at, self.share = 0, broken_at, share

    def forward(self, features, targets, vocabulary, generator):
        self.calls += 1
        found = self.layer(torch.stack([one.levels["res2"] for one in features]))
        wanted = torch.stack([(one.masks * (one.classes[:, None, None] + 1)).sum(0) - 1 for one in targets])
        each = torch.nn.functional.cross_entropy(found, wanted.clamp(min=-1), ignore_index=-1, reduction="none")
        chosen = torch.rand(each.shape, generator=generator) < self.share
        value = (each * chosen).mean()
        return {
            "class": value if self.calls != self.broken_at else value * torch.nan,
            "size": found.square().mean() / 100,
        }

    def parameter_groups(self, weight_decay):
        return [{"params": [self.layer.weight], "weight_decay": weight_decay},
                {"params": [self.layer.bias], "weight_decay": 0.0}]  # fmt: skip

    def save(self, path, trained_on):
        save_file(dict(self.state_dict()), path, {"trained_on": json.dumps(list(trained_on))})


def loaded(backbone):
    return Loaded("tests.colours", "", backbone, Device(), {}, frozenset(), frozenset())


def job(folder, run="run", steps=12, start=Pixelwise, validate=None, fresh=False, **given):
    section = FinetuneSection(
        **{"batch_size": 4, "steps": steps, "learning_rate": 0.3, "milestones": (8,), "warmup": 3, "crop": 32,
           "checkpoint_every": 4, "log_every": 1, "validate_every": 0, "workers": 2, "clip": 1.0, "seed": 3, **given}
    )  # fmt: skip
    source = DrawnScenes("balls", [SourceClass("ball"), SourceClass("wall", False)], 7, folder / "scenes", "ball", draw)
    data = TrainingData(source, VOCABULARY, Augmentation(32, 0.5, 1.5, True), section.seed)
    described = {"steps": steps, "learning_rate": section.learning_rate, "data": data.digest}
    run = TrainingRun(folder / run, described, section.keep_checkpoints)
    return FinetuneJob(loaded(Colours()), start, data, VOCABULARY, section, run, Device(), validate, fresh)


def measured(run):
    """The lines of metrics.jsonl without what time says."""
    return [{key: value for key, value in one.items() if key not in TIMES} for one in read_metrics(run.metrics)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    one = job(tmp_path_factory.mktemp("undisturbed"))
    report = finetune(one)
    return one.run, report


def test_it_learns_and_leaves_weights_and_classes_behind(undisturbed):
    run, report = undisturbed
    lines = measured(run)
    assert [one["step"] for one in lines] == list(range(1, 13)) and report.step == 12 and not report.stopped
    assert lines[-1]["losses"]["class"] < 0.7 * lines[0]["losses"]["class"]
    assert lines[-1]["total"] == pytest.approx(sum(lines[-1]["losses"].values()))
    rates = [one["learning_rate"] for one in lines]
    assert rates[:4] == pytest.approx([0.1, 0.2, 0.3, 0.3]) and rates[-1] == pytest.approx(0.03)
    assert (run.folder / "trained_on.txt").read_text() == "ball, sphere\nwall\n"
    assert run.weights.is_file() and run.checkpoints.steps() == [8, 12]  # the two newest
    from retclip.plugin.checkpoints import read_metadata

    assert json.loads(read_metadata(run.weights)["trained_on"]) == ["ball", "sphere", "wall"]


def same_end(run, wanted):
    assert measured(run) == measured(wanted)
    mine, theirs = load_file(run.weights), load_file(wanted.weights)
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("after", [1, 4, 6, 11])
def test_a_run_that_died_goes_on_as_if_it_had_not(tmp_path, undisturbed, after):
    class Died(Exception):
        pass

    def die(report):
        if report.done == after:
            raise Died

    one = job(tmp_path)
    with pytest.raises(Died):
        finetune(one, die)
    torch.manual_seed(999)  # another process would not have this state either
    finetune(job(tmp_path))
    same_end(one.run, undisturbed[0])


def test_a_kill_while_a_checkpoint_is_written_costs_only_that_checkpoint(tmp_path, undisturbed, monkeypatch):
    one = job(tmp_path)

    def killed(self, target):
        raise RuntimeError("killed")

    monkeypatch.setattr(Path, "rename", killed)
    with pytest.raises(RuntimeError, match="killed"):
        finetune(one)
    monkeypatch.undo()
    assert one.run.checkpoints.steps() == [] and list(one.run.checkpoints.folder.glob(".step-*"))
    finetune(job(tmp_path))
    same_end(one.run, undisturbed[0])
    assert not list(one.run.checkpoints.folder.glob(".step-*"))


def test_a_signal_ends_the_step_writes_a_checkpoint_and_the_run_goes_on_from_it(tmp_path, undisturbed):
    one = job(tmp_path)
    report = finetune(one, lambda done: os.kill(os.getpid(), signal.SIGTERM) if done.done == 5 else None)
    assert report.stopped and report.step == 6 == one.run.checkpoints.steps()[-1]
    assert not finetune(job(tmp_path)).stopped
    same_end(one.run, undisturbed[0])


def test_kill_9_of_a_process_then_the_same_numbers(tmp_path, undisturbed):
    script = tmp_path / "train.py"
    script.write_text(
        f"import importlib.util, os, signal, sys\nfrom pathlib import Path\n"
        f"spec = importlib.util.spec_from_file_location('t', {str(Path(__file__))!r})\n"
        "t = importlib.util.module_from_spec(spec); spec.loader.exec_module(t)\n"
        "t.finetune(t.job(Path(sys.argv[1])), lambda r: r.done == 7 and os.kill(os.getpid(), signal.SIGKILL))\n"
    )
    done = subprocess.run([sys.executable, str(script), str(tmp_path)], capture_output=True, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-500:]
    one = job(tmp_path)
    assert one.run.checkpoints.steps() == [4]
    finetune(one)
    same_end(one.run, undisturbed[0])


TWO = """
import importlib.util, os, signal, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("t", {tests!r})
t = importlib.util.module_from_spec(spec); spec.loader.exec_module(t)
stop = int(os.environ["STOP_AT"]) if os.environ["RANK"] == "1" else 0
hear = lambda r: os.kill(os.getpid(), signal.SIGTERM) if r.done == stop else None
one = t.job(Path(sys.argv[1]), start=lambda: t.Pixelwise(share=1.0))
print("stopped" if t.finetune(one, hear).stopped else "done")
"""


def two_processes(folder, port, stop_at=0):
    """What each of two processes says that share a run, on the CPU."""
    script = folder / "two.py"
    script.write_text(TWO.format(tests=str(Path(__file__))))
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "STOP_AT": str(stop_at),
              "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}  # fmt: skip
    both = [
        subprocess.Popen(
            [sys.executable, str(script), str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]  # fmt: skip
    try:
        said = [one.communicate(timeout=300) for one in both]
    finally:
        for one in both:
            one.kill()
    assert [one.returncode for one in both] == [0, 0], said
    return [out.strip().splitlines()[-1] for out, _ in said]


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_two_processes_share_a_batch_and_learn_what_one_does_also_when_only_one_hears_the_signal(tmp_path):
    alone = job(tmp_path, "alone", start=lambda: Pixelwise(share=1.0))
    finetune(alone)
    assert two_processes(tmp_path, free_port(), stop_at=5) == ["stopped", "stopped"]
    both = job(tmp_path).run
    assert both.checkpoints.steps()[-1] == 6
    assert two_processes(tmp_path, free_port()) == ["done", "done"]
    assert len(measured(both)) == len(measured(alone.run)) == 12
    for mine, theirs in zip(measured(both), measured(alone.run), strict=True):
        assert mine["step"] == theirs["step"] and mine["losses"] == pytest.approx(theirs["losses"], rel=1e-4)


def test_half_precision_without_a_scaler_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="bfloat16"):
        finetune(replace(job(tmp_path), device=Device("cpu", "float16")))


def test_a_finished_run_does_nothing_more_and_another_one_must_be_fresh(tmp_path):
    one = job(tmp_path, steps=3)
    finetune(one)
    before = measured(one.run)
    assert finetune(job(tmp_path, steps=3)).step == 3 and measured(one.run) == before
    with pytest.raises(ConfigError, match=r"learning_rate = 0.5, it began with 0.3"):
        finetune(job(tmp_path, steps=3, learning_rate=0.5))
    finetune(job(tmp_path, steps=3, learning_rate=0.5, fresh=True))
    assert measured(one.run) != before


def test_what_must_not_be_overwritten_or_cannot_be_read_is_told(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("years of work")
    for fresh in (False, True):
        with pytest.raises(ConfigError, match="other files"):
            finetune(job(tmp_path, fresh=fresh))
    one = job(tmp_path, "second", steps=4)
    finetune(one)
    (one.run.checkpoints.place(4) / "trainable.safetensors").write_bytes(b"no tensors")
    with pytest.raises(DataError, match="changed"):
        finetune(job(tmp_path, "second", steps=4))


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint(tmp_path):
    one = job(tmp_path, start=lambda: Pixelwise(broken_at=6))
    with pytest.raises(DataError, match="step 6"):
        finetune(one)
    assert one.run.checkpoints.steps() == [4]


def test_validation_is_logged_and_leaves_the_training_as_it_was(tmp_path, undisturbed):
    modes = []

    def validate(model):
        modes.append(model.training)
        torch.rand(5)  # a validation may use the global random state
        return {"pq": 10.0, "miou": 20.0}

    one = job(tmp_path, validate=validate, validate_every=5)
    finetune(one)
    lines = measured(one.run)
    checks = [line for line in lines if "validation" in line]
    assert [line["step"] for line in checks] == [5, 10, 12] and checks[0]["validation"] == {"pq": 10.0, "miou": 20.0}
    assert modes == [False] * 3
    assert [line for line in lines if "losses" in line] == measured(undisturbed[0])


def test_a_bad_image_is_passed_over_and_reported(tmp_path):
    one = job(tmp_path, steps=4)
    broken = one.data.records[2]

    def unreadable():
        raise DataError("a readable photo", "noise", "remove it")

    one.data.records[2] = replace(broken, load=unreadable)
    report = finetune(one)
    assert [one.external_id for one in report.failures] == [broken.external_id] and report.step == 4
    one = job(tmp_path, "none", steps=4)
    one.data.records[:] = [replace(record, load=unreadable) for record in one.data.records]
    with pytest.raises(DataError, match="7 that failed"):
        finetune(one)


def test_what_the_annotations_passed_over_is_counted_once_an_image_however_often_it_is_shown(tmp_path):
    one = job(tmp_path, steps=4)
    load = one.data.records[2].load
    bad = BadPart("annotation 7", "photo", "no polygon")
    over = PassedOver({CROWDS: 2, BAD_OBJECTS: 1}, (bad,), {TURNED_UPRIGHT: 1})
    one.data.records[2] = replace(one.data.records[2], load=lambda: replace(load(), passed_over=over))
    one.data.passed_over = PassedOver({BAD_ROWS: 3})
    report = finetune(one)
    assert report.passed_over == {BAD_ROWS: 3, CROWDS: 2, BAD_OBJECTS: 1} and report.assumed == {TURNED_UPRIGHT: 1}
    assert [str(one) for one in report.failures] == ["annotation 7: no polygon"]


def test_bfloat16_trains_too_and_the_backbone_gets_no_gradient(tmp_path):
    one = replace(job(tmp_path, steps=3), device=Device("cpu", "bfloat16"))
    assert finetune(one).step == 3
    (features,) = frozen_features(loaded(Colours()), [one.data.sample(0).image], one.device)
    assert not features.grid.requires_grad and not features.grid.is_inference()


class Poisoned(Colours):
    """Raises on one photo, alone or in a batch."""

    def __init__(self, address):
        self.address = address

    def dense_features(self, images):
        if any(one.uri == self.address for one in images):
            raise ValueError("no pixels to speak of")
        return super().dense_features(images)


def test_a_photo_on_which_the_backbone_raises_is_passed_over_and_the_others_are_trained_on(tmp_path):
    one = job(tmp_path, steps=4)
    record = one.data.records[2]
    report = finetune(replace(one, backbone=loaded(Poisoned(record.load().uri))))
    assert report.step == 4 and [one.external_id for one in report.failures] == [record.external_id]
    assert "ValueError: no pixels to speak of" in report.failures[0].reason


@pytest.mark.parametrize(
    ("losses", "error", "says"),
    [
        (lambda: torch.zeros(2) @ torch.zeros(3), PluginFailed, "the losses of step 1"),
        (lambda: sys.exit(3), ContractBroken, "SystemExit: 3"),
        (lambda: None, ContractBroken, "losses by name"),
        (dict, ContractBroken, "losses by name"),
        (lambda: {"class": 0.5}, ContractBroken, "loss 'class'"),
        (lambda: {"class": torch.zeros(2, requires_grad=True)}, ContractBroken, "loss 'class'"),
    ],
    ids=["raises", "exit", "none", "empty", "number", "not a scalar"],
)
def test_what_a_proposer_does_wrong_in_training_is_told_as_its_own_fault(tmp_path, losses, error, says):
    class Wrong(Pixelwise):
        def forward(self, *_):
            return losses()

    with pytest.raises(error, match=says) as told:
        finetune(replace(job(tmp_path, start=Wrong), proposer="tests.wrong"))
    assert "tests.wrong" in str(told.value)
