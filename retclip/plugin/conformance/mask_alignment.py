"""Whether a mask's vector speaks of what lies under the mask: on the photo, all of it, the right way round.

`mask_moves` measures, `Evidence` is what one photo says, `check_alignment` judges by several. Every limit states what
right backbones of random weights reached: ResNet-18, ViT-Tiny, ConvNeXt-Atto, MobileNetV3
and EfficientNet-Lite0, 20 seeds each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from retclip.errors import ContractBroken
from retclip.plugin.conformance.mask_moves import ALL, END, FIRST, LAST, START, Moves, moved_in
from retclip.plugin.contracts import Backbone

SIZES = {1: (96, 288), 0: (288, 96)}  # (H, W) of a wide photo and of a tall one, by their long axis
SEEDS = (0, 1)  # two photos of each size, the colours in another order
STILL = 1e-6  # a unit vector that moves no further did not move
FLOOR = 1e-3  # of the largest move, added to each before they are compared: rounding is no evidence
CLEAR = 0.25  # natural logarithm of a ratio of moves; right backbones: above 0.35
ON_PHOTO, MOST = 0.3, 0.75  # of the move of the strips at that quantile; right backbones: above 0.55
ON_MAP = 0.1  # the same of a map, whose numbers shrink where a network pads with zeros; right backbones: above 0.25
BESIDE = 2.0  # times as much as within the extent; right backbones: below 1
SEEN = 0.02  # of the mean move; right backbones: above 0.2
SHIFT, SHIFT_CELLS = 0.05, 0.5  # of the side, and in cells: a ResNet's strides alone put it 0.4 cells aside
SIDES = (("top", "bottom"), ("left", "right"))
PHOTOS = ("a tall photo", "a wide photo")
ASIDE = (
    "check how the grid is cut out of the model's answer (class tokens left in?), padded and resized: masks, photo and "
    "grid begin at the same corner"
)
UNDECIDED = "each cell looks at the whole photo, so where masks lie cannot be told: try it with larger inputs"


@dataclass(frozen=True)
class Evidence:
    """What the moves of one photo say.

    along: how much more the end that changed moves than the other one, a logarithm; below 0 where it is mirrored.
    across: the same of strips along the other axis, where rows and columns are exchanged.
    shift: share of the long side by which the strips that move lie aside.
    on_photo: per axis, the move of its first and of its last strip when all is inverted, over that of most.
    seen: the largest move when the first or the last edge is inverted, over the mean move when all is.
    edges: where the first edge is inverted, how much more the first strip moves than the last; of the last edge, how
    much more the last does; logarithms.
    """

    along: float
    across: float
    shift: float
    on_photo: tuple[tuple[float, float], tuple[float, float]]
    seen: tuple[float, float]
    edges: tuple[float, float]


def check_alignment(backbone: Backbone) -> str | None:
    """Return why it could not be tried; None where masks lie where they should, and so do the grid and each level.

    Raises ContractBroken: at what of the photo they look instead.
    """
    undecided = None
    for axis, size in SIZES.items():
        evidence_of: dict[str, list[Evidence]] = {}
        moved = [moved_in(backbone, size, seed, axis) for seed in SEEDS]
        if _mean([move.beside for move in moved]) > BESIDE:
            got = f"beyond the `extent` of {PHOTOS[axis]} the grid changes most"
            todo = "pad below and to the right alone, and say in `extent` which share of the grid is photo"
            raise ContractBroken("the photo to lie at the start of the grid", got, todo)
        for move in moved:
            for name, parts in move.moves.items():
                evidence_of.setdefault(name, []).extend(_evidence(parts, axis))
        cells = moved[0].cells[axis]
        for name in sorted(evidence_of, key=lambda name: name != "vectors"):
            is_decided = bool(evidence_of[name]) and _judged(name, evidence_of[name], axis, cells)
            if name == "vectors" and not is_decided:
                undecided = UNDECIDED
    return undecided


def _judged(name: str, several: Sequence[Evidence], axis: int, cells: float) -> bool:
    """Return whether the evidence is clear. Raises ContractBroken where it is clearly wrong."""
    least = ON_PHOTO if name == "vectors" else ON_MAP
    photo, sides = PHOTOS[axis], SIDES[axis]
    for end, side in enumerate(sides):
        # A level's cells may be coarser, so only vectors are judged.
        if name == "vectors" and _mean(evidence.seen[end] for evidence in several) < SEEN:
            got = f"the {side} edge of {photo} is inverted, and {_of(name)} hardly change"
            raise ContractBroken("every part of a photo to be seen", got, "resize photos whole: crop nothing away")
    for which, ends in enumerate(SIDES):
        for end, side in enumerate(ends):
            if _mean(evidence.on_photo[which][end] for evidence in several) < least:
                got = f"at the {side} of {photo} {_of(name)} hardly change when the photo does: they look at padding"
                todo = "say in `extent` which share of the grid is photo, and give it to `area_weights`"
                raise ContractBroken("masks to lie on the photo", got, todo)
    along, across = _mean(evidence.along for evidence in several), _mean(evidence.across for evidence in several)
    _check_direction(name, along, across, axis)
    shift, allowed = _mean(evidence.shift for evidence in several), SHIFT + SHIFT_CELLS / cells
    if along >= CLEAR and abs(shift) > allowed:
        raise ContractBroken("masks to lie where the photo does", f"{_of(name)} about {abs(shift):.0%} aside", ASIDE)
    for end, side in enumerate(sides):
        if along >= CLEAR and _mean(evidence.edges[end] for evidence in several) < -CLEAR:
            got = f"where the {side} edge of {photo} changes, {_of(name)} change more at the {sides[1 - end]} edge"
            raise ContractBroken("masks to lie where the photo does", got, ASIDE)
    return along >= CLEAR


def _check_direction(name: str, along: float, across: float, axis: int) -> None:
    """Raises ContractBroken where the evidence says clearly that it is mirrored or transposed."""
    start, end = SIDES[axis]
    if abs(across) > max(CLEAR, 2 * abs(along)):
        got = f"{_of(name)} as if rows and columns were exchanged"
        todo = "give the grid as (d, h, w): permute or unflatten it once more"
        raise ContractBroken("rows of a photo to be rows of its grid", got, todo)
    if along < -CLEAR:
        got = f"where the {start} of a photo changes, {_of(name)} change most at the {end}: it is mirrored"
        raise ContractBroken(f"the {start} of a photo to be the {start} of its grid", got, "flip that axis back")


def _of(name: str) -> str:
    return "the vectors of masks" if name == "vectors" else f"the cells of {name}"


def _evidence(moves: Moves, axis: int) -> list[Evidence]:
    """Return the evidence of a photo; none where nothing moves or too few strips can be told apart."""
    whole = torch.cat(moves[ALL])
    largest = float(whole[whole.isfinite()].max()) if bool(whole.isfinite().any()) else 0.0
    if largest <= STILL or len(moves[ALL][axis]) < 2 or not all(bool(strips.isfinite().all()) for strips in moves[ALL]):
        return []
    start, end = moves[START], moves[END]
    floor = FLOOR * largest
    centres = (_centre(start[axis]) + _centre(end[axis])) / 2
    mean = float(whole.mean())
    return [
        Evidence(
            _lean(start[axis], floor) - _lean(end[axis], floor),
            _lean(start[1 - axis], floor) - _lean(end[1 - axis], floor),
            centres - 0.5,
            (_ends(moves[ALL][0]), _ends(moves[ALL][1])),
            (float(torch.cat(moves[FIRST]).max()) / mean, float(torch.cat(moves[LAST]).max()) / mean),
            (_lean(moves[FIRST][axis][[0, -1]], floor), -_lean(moves[LAST][axis][[0, -1]], floor)),
        )
    ]


def _lean(strips: Tensor, floor: float) -> float:
    """Return the logarithm of the mean move of the first half of the strips over that of the second half."""
    half = len(strips) // 2
    if not half:
        return 0.0
    return float(((strips[:half].mean() + floor) / (strips[-half:].mean() + floor)).log())


def _centre(strips: Tensor) -> float:
    """Return where the strips that move lie, 0 to 1; the least move is what all of them share."""
    own = strips - strips.min()
    places = (torch.arange(len(strips)).double() + 0.5) / len(strips)
    return float((own * places).sum() / own.sum()) if float(own.sum()) > 0 else 0.5


def _ends(strips: Tensor) -> tuple[float, float]:
    """Return the moves of the first and the last strip over those of the strips that move most."""
    most = float(strips.quantile(MOST))
    return (float(strips[0]) / most, float(strips[-1]) / most) if most else (1.0, 1.0)


def _mean(values: Iterable[float]) -> float:
    several = list(values)
    return sum(several) / len(several)
