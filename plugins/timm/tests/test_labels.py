"""Names by a network's own labels: scores by hand, what is none of the names, the contract, the last map of masks."""

from math import exp, log

import pytest
import torch
from retclip_timm import LITE0, LabelsSettings
from retclip_timm.backbone import StageBackbone
from retclip_timm.class_names import LIST
from retclip_timm.labels import Labels
from retclip_timm.lite0 import head_of, lite0

from retclip.errors import ConfigError
from retclip.plugin.conformance import check_component
from retclip.plugin.manager import PluginManager
from retclip.types import Device, FeatureSpace, LabelLogits, MaskProposals, Role, SegmentFeatures, Vocabulary

ESPRESSO, TABBY, EGYPTIAN = 967, 281, 285
WORDS = Vocabulary(("cat", "espresso", "sky"), (True,) * 3)


def logits_of(*rows):
    """Logits of 1,000 labels, -30 but for those given."""
    logits = torch.full((len(rows), 1000), -30.0)
    for row, given in enumerate(rows):
        for label, value in given.items():
            logits[row, label] = value
    return logits


def score(segments, image=None, covered=None, words=WORDS, labels=LIST, **settings):
    count = len(segments)
    image = segments[0] if image is None and count else torch.zeros(1000) if image is None else image
    flags = torch.ones(count, dtype=torch.bool) if covered is None else torch.tensor(covered)
    space = FeatureSpace("test", "none", "none", "none", 2)
    features = SegmentFeatures(torch.zeros(count, 2), flags, space, LabelLogits(labels, segments, image))
    proposals = MaskProposals(torch.ones(count, 1, 1), torch.ones(count), (4, 4))
    return Labels(LabelsSettings(**settings), Device()).score(proposals, features, words, None)


def test_a_name_has_the_sum_of_its_classes_among_all_1000():
    """p = e^2, e^1 and e^0 over their sum for tabby, Egyptian cat and espresso; the rest is e^-30."""
    found = score(logits_of({TABBY: 2.0, EGYPTIAN: 1.0, ESPRESSO: 0.0}), temperature=1, photo_share=0, rest=1)
    total = exp(2) + exp(1) + 1
    assert found.values[0].tolist() == pytest.approx([(exp(2) + exp(1)) / total, 1 / total, 0], abs=1e-5)
    assert found.knows.tolist() == [True, True, False]
    assert (found.role, found.classifier) == (Role.CLIP, "timm.labels")
    assert float(found.void[0]) == pytest.approx(0, abs=1e-5)


def test_what_was_not_asked_for_is_none_of_these():
    """Half of the probability is a daisy's (985): v = r * 0.5 / (r * 0.5 + 0.5)."""
    for rest in (1.0, 0.5, 0.0):
        found = score(logits_of({TABBY: 3.0, 985: 3.0}), temperature=1, photo_share=0, rest=rest)
        assert float(found.void[0]) == pytest.approx(rest * 0.5 / (rest * 0.5 + 0.5), abs=1e-5)


def test_a_smaller_temperature_is_surer_and_the_photo_counts_its_share():
    mask, photo = logits_of({TABBY: 0.0, ESPRESSO: 1.0}), logits_of({TABBY: 4.0, ESPRESSO: 0.0})[0]
    alone = score(mask, photo, temperature=1, photo_share=0).values[0]
    assert float(alone[1] / alone[0]) == pytest.approx(exp(1), rel=1e-4)
    sharp = score(mask, photo, temperature=0.5, photo_share=0).values[0]
    assert float(sharp[1] / sharp[0]) == pytest.approx(exp(2), rel=1e-4)
    mixed = score(mask, photo, temperature=1, photo_share=0.5).values[0]  # (0 + 4) / 2 against (1 + 0) / 2
    assert float(mixed[0] / mixed[1]) == pytest.approx(exp(1.5), rel=1e-4)


def test_synonyms_count_and_no_label_twice():
    words = Vocabulary(("pussy", "kitty"), (True,) * 2, (("cat", "kitten"), ()))
    found = score(logits_of({TABBY: 0.0}), words=words)
    assert found.knows.tolist() == [True, False]
    assert float(found.values[0, 0]) == pytest.approx(1, abs=1e-5)


