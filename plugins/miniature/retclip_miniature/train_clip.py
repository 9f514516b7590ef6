"""Trains the small CLIP from nothing: whole scenes and their captions, OpenCLIP's own model and contrastive loss.

    python -m retclip_miniature.train_clip OUT_FOLDER [--share 1.0] [--seed 0]

Writes OUT_FOLDER/clip.json (the architecture in OpenCLIP's form) and OUT_FOLDER/clip.safetensors (float16). Masks are
never looked at: what the model knows of a region it learnt from whole pictures, as CLIP did. It begins with small
pictures of one thing each, because with several the words take long to find their things.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from open_clip.loss import ClipLoss
from safetensors.torch import save_file
from torch import Tensor, nn

from retclip.types import PanopticSegmentation
from retclip_miniature.captions import caption
from retclip_miniature.composition import Cast, compose
from retclip_miniature.glyphs import read_choice
from retclip_miniature.stuff import TEXTURES

CONTEXT = 40  # tokens of a caption
ARCHITECTURE: dict[str, Any] = {  # batch normalisation learns far faster from little than a ConvNeXt does
    "embed_dim": 128,
    "vision_cfg": {"image_size": 128, "layers": [2, 2, 2, 2], "width": 16},
    "text_cfg": {"context_length": CONTEXT, "vocab_size": 49408, "width": 48, "heads": 3, "layers": 3},
}
STREAM = 9  # the first number of a training scene's seed: no split of `miniature.scenes` draws the same
DRAWINGS = 0.25  # share of the second style
WARMUP, WEIGHT_DECAY, TEXT_RATE = 60, 0.05, 3.0  # steps, AdamW's, learning rate of the text tower beside the image's


@dataclass(frozen=True)
class Stage:
    """side: of the pictures, in pixels. sizes: of things, in pixels. room: pixels a thing, on average; a picture has
    one at least. rounds: so often are so many `scenes` drawn and trained on for `steps`, in batches of `batch`."""

    side: int
    sizes: tuple[float, float]
    room: float
    rounds: int
    scenes: int
    steps: int
    batch: int


# A scene is seen three times and never again: models of this size learn thousands of pictures by heart.
STAGES = (
    Stage(64, (22.0, 58.0), 1e9, 4, 40000, 470, 256),
    Stage(128, (26.0, 104.0), 6500.0, 6, 24000, 560, 128),
)
LEARNING_RATE = 1.5e-3
Scene = tuple[NDArray[np.uint8], PanopticSegmentation, str]


def draw(index: int, stage: Stage, seed: int) -> Scene:
    """A training scene's pixels, what it shows, and its style."""
    rng = np.random.default_rng([STREAM, seed, stage.side, index])
    style = "drawing" if rng.random() < DRAWINGS else "photo"
    cast = Cast(read_choice(), list(TEXTURES), style, stage.sizes, stage.room)
    pixels, truth = compose(rng, cast, stage.side, stage.side)
    nothing = np.broadcast_to(np.int32(0), truth.label_map.shape)  # a caption reads segments and size, not the map
    return pixels, PanopticSegmentation(nothing, truth.segments), style


