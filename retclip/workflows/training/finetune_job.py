"""Puts together what fine-tuning needs: frozen backbone, trainable proposer, data, folder, validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from retclip.config_sections import FinetuneSection
from retclip.data.augmentation import Augmentation
from retclip.data.source_view import SourceView
from retclip.device import choose
from retclip.errors import ConfigError
from retclip.plugin.calls import at_work
from retclip.plugin.checks import broken, checked_text
from retclip.plugin.contracts import LEVELS, NEIGHBOURS, TEXT
from retclip.plugin.manager import checked_settings
from retclip.plugin.weights import cached_in
from retclip.types import Device, Image, Vocabulary
from retclip.workflows.building.source_classes import annotated_classes, source_names
from retclip.workflows.evaluation.evaluate import evaluate
from retclip.workflows.segment.parts import Loaded, Segmenter
from retclip.workflows.training.finetune import FinetuneJob, accelerator_of
from retclip.workflows.training.training_calls import frozen_features
from retclip.workflows.training.training_data import TrainingData
from retclip.workflows.training.training_run import TrainingRun

if TYPE_CHECKING:
    from retclip.config import Settings
    from retclip.plugin.checked_source import CheckedSource
    from retclip.plugin.contracts import ImageSource
    from retclip.plugin.discovery import ComponentInfo
    from retclip.plugin.training import Trainable
    from retclip.session import Components

    Start = Callable[[Any, Device, Mapping[str, int], int], Trainable]

GREY = 128
# Of [finetune]: what may differ between a run and its going on, for no number of the training hangs on it.
FREE = ("checkpoint_every", "keep_checkpoints", "validate_every", "validate_images", "log_every", "workers")


def finetune_job(
    components: Components,
    source: CheckedSource,
    out: Path,
    val: CheckedSource | None = None,
    classes: Vocabulary | None = None,
    fresh: bool = False,
) -> FinetuneJob:
    """Load and check everything that a fine-tuning needs.

    components: of the settings, with the proposer to train.
    source: annotated, to train on.
    val: annotated, to validate on while training; None = no validation.
    out: folder of the run.
    classes: those of the source that are trained, None = all; with their synonyms.
    fresh: replace the run in `out`.
    Raises ConfigError, PluginError, WeightsMissing, DataError.
    """
    settings = components.settings
    proposer, make, backbone = trainable(components)
    training_vocabulary = training_classes(source, classes)
    device = _device(settings)
    frozen: Loaded[Any] = components.component("backbone", backbone.full_name, device)
    vocabulary = _with_text(frozen, training_vocabulary)
    section = settings.finetune
    augmentation = Augmentation(section.crop, section.smallest_scale, section.largest_scale, section.flip)
    data = TrainingData(source, vocabulary, augmentation, section.seed)
    checked = checked_settings(proposer, settings.of_component(proposer.full_name))

    def start() -> Trainable:
        channels, embed = _shapes(frozen, vocabulary, section.crop)
        with cached_in(components.manager.cache), at_work(proposer.full_name, "start to be trained"):
            return make(checked, device, channels, embed)

    described = {
        "proposer": {
            "name": proposer.full_name,
            "version": proposer.version,
            "settings": checked.model_dump(mode="json"),
        },
        "backbone": {"name": frozen.name, "settings": dict(frozen.settings), "space": frozen.component.space.id},
        "finetune": _deciding(section),
        "data": {"source": source.name, "digest": data.digest, "images": len(data.records)},
        "classes": vocabulary.digest,
        "dtype": device.dtype,
    }
    run = TrainingRun(out, described, section.keep_checkpoints)
    validate = _validation(components, frozen, vocabulary, val, device) if val is not None else None
    return FinetuneJob(frozen, start, data, vocabulary, section, run, device, validate, fresh, proposer.full_name)


def trainable(components: Components) -> tuple[ComponentInfo, Start, ComponentInfo]:
    """Return the proposer, the function that makes its trainable, and the backbone; nothing is loaded.

    Raises ConfigError, PluginUnavailable, WeightsMissing.
    """
    settings, manager = components.settings, components.manager
    proposer = manager.find("proposer", settings.components.proposer)
    backbone = manager.find("backbone", settings.components.backbone)
    make = proposer.component.trainable
    if make is None:
        todo = "choose one that can be trained, e.g. --proposer mask2former.queries"
        raise ConfigError("a proposer that can be fine-tuned", proposer.full_name, todo)
    lacking = ", ".join(sorted({TEXT, LEVELS} - backbone.component.provides))
    if lacking:
        got = f"{backbone.full_name} without {lacking}"
        raise ConfigError("a backbone with text and named feature maps", got, "choose another --backbone")
    manager.require_weights([backbone, proposer], settings.of_component)
    return proposer, make, backbone


def _deciding(section: FinetuneSection) -> dict[str, Any]:
    """Return the settings that a run's numbers depend on; its length only where the learning rate depends on it."""
    free = (*FREE, "steps") if section.schedule == "steps" else FREE
    return {key: value for key, value in section.model_dump(mode="json").items() if key not in free}