def test_of_what_was_not_asked_for_the_best_class_counts_not_all_of_them():
    """Espresso 0.4, daisy and tabby 0.3 each: the rest has 0.3, and is not more likely than espresso."""
    words = Vocabulary(("espresso", "the rest"), (True, False), ((), ("daisy", "tabby")), has_rest=True)
    shares = {ESPRESSO: 0.4, 985: 0.3, TABBY: 0.3}
    logits = logits_of({label: log(share) for label, share in shares.items()})
    found = score(logits, words=words, temperature=1, photo_share=0)
    assert found.values[0].tolist() == pytest.approx([0.4, 0.3], abs=1e-5)


def test_a_mask_without_a_cell_is_not_spoken_of():
    found = score(logits_of({TABBY: 0.0}, {TABBY: 0.0}), covered=[True, False])
    assert found.speaks.tolist() == [True, False]
    assert found.values[1].tolist() == [0, 0, 0]


def test_no_masks_and_no_names_are_valid_questions():
    assert score(torch.zeros(0, 1000)).values.shape == (0, 3)
    none = score(logits_of({TABBY: 0.0}), words=Vocabulary((), ()))
    assert (none.values.shape, none.void.tolist()) == ((1, 0), [1.0])


def test_other_labels_or_none_are_refused():
    with pytest.raises(ConfigError, match=r"those of coco.*timm\.lite0"):
        score(logits_of({TABBY: 0.0}), labels="coco")
    features = SegmentFeatures(torch.zeros(1, 2), torch.ones(1).bool(), FeatureSpace("x", "none", "none", "none", 2))
    with pytest.raises(ConfigError, match=r"none of x"):
        Labels(LabelsSettings(), Device()).score(None, features, WORDS, None)


def test_it_says_why_it_does_not_know_a_name():
    told = Labels(LabelsSettings(), Device()).unknown(Vocabulary(("cat", "person", "quokka"), (True,) * 3))
    assert list(told) == ["person", "quokka"]
    assert "three kinds of people" in told["person"] and "none of ImageNet's" in told["quokka"]


def test_the_contract_is_kept():
    info = PluginManager.discover().find("classifier", "timm.labels")
    untried = [one.check for one in check_component(info) if one.ok is not True]
    assert untried == ["the vote alone"]  # it asks no store


def test_it_is_paired_with_a_backbone_that_has_labels():
    manager = PluginManager.discover()
    assert manager.find("classifier", "timm.labels").component.needs == {"labels"}
    assert manager.find("backbone", "timm.lite0").component.provides >= {"labels"}
    assert "labels" not in manager.find("backbone", "timm.model").component.provides


@pytest.fixture(scope="module")
def network():
    return lite0(LITE0.name)


def test_a_mask_of_everything_has_the_logits_of_the_network_itself(network, photo):
    """Input sides are multiples of 32, so timm's own forward pass pools the same cells."""
    image, head = photo(64, 96), head_of(network)
    backbone = StageBackbone("timm.lite0", network, 64, 128, Device(), head)
    masks = torch.zeros(2, 64, 96)
    masks[0], masks[1, :32, :32] = 1, 1
    with torch.inference_mode():
        features = backbone.dense_features([image])[0]
        found = backbone.segment_vectors(features, masks)
        wanted = network.model(backbone._input(image, 64)[None])[0]
        last = network.model.forward_features(backbone._input(image, 64)[None])[0]
        corner = network.model.classifier(last[:, 0, 0])  # its cell is the upper left of 2 x 3
    assert torch.allclose(found.label_logits.segments[0], wanted, atol=1e-4)
    assert torch.allclose(found.label_logits.image, wanted, atol=1e-4)
    assert torch.allclose(found.label_logits.segments[1], corner, atol=1e-4)
    assert found.label_logits.labels == "imagenet-1k"


def test_labels_change_neither_vectors_nor_their_space(network, photo):
    masks = torch.ones(1, 4, 4)
    plain, labelled = (
        StageBackbone("timm.lite0", network, 64, 128, Device(), head) for head in (None, head_of(network))
    )
    with torch.inference_mode():
        before, after = (
            one.segment_vectors(one.dense_features([photo(64, 96)])[0], masks) for one in (plain, labelled)
        )
    assert torch.equal(before.vectors, after.vectors)
    assert plain.space.id == labelled.space.id
    assert before.label_logits is None


def test_the_space_of_stored_vectors_is_the_one_that_stores_have():
    manager = PluginManager.discover()
    assert manager.load("backbone", "timm.lite0", {}, Device()).space.id == "25724959ff65ff46"
