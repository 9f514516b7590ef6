"""Fine-tuning of `mask2former.queries`: losses from frozen features (method.md 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from torch import Tensor, nn

from retclip.algorithms.precision import at_least_float32
from retclip.errors import ConfigError, DataError
from retclip.plugin.training import RANDOM, MaskTargets
from retclip.types import DenseFeatures, Device, Vocabulary
from retclip_mask2former.checkpoint import load_head, save_head
from retclip_mask2former.head import LEVELS, HeadShape, MaskHead, Predictions, class_logits
from retclip_mask2former.in_vocabulary import InVocabulary
from retclip_mask2former.initialisation import initialise
from retclip_mask2former.losses import FrameTargets, LossShape, prediction_losses, total_masks
from retclip_mask2former.matching import Assignment, LossWeights, least_cost
from retclip_mask2former.point_sampling import Draw, drawn_from
from retclip_mask2former.queries import NAME, MaskQueries

if TYPE_CHECKING:
    from retclip_mask2former import LossSettings, QueriesSettings

UNDECAYED = (nn.LayerNorm, nn.GroupNorm, nn.Embedding)  # Mask2Former's rule: no weight decay for norms and embeddings


class TrainableQueries(nn.Module):
    """The head in training mode; calling it returns the losses of a batch (contract `Trainable`)."""

    def __init__(self, head: MaskHead, device: Device, shape: LossShape) -> None:
        super().__init__()
        self.head, self.device, self.shape = head.to(device.torch_device), device, shape
        self.train().requires_grad_(True)

    @classmethod
    def started(
        cls, settings: QueriesSettings, device: Device, channels: Mapping[str, int], embed: int
    ) -> TrainableQueries:
        """Return the head with the weights that the settings name, or new ones from torch's global random state.

        channels: of the backbone's levels, by name.
        embed: length of its text vectors.
        Raises ConfigError where the head does not fit the backbone.
        """
        res2, res3, res4, res5 = (channels.get(name, 0) for name in LEVELS)
        required = res2, res3, res4, res5
        if 0 in required:
            actual = ", ".join(channels) or "none"
            raise ConfigError(f"feature maps {', '.join(LEVELS)} for {NAME}", actual, "choose another backbone")
        head = _new_head(settings, required, embed) if settings.weights == RANDOM else load_head(settings)[0]
        if (head.shape.channels, head.shape.embed) != (required, embed):
            actual = f"one for channels {head.shape.channels} and vectors of {head.shape.embed}"
            todo = 'name another backbone, or other weights; weights = "random" starts a new head'
            raise ConfigError(f"a head for channels {required} and vectors of {embed}", actual, todo)
        return cls(head, device, loss_shape(settings.loss))

    def forward(
        self,
        features: Sequence[DenseFeatures],
        targets: Sequence[MaskTargets],
        vocabulary: Vocabulary,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """Return weighted scalars: `class`, `mask`, `dice` of the last prediction, `class_0` ... of those before it.

        Raises DataError for features of several sizes, ConfigError for a vocabulary without text.
        """
        if vocabulary.text is None:
            raise ConfigError(f"text vectors for {NAME}", "none", "choose a backbone with a text tower")
        if len({tuple(image_features.levels[LEVELS[0]].shape) for image_features in features}) > 1:
            raise DataError("images of one size in a batch", "several", "crop them to one size: finetune.crop")
        levels = {name: torch.stack([image_features.levels[name] for image_features in features]) for name in LEVELS}
        padded = [on_frame(target, image_features) for target, image_features in zip(targets, features, strict=True)]
        predictions = self.head(levels, every_layer=True)
        return self.losses(predictions, padded, vocabulary, drawn_from(generator))[0]

    def losses(
        self, predictions: Predictions, targets: Sequence[FrameTargets], vocabulary: Vocabulary, draw: Draw,
        assign: Assignment = least_cost,
    ) -> tuple[dict[str, Tensor], list[list[tuple[Tensor, Tensor]]]]:  # fmt: skip
        """Return every term of every prediction, and the matches of each prediction.

        The last prediction comes first, then the earlier ones: the order in which the original draws random numbers.
        """
        divisor = total_masks(targets)
        last_layer = len(predictions.masks) - 1
        losses: dict[str, Tensor] = {}
        pairs = []
        with torch.autocast(predictions.pixels.device.type, enabled=False):
            for number in (last_layer, *range(last_layer)):
                logits = self._class_logits(at_least_float32(predictions.embeddings[number]), vocabulary)
                terms, matches = prediction_losses(
                    logits, at_least_float32(predictions.masks[number]), targets, divisor, draw, self.shape, assign
                )
                ending = "" if number == last_layer else f"_{number}"
                losses |= {f"{name}{ending}": value for name, value in terms.items()}
                pairs.append(matches)
        return losses, pairs

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Return two groups, with and without weight decay.

        Without: norms, embeddings, and the vector of "no object", which is an embedding in the original.
        """
        modules = [module for module in self.modules() if isinstance(module, UNDECAYED)]
        undecayed = {id(parameter) for module in modules for parameter in module.parameters(recurse=False)}
        undecayed.add(id(self.head.void))
        groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
        for parameter in self.parameters():
            groups[id(parameter) not in undecayed].append(parameter)
        return [
            {"params": groups[True], "weight_decay": weight_decay},
            {"params": groups[False], "weight_decay": 0.0},
        ]

    def proposer(self) -> MaskQueries:
        """Return a proposer with this head."""
        return MaskQueries(self.head, self.device)

    def classifier(self, trained_on: Sequence[str]) -> InVocabulary:
        """Return an in-vocabulary classifier with the current "no object" vector and scale of this head."""
        return InVocabulary(self.head.void.detach(), self.head.logit_scale.detach(), trained_on, self.device)

    def save(self, path: Path, trained_on: Sequence[str]) -> None:
        """Write this plugin's safetensors, with C_train inside."""
        save_head(self.head, path, trained_on)

    def _class_logits(self, embeddings: Tensor, vocabulary: Vocabulary) -> Tensor:
        """Return (b, q, c + 1) from embeddings (b, q, embed)."""
        rows, text = torch.as_tensor(vocabulary.row_class), cast("Tensor", vocabulary.text)
        head = self.head
        flat = class_logits(embeddings.flatten(0, 1), text, rows, len(vocabulary), head.void, head.scale)
        logits: Tensor = flat.unflatten(0, embeddings.shape[:2])
        return logits