def training_classes(source: CheckedSource, vocabulary: Vocabulary | None) -> Vocabulary:
    """Return C_train, the classes that are trained (FC-CLIP's seen classes).

    source: annotated.
    vocabulary: the chosen classes, with synonyms; None = all of the source, with its own.

    Raises DataError for a class that the source does not have.
    """
    annotated = {source_class.name: source_class for source_class in annotated_classes(source)}
    names = source_names(source, vocabulary.names, source.address) if vocabulary else tuple(annotated)
    synonyms = (
        vocabulary.synonyms if vocabulary and vocabulary.synonyms else tuple(annotated[name].synonyms for name in names)
    )
    return Vocabulary(names, tuple(annotated[name].is_thing is not False for name in names), synonyms)


def _device(settings: Settings) -> Device:
    """Return the proposer's device, or this process's own where `accelerate launch` started several."""
    device = choose(settings.device, "proposer")
    accelerator = accelerator_of(device)
    several = accelerator.num_processes
    share = max(1, settings.finetune.batch_size // several)  # all at once through the backbone, if they fit
    device = replace(device, batch_size=max(share, device.batch_size))
    return device if several == 1 else replace(device, torch_device=str(accelerator.device))


def _with_text(backbone: Loaded[Any], vocabulary: Vocabulary) -> Vocabulary:
    import torch

    with torch.no_grad(), at_work(backbone.name, f"read {len(vocabulary.terms)} names"):
        text = backbone.component.text_vectors(vocabulary.terms)
    checked = checked_text(text, len(vocabulary.terms), backbone.component.space, backbone.name)
    if checked is None:
        raise broken(backbone.name, "text vectors, as it provides text", "None")
    return replace(vocabulary, text=checked)


def _shapes(backbone: Loaded[Any], vocabulary: Vocabulary, crop: int) -> tuple[dict[str, int], int]:
    """Return the channels of the backbone's levels, and the length of its text vectors, from a forward pass on grey."""
    grey = Image(np.full((crop, crop, 3), GREY, np.uint8), "0" * 64)
    (features,) = frozen_features(backbone, [grey], backbone.device)
    text: Any = vocabulary.text
    return {name: int(level.shape[0]) for name, level in features.levels.items()}, int(text.shape[1])


def _validation(
    components: Components, backbone: Loaded[Any], trained: Vocabulary, source: ImageSource, device: Device
) -> Callable[[Trainable], Mapping[str, float | None]]:
    """Return a function that evaluates the proposer on the validation source.

    It uses the trainable's own classifier and those of the settings that need no store.
    """
    settings, manager = components.settings, components.manager
    infos = [manager.find("classifier", name) for name in settings.components.classifiers]
    own = manager.find("proposer", settings.components.proposer).plugin
    other_classifiers = tuple(
        components.component("classifier", info.full_name, device)
        for info in infos
        if NEIGHBOURS not in info.component.needs and info.plugin != own
    )
    count = settings.finetune.validate_images or len(source)

    def validate(model: Trainable) -> Mapping[str, float | None]:
        head = model.classifier(trained.terms)
        classifiers = (*other_classifiers, *((_loaded("live", head, device),) if head is not None else ()))
        if not classifiers:
            todo = "add one: --set 'components.classifiers=[\"zero_shot.clip_text\"]'"
            raise ConfigError("a classifier to validate with", "none", todo)
        live = _loaded("live", model.proposer(), device)
        segmenter = Segmenter(backbone, live, settings, classifiers=classifiers)
        evaluation = evaluate(segmenter, SourceView(source, most=count))
        return {
            "pq": evaluation.pq,
            "sq": evaluation.sq,
            "rq": evaluation.rq,
            "miou": evaluation.miou,
            "images": evaluation.images,
        }

    return validate


def _loaded(name: str, component: Any, device: Device) -> Loaded[Any]:
    return Loaded(name, "", component, device, {}, frozenset(), frozenset())