def train(stages: tuple[Stage, ...], seed: int, out: Path) -> None:
    """Draw scenes and train, round after round; the two files are written after each."""
    torch.manual_seed(seed)
    clock, done, total = time.monotonic(), 0, sum(stage.rounds * stage.steps for stage in stages)
    tokenizer = open_clip.SimpleTokenizer(context_length=CONTEXT)
    model: Any = None
    for stage in stages:
        model = _resized(model, stage.side)
        optimizer, rng = _optimizer(model), np.random.default_rng([seed, stage.side])
        for step in range(stage.rounds * stage.steps):
            if step % stage.steps == 0:
                scenes = _drawn(stage, seed, step // stage.steps)
                alike = list(alike_scenes(scenes).values())
            for group in optimizer.param_groups:
                group["lr"] = LEARNING_RATE * group["share"] * rate(step, done, total)
            chosen = [scenes[i] for i in hard_batch(alike, stage.batch, rng)]
            loss = _step(model, optimizer, tokenizer, chosen, rng)
            done += 1
            if step % 20 == 0:
                print(
                    f"{stage.side} px: {step} loss {loss:.3f}, {done}/{total}, {time.monotonic() - clock:.0f} s",
                    flush=True,
                )
            if done % stage.steps == 0 or done == total:
                save(model, out)


def _drawn(stage: Stage, seed: int, number: int) -> list[Scene]:
    """The scenes of a round."""
    with ProcessPoolExecutor() as pool:
        indices = range(number * stage.scenes, (number + 1) * stage.scenes)
        return list(pool.map(partial(draw, stage=stage, seed=seed), indices, chunksize=200))


def rate(step: int, done: int, total: int) -> float:
    """The share of the learning rate: half a cosine over all stages, and a linear warm-up at each one's start."""
    return min(1.0, (step + 1) / WARMUP) * 0.5 * (1 + math.cos(math.pi * done / total))


def alike_scenes(scenes: Sequence[Scene]) -> dict[tuple[str, frozenset[str]], list[int]]:
    """The scenes of one style on the same stuff: their numbers."""
    found: dict[tuple[str, frozenset[str]], list[int]] = {}
    for number, (_, truth, style) in enumerate(scenes):
        stuff = frozenset(one.class_name for one in truth.segments if not one.is_thing)
        found.setdefault((style, stuff), []).append(number)
    return found


def hard_batch(alike: Sequence[Sequence[int]], batch: int, rng: np.random.Generator) -> list[int]:
    """Scenes that only their things tell apart, from as few groups as it takes, larger ones more often.

    In a batch of any scenes, style and stuff alone bring the loss down, and the things are hardly learnt: after the
    same 450 steps 3 % of single things were right, with such batches 6 % (among the five best 9 % and 22 %)."""
    sizes = np.array([len(one) for one in alike], dtype=np.float64)
    order = rng.choice(len(alike), len(alike), replace=False, p=sizes / sizes.sum())
    found: list[int] = []
    for group in order:
        found += rng.permutation(alike[int(group)])[: batch - len(found)].tolist()
        if len(found) == batch:
            break
    return found


def _step(model: Any, optimizer: torch.optim.Optimizer, tokenizer: Any, chosen: list[Scene],
          rng: np.random.Generator) -> float:  # fmt: skip
    words = tokenizer([caption(rng, truth, style) for _, truth, style in chosen])
    pixels = augmented(torch.from_numpy(np.stack([pixels for pixels, _, _ in chosen])), rng)
    with torch.autocast("cpu", torch.bfloat16):
        image, text = model.encode_image(pixels, normalize=True), model.encode_text(words, normalize=True)
    loss = ClipLoss()(image.float(), text.float(), model.logit_scale.exp())
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    with torch.no_grad():
        model.logit_scale.clamp_(0, math.log(100))
    return float(loss.detach())


def augmented(pixels: Tensor, rng: np.random.Generator) -> Tensor:
    """(b, H, W, 3) uint8 to (b, 3, H, W) float32 as the model takes them, each mirrored or not, nearer or further, a
    little aside, in another light and dye."""
    found, count = pixels.permute(0, 3, 1, 2).float().div_(255), len(pixels)
    zoom, mirror = rng.uniform(0.75, 1.15, count), rng.choice([-1.0, 1.0], count)
    moves = np.zeros((count, 2, 3), np.float32)
    moves[:, 0, 0], moves[:, 1, 1] = zoom * mirror, zoom
    moves[:, :, 2] = rng.uniform(-0.1, 0.1, (count, 2))
    places = nn.functional.affine_grid(torch.from_numpy(moves), list(found.shape), align_corners=False)
    found = nn.functional.grid_sample(found, places, padding_mode="reflection", align_corners=False)
    dye = np.eye(3) + rng.normal(0, 0.06, (count, 3, 3))
    found = torch.einsum("bij,bjhw->bihw", torch.from_numpy(dye.astype(np.float32)), found)
    found = (found * torch.from_numpy(rng.uniform(0.8, 1.2, (count, 1, 1, 1)).astype(np.float32))).clamp_(0, 1)
    mean, std = (
        torch.tensor(x).view(1, 3, 1, 1) for x in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    )
    return ((found - mean) / std).contiguous(memory_format=torch.channels_last)


def _optimizer(model: nn.Module) -> torch.optim.AdamW:
    groups = []
    for tower, share in (("visual", 1.0), ("", TEXT_RATE)):
        mine = [p for name, p in model.named_parameters() if name.startswith("visual") == bool(tower)]
        for decayed in (True, False):
            params = [p for p in mine if (p.ndim >= 2) == decayed]
            groups.append({"params": params, "share": share, "weight_decay": WEIGHT_DECAY if decayed else 0.0})
    return torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.98))


def _resized(model: Any, side: int) -> Any:
    """The model for pictures of that size; the attention pool's places are interpolated between sizes."""
    architecture = copy.deepcopy(ARCHITECTURE)
    architecture["vision_cfg"]["image_size"] = side
    fresh: Any = open_clip.model.CLIP(**architecture)
    if model is not None:
        state = model.state_dict()
        key, cells = "visual.attnpool.positional_embedding", side // 32
        mean, places = state[key][:1], state[key][1:]
        grid = places.T.unflatten(1, (round(len(places) ** 0.5),) * 2)[None]
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
    given = parser.parse_args()
    stages = tuple(
        replace(stage, scenes=max(1, round(stage.scenes * given.share)), steps=max(1, round(stage.steps * given.share)))
        for stage in STAGES
    )
    train(stages, given.seed, given.out)


if __name__ == "__main__":
    main()
