"""The kit passes what keeps its contract and catches each way of breaking it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import Field

from retclip.algorithms.mask_pooling import area_weights, mask_pooling
from retclip.errors import DataError, WeightsDamaged
from retclip.plugin import ANNOTATION, AREAS, LEVELS, NEIGHBOURS, PATCHES, REGIONS, TEXT, WHOLE, Component, Settings
from retclip.plugin.checkpoints import read_state, write_safetensors
from retclip.plugin.conformance import check_component
from retclip.plugin.conformance.damaged_weights import DAMAGES, check_refusals
from retclip.plugin.discovery import ComponentInfo
from retclip.plugin.whole_weights import fill
from retclip.types import ClassScores, DenseFeatures, FeatureSpace, MaskProposals, Role, SegmentFeatures


class Options(Settings):
    count: int = Field(3, description="how many")


class Undescribed(Settings):
    count: int = 3


def info(kind: str, thing: Any, **more: Any) -> ComponentInfo:
    settings = more.pop("settings", Options)
    return ComponentInfo(
        kind, "own", "retclip-own", "1", Component("one", "a line", settings, lambda *_: thing, **more)
    )


def broken(kind: str, thing: Any, **more: Any) -> set[str]:
    return {one.check for one in check_component(info(kind, thing, **more)) if one.ok is False}


def raising(error: Exception) -> Any:
    def load(*_: Any) -> None:
        raise error

    return load


class Stripes:
    """A proposer that keeps its contract; a subclass breaks it in one way."""

    def propose(self, images, vocabulary, features):
        return [MaskProposals(torch.eye(2)[:, None, :], torch.tensor([1.0, 0.5]), image.size) for image in images]


class Colour:
    """A backbone that keeps its contract."""

    space = FeatureSpace("own.one", "none", "none", "area-1", 2)

    def dense_features(self, images):
        grey = [torch.from_numpy(one.pixels.mean(2)).float()[None] / 255 for one in images]
        grids = [torch.nn.functional.adaptive_avg_pool2d(one, (6, 8)) for one in grey]
        return [DenseFeatures(grid, self.space, one.size) for grid, one in zip(grids, images, strict=True)]

    def segment_vectors(self, features, masks, logits=None):
        angle, covered = mask_pooling(features.grid, area_weights(masks, (6, 8)))
        angle = angle[:, 0]
        return SegmentFeatures(torch.stack([angle.cos(), angle.sin()], dim=1), covered, self.space)

    def text_vectors(self, names):
        return None


class Even:
    """A classifier that keeps its contract."""

    role = Role.RETRIEVAL

    def score(self, proposals, segments, vocabulary, neighbours):
        values = torch.full((len(segments.covered), len(vocabulary)), 0.5)
        return ClassScores(values, neighbours.supported, self.role)


def test_what_keeps_its_contract_passes() -> None:
    assert broken("proposer", Stripes()) == set()
    assert broken("backbone", Colour()) == set()
    assert broken("classifier", Even(), needs=frozenset({NEIGHBOURS})) == set()


def changed(thing: Any, method: str, change: Any) -> Any:
    """The thing with the answer of one method changed."""
    before = getattr(thing, method)
    setattr(thing, method, lambda *arguments: change(before(*arguments), *arguments))
    return thing


PROPOSERS = {
    "too few answers": lambda found, *_: found[:-1],
    "values above 1": lambda found, *_: [replace(one, masks=one.masks * 2) for one in found],
    "nan": lambda found, *_: [replace(one, masks=one.masks * torch.nan) for one in found],
    "order": lambda found, *_: [replace(one, objectness=one.objectness.flip(0)) for one in found],
    "size": lambda found, *_: [replace(one, image_size=(1, 1)) for one in found],
    "prompts": lambda found, *_: [replace(one, prompts=("unicorn", None)) for one in found],
    "batch matters": lambda found, *_: [replace(one, masks=one.masks / len(found)) for one in found],
}
BACKBONES = {
    ("dense_features", "too few answers"): lambda found, *_: found[:-1],
    ("dense_features", "nan"): lambda found, *_: [replace(one, grid=one.grid * torch.nan) for one in found],
    ("segment_vectors", "not unit"): lambda found, *_: replace(found, vectors=found.vectors * 3),
    ("segment_vectors", "always covered"): lambda found, *_: replace(found, covered=torch.ones_like(found.covered)),
    ("segment_vectors", "random"): lambda found, *_: replace(
        found, vectors=torch.nn.functional.normalize(torch.randn(found.vectors.shape), dim=1)
    ),
    ("text_vectors", "undeclared text"): lambda found, names: torch.eye(2)[torch.zeros(len(names), dtype=torch.long)],
}
CLASSIFIERS = {
    "above 1": lambda found, *_: replace(found, values=found.values * 3),
    "too few classes": lambda found, *_: replace(found, values=found.values[:, 1:]),
    "knows everything": lambda found, *_: replace(found, knows=torch.ones_like(found.knows)),
    "another role": lambda found, *_: replace(found, role=Role.CLIP),
    "random": lambda found, *_: replace(found, values=torch.rand(found.values.shape)),
    "shares of nothing": lambda found, *_: replace(found, shares=torch.full((len(found.values), 3), 0.5)),
}


@pytest.mark.parametrize("fault", PROPOSERS)
def test_each_fault_of_a_proposer_is_caught(fault: str) -> None:
    assert broken("proposer", changed(Stripes(), "propose", PROPOSERS[fault]))


@pytest.mark.parametrize("fault", BACKBONES)
def test_each_fault_of_a_backbone_is_caught(fault: tuple[str, str]) -> None:
    assert broken("backbone", changed(Colour(), fault[0], BACKBONES[fault]))


@pytest.mark.parametrize("fault", CLASSIFIERS)
def test_each_fault_of_a_classifier_is_caught(fault: str) -> None:
    found = broken("classifier", changed(Even(), "score", CLASSIFIERS[fault]), needs=frozenset({NEIGHBOURS}))
    assert found


def test_a_proposer_that_writes_into_the_photo_is_caught() -> None:
    def scribble(found, images, *_):
        images[0].pixels[:] = 0
        return found

    assert "masks" in broken("proposer", changed(Stripes(), "propose", scribble))


class Noise(Colour):
    """A backbone whose library made up the numbers that its file lacks."""

    def __init__(self) -> None:
        self.shift = torch.rand(1)

    def segment_vectors(self, features, masks, logits=None):
        found = super().segment_vectors(features, masks, logits)
        angle = found.vectors[:, 1].atan2(found.vectors[:, 0]) + self.shift
        return replace(found, vectors=torch.stack([angle.cos(), angle.sin()], dim=1))


class NoisyStripes(Stripes):
    """A proposer of which the same is true."""

    def __init__(self) -> None:
        self.masks = torch.rand(2, 1, 2)

    def propose(self, images, vocabulary, features):
        return [MaskProposals(self.masks, torch.tensor([1.0, 0.5]), image.size) for image in images]


@pytest.mark.parametrize(("kind", "noise"), [("backbone", Noise), ("proposer", NoisyStripes)])
def test_weights_that_are_made_up_at_every_start_are_caught(kind: str, noise: Any) -> None:
    made_up = ComponentInfo(kind, "own", "retclip-own", "1", Component("one", "a line", Options, lambda *_: noise()))
    assert {one.check for one in check_component(made_up) if one.ok is False} == {"loaded twice, the same"}


def test_annotated_masks_need_an_annotation() -> None:
    assert "a photo without annotation" in broken("proposer", Stripes(), provides=frozenset({ANNOTATION}))

    def refuse(found, images, *_):
        if images[0].truth is None:
            raise DataError("an annotation", "none", "label it")
        return found

    assert broken("proposer", changed(Stripes(), "propose", refuse), provides=frozenset({ANNOTATION})) == set()


def test_a_proposer_that_claims_the_whole_photo_takes_it() -> None:
    assert "the whole photo" in broken("proposer", Stripes(), provides=frozenset({WHOLE}))

    class All(Stripes):
        def propose(self, images, vocabulary, features):
            ones = torch.ones(1, 1, 1)
            return [MaskProposals(ones, ones[0, 0], image.size, vocabulary.names[:1]) for image in images]

    assert broken("proposer", All(), provides=frozenset({WHOLE})) == set()


def test_masks_are_patches_or_objects_not_both() -> None:
    assert broken("proposer", Stripes(), provides=frozenset({PATCHES})) == set()
    assert "patches or objects" in broken("proposer", Stripes(), provides=frozenset({PATCHES, WHOLE}))


class Nested(Stripes):
    """A proposer of a tree that keeps its contract: two stripes and both together."""

    parents, whole = (2, 2, -1), 1.0

    def propose(self, images, vocabulary, features):
        masks = torch.cat([torch.eye(2)[:, None, :], torch.full((1, 1, 2), self.whole)])
        parents = torch.tensor(self.parents)
        return [MaskProposals(masks, torch.ones(3), image.size, parents=parents) for image in images]


def test_the_masks_of_a_tree_add_up_and_parents_come_after_their_children() -> None:
    results = {one.check: one.ok for one in check_component(info("proposer", Nested()))}
    assert results["a tree of masks"] is True and False not in results.values()
    half, before, beyond, short = Nested(), Nested(), Nested(), Nested()
    half.whole, before.parents, beyond.parents, short.parents = 0.5, (-1, 0, 0), (3, 3, -1), (1, -1)
    assert broken("proposer", half) == {"a tree of masks"}
    for wrong in (before, beyond, short):
        assert "masks" in broken("proposer", wrong)


def test_weights_and_masks_give_the_same_vectors_where_a_backbone_says_so() -> None:
    class ByWeights(Colour):
        shift = 0.0

        def weighted_vectors(self, features, weights):
            angle, covered = mask_pooling(features.grid, weights)
            angle = angle[:, 0] + self.shift
            return SegmentFeatures(torch.stack([angle.cos(), angle.sin()], dim=1), covered, self.space)

    claim, other = {"provides": frozenset({AREAS})}, ByWeights()
    assert broken("backbone", ByWeights(), **claim) == set()
    other.shift = 0.1
    assert broken("backbone", other, **claim) == broken("backbone", Colour(), **claim) == {"weights instead of masks"}


class Marked:
    """A proposer of marked objects that keeps its contract: a mask of everything for each."""

    def propose(self, images, vocabulary, features):
        if not all(image.regions for image in images):
            raise DataError("marks", "none", "mark it")
        return [self.answer(image, [one.class_name for one in image.regions if one.class_name in vocabulary.names])
                for image in images]  # fmt: skip

    def answer(self, image, names):
        return MaskProposals(torch.ones(len(names), 1, 1), torch.ones(len(names)), image.size, tuple(names))


def test_marked_objects_get_a_mask_each() -> None:
    class Fewer(Marked):
        def answer(self, image, names):
            return super().answer(image, names[:1])

    claim = {"provides": frozenset({REGIONS})}
    assert broken("proposer", Marked(), **claim) == set()
    assert broken("proposer", Stripes(), **claim) == {"marked objects"}
    assert broken("proposer", Fewer(), **claim) == {"marked objects"}


def test_declared_text_must_be_there() -> None:
    assert "text vectors" in broken("backbone", Colour(), provides=frozenset({TEXT}))


def test_settings_need_descriptions_and_a_crash_is_no_traceback() -> None:
    assert "settings" in broken("proposer", Stripes(), settings=Undescribed)
    found = check_component(info("proposer", None))
    assert [one.ok for one in found[:2]] == [True, False] and all(one.ok is None for one in found[2:])


def test_a_head_that_cannot_be_tried_alone_is_skipped_but_must_say_what_it_was_trained_on() -> None:
    class Head(Even):
        role, trained_on = Role.IN_VOCABULARY, ("car",)

        def score(self, proposals, segments, vocabulary, neighbours):
            return proposals.embeddings @ torch.zeros(256, 1)

    results = {one.check: one.ok for one in check_component(info("classifier", Head()))}
    assert results["scores"] is None and False not in results.values()
    Head.trained_on = ()
    assert broken("classifier", Head()) == {"role"}


def test_a_proposer_that_shares_features_is_skipped_where_it_says_so() -> None:
    class Sharing(Stripes):
        def propose(self, images, vocabulary, features):
            return [one.levels["res2"] for one in features]

    results = {one.check: one.ok for one in check_component(info("proposer", Sharing(), needs=frozenset({LEVELS})))}
    assert results["masks"] is None and False not in results.values()
    assert "masks" in broken("proposer", Sharing())


def test_a_backbone_that_does_not_look_at_the_masks() -> None:
    class Blind(Colour):
        def segment_vectors(self, features, masks, logits=None):
            return super().segment_vectors(features, (masks > 0).any((1, 2), keepdim=True).expand_as(masks).float())

    assert broken("backbone", Blind()) == {"masks matter"}


def test_an_extent_that_cannot_be() -> None:
    class Wide(Colour):
        def dense_features(self, images):
            return [replace(one, extent=(1.5, 1.0)) for one in super().dense_features(images)]

    assert "dense features" in broken("backbone", Wide())


def test_text_that_changes_from_call_to_call() -> None:
    class Moody(Colour):
        def text_vectors(self, names):
            return torch.nn.functional.normalize(torch.rand(len(names), 2), dim=1)

    assert broken("backbone", Moody(), provides=frozenset({TEXT})) == {"text vectors"}


def test_components_are_tried_without_gradients_as_the_core_calls_them() -> None:
    class Learned(Even):
        def __init__(self):
            self.layer = torch.nn.Linear(4, 1)

        def score(self, proposals, segments, vocabulary, neighbours):
            assert torch.is_inference_mode_enabled()
            values = self.layer(segments.vectors).sigmoid().expand(-1, len(vocabulary))
            return ClassScores(values, neighbours.supported, self.role)

    assert broken("classifier", Learned(), needs=frozenset({NEIGHBOURS})) == set()


class PanicException(BaseException):
    """As the bridge to Rust raises it: no `Exception`."""


@pytest.mark.parametrize("error", [PanicException("unwrap on None"), SystemExit(0)], ids=["panic", "exit"])
def test_a_panic_and_an_exit_are_findings_not_the_end_of_the_check(error):
    class Ending(Stripes):
        def propose(self, images, vocabulary, features):
            raise error

    failed = [one for one in check_component(info("proposer", Ending())) if one.ok is False]
    assert failed and all(type(error).__name__ in one.detail for one in failed)


def loading(load: Any) -> ComponentInfo:
    return ComponentInfo("proposer", "own", "retclip-own", "1", Component("one", "a line", Named, load))


class Named(Settings):
    weights: str = Field("", description="a file")


def test_a_loader_that_refuses_damaged_weights_by_their_name_passes(tmp_path):
    write_safetensors({"a": torch.ones(2, 3), "b": torch.ones(1)}, tmp_path / "whole.safetensors", {})

    def load(settings: Named, _: Any) -> Stripes:
        path = Path(settings.weights)
        fill(torch.nn.ParameterDict({"a": torch.ones(2, 3), "b": torch.ones(1)}), read_state(path), str(path))
        return Stripes()

    results = check_refusals(loading(load), "weights", tmp_path / "whole.safetensors", tmp_path / "copies")
    assert [(one.check, one.ok) for one in results] == [(f"weights: {damage}", True) for damage in DAMAGES]


@pytest.mark.parametrize(
    ("load", "detail"),
    [
        (lambda settings, _: Stripes(), "it loaded"),
        (raising(WeightsDamaged("weights", "others", "get them again")), "it was refused as: expected weights; got"),
        (raising(ValueError("what is this")), "ValueError: what is this"),
    ],
)
def test_a_loader_that_takes_them_or_does_not_name_them_breaks_its_promise(load, detail, tmp_path):
    write_safetensors({"a": torch.ones(2)}, tmp_path / "whole.safetensors", {})
    results = check_refusals(loading(load), "weights", tmp_path / "whole.safetensors", tmp_path / "copies")
    assert {one.ok for one in results} == {False} and len(results) == len(DAMAGES)
    assert all(detail in one.detail for one in results)
