"""Trains the small CLIP from nothing: whole scenes and their captions, OpenCLIP's own model and contrastive loss.

    python -m retclip_miniature.train_clip OUT_FOLDER [--share 1.0] [--seed 0]

Writes OUT_FOLDER/clip.json (the architecture in OpenCLIP's form) and OUT_FOLDER/clip.safetensors (float16). Masks are
never looked at: what the model knows of a region it learnt from whole pictures, as CLIP did. It begins with small
pictures of one thing each and captions that name no more, because among many words each takes long to find its thing.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.loss import ClipLoss
from safetensors.torch import save_file
from torch import Tensor, nn

from retclip.errors import RetCLIPError
from retclip.own_files import claim_folder
from retclip_miniature.clip_batches import Batches, Stage, augmented, draw_round, words_of

CONTEXT = 40  # tokens of a caption
ARCHITECTURE: dict[str, Any] = {  # batch normalisation learns far faster from little than a ConvNeXt does
    "embed_dim": 128,
    "vision_cfg": {"image_size": 128, "layers": [2, 2, 2, 2], "width": 16},
    "text_cfg": {"context_length": CONTEXT, "vocab_size": 49408, "width": 48, "heads": 3, "layers": 2},
}
WARMUP, WEIGHT_DECAY = 60, 0.05  # steps, AdamW's
# A scene is seen three or four times and never again: models of this size learn thousands of pictures by heart. The
# learning rate falls over each cycle. The second one is for what the first leaves out: things are enough to tell its
# pictures apart, so stuff is hardly learnt.
CYCLES = (
    (
        Stage(True, 64, (28.0, 60.0), 1e9, 4, 45000, 900, 205),
        Stage(False, 128, (40.0, 110.0), 9000.0, 4, 20000, 480, 128),
    ),
    (Stage(False, 128, (40.0, 110.0), 9000.0, 2, 18000, 450, 128, landscapes=0.15, first=4, learning_rate=6e-4),),
)


def train(cycles: Sequence[Sequence[Stage]], seed: int, out: Path) -> None:
    """Draw scenes and train, round after round; the two files are written after each."""
    torch.manual_seed(seed)
    model: Any = None
    for stages in cycles:
        done, total = 0, sum(stage.rounds * stage.steps for stage in stages)
        for stage in stages:
            model = _resized(model, stage.side)
            _train_stage(model, stage, seed, (done, total), out)
            done += stage.rounds * stage.steps


def _train_stage(model: Any, stage: Stage, seed: int, share: tuple[int, int], out: Path) -> None:
    """share: the steps of its cycle that are done, and all of them."""
    clock, (done, total) = time.monotonic(), share
    tokenizer = open_clip.SimpleTokenizer(context_length=CONTEXT)
    optimizer, rng = _optimizer(model), np.random.default_rng([seed, stage.side, stage.first])
    for step in range(stage.rounds * stage.steps):
        if step % stage.steps == 0:
            scenes = draw_round(stage, seed, stage.first + step // stage.steps)
            batches = Batches(stage, scenes)
        for group in optimizer.param_groups:
            group["lr"] = stage.learning_rate * rate(step, done + step, total)
        batch = [scenes[i] for i in batches.choose(rng)]
        tokens = tokenizer([words_of(scene, stage, rng) for scene in batch])
        pixels = augmented(torch.from_numpy(np.stack([pixels for pixels, _, _ in batch])), rng)
        loss = _step(model, optimizer, pixels, tokens)
        if step % 20 == 0:
            seconds = time.monotonic() - clock
            print(f"{stage.side} px: {step} loss {loss:.3f}, {done + step}/{total}, {seconds:.0f} s", flush=True)
        if (step + 1) % stage.steps == 0:
            save(_resized(model, ARCHITECTURE["vision_cfg"]["image_size"]), out)


def rate(step: int, done: int, total: int) -> float:
    """The share of the learning rate: half a cosine over all stages, and a linear warm-up at each one's start."""
    return min(1.0, (step + 1) / WARMUP) * 0.5 * (1 + math.cos(math.pi * done / total))


def _step(model: Any, optimizer: torch.optim.Optimizer, pixels: Tensor, tokens: Tensor) -> float:
    with torch.autocast("cpu", torch.bfloat16):
        image = model.encode_image(pixels, normalize=True)
    text = model.encode_text(tokens, normalize=True)  # so small a tower takes twice as long in bfloat16
    loss = ClipLoss()(image.float(), text, model.logit_scale.exp())
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    with torch.no_grad():
        model.logit_scale.clamp_(0, math.log(100))
    return float(loss.detach())


def _optimizer(model: nn.Module) -> torch.optim.AdamW:
    params = list(model.parameters())
    groups = [
        {"params": [p for p in params if p.ndim >= 2], "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in params if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, betas=(0.9, 0.98))


def _resized(model: Any, side: int) -> Any:
    """The model for pictures of that size; the attention pool's positions are interpolated between sizes."""
    architecture = copy.deepcopy(ARCHITECTURE)
    architecture["vision_cfg"]["image_size"] = side
    fresh: Any = open_clip.model.CLIP(**architecture)
    if model is not None:
        state = model.state_dict()
        key, cells = "visual.attnpool.positional_embedding", side // 32
        mean, positions = state[key][:1], state[key][1:]
        grid = positions.T.unflatten(1, (round(len(positions) ** 0.5),) * 2)[None]
        grown = nn.functional.interpolate(grid, (cells, cells), mode="bilinear")[0].flatten(1).T
        fresh.load_state_dict({**state, key: torch.cat([mean, grown])})
    fresh.visual.to(memory_format=torch.channels_last)
    return fresh.train()


def save(model: nn.Module, out: Path) -> None:
    """Write architecture and weights, float16: half the size, and no figure moves by more than noise."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "clip.json").write_text(json.dumps(ARCHITECTURE, indent=1) + "\n", encoding="utf-8")
    state = {name: value for name, value in model.state_dict().items() if name != "attn_mask"}
    half = {name: (value.half() if value.is_floating_point() else value).contiguous() for name, value in state.items()}
    save_file(half, out / "clip.safetensors")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--share", type=float, default=1.0, help="of the steps and scenes of each round")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    try:
        claim_folder(arguments.out, "models", "OUT_FOLDER")
    except RetCLIPError as error:
        parser.exit(error.exit_code, f"{error}\n")
    train([[_part(stage, arguments.share) for stage in stages] for stages in CYCLES], arguments.seed, arguments.out)


def _part(stage: Stage, share: float) -> Stage:
    scenes, steps = (max(1, round(value * share)) for value in (stage.scenes, stage.steps))
    return replace(stage, scenes=scenes, steps=steps)


if __name__ == "__main__":
    main()