def on_frame(target: MaskTargets, features: DenseFeatures) -> FrameTargets:
    """Return the masks in the network's padded input; the padding, right and below, belongs to no mask."""
    height, width = target.masks.shape[-2:]
    down, across = (round(side / share) - side for side, share in zip((height, width), features.extent, strict=True))
    device = features.levels[LEVELS[0]].device
    masks = F.pad(target.masks.to(device=device, dtype=torch.float32), (0, across, 0, down))
    return FrameTargets(masks, target.classes.to(device))


def loss_shape(settings: LossSettings) -> LossShape:
    """Return the loss that the settings describe."""
    weights = LossWeights(settings.class_weight, settings.mask_weight, settings.dice_weight, settings.void_weight)
    return LossShape(weights, settings.points, settings.oversample, settings.importance)


def _new_head(settings: QueriesSettings, channels: tuple[int, int, int, int], embed: int) -> MaskHead:
    sizes = settings.sizes.model_dump()
    for name in ("hidden", "feature"):
        if sizes[name] % sizes["heads"]:
            raise ConfigError(
                f"sizes.{name} divisible by sizes.heads", f"{sizes[name]} and {sizes['heads']}", "change one"
            )
    return initialise(MaskHead(HeadShape(channels=channels, embed=embed, **sizes)))
