"""The in-vocabulary head by hand: probabilities with and without "no object", and what it says when it cannot."""

import pytest
import torch
from retclip_mask2former import InVocabularySettings
from retclip_mask2former.in_vocabulary import InVocabulary, read_terms

from retclip.algorithms.ensemble import EnsembleWeights, ensemble
from retclip.errors import ConfigError
from retclip.types import Device, FeatureSpace, MaskProposals, Role, SegmentFeatures, Vocabulary

TEXT = torch.eye(12)[:3]
WORDS = Vocabulary(("sky", "car"), (False, True), ((), ("cars",)), TEXT)


@pytest.fixture
def classifier(saved):
    return InVocabulary.loaded(InVocabularySettings(weights=str(saved)), Device())


def score(classifier, embeddings, vocabulary=WORDS):
    proposals = MaskProposals(torch.ones(2, 1, 1), torch.ones(2), (4, 4), embeddings=embeddings)
    segments = SegmentFeatures(torch.zeros(2, 12), torch.ones(2).bool(), FeatureSpace("tests.clip", "", "", "", 12))
    return classifier.score(proposals, segments, vocabulary, None)


def test_probabilities_by_hand(classifier):
    classifier.scale, classifier.void = torch.tensor(2.0), torch.eye(12)[3:4]
    embeddings = torch.zeros(2, 12)
    embeddings[0, 0] = 7.0  # sky, and nothing else
    embeddings[1, 2] = embeddings[1, 3] = 1.0  # a synonym of car, and as much no object
    found = score(classifier, embeddings)
    e, half = torch.tensor(2.0).exp(), torch.tensor(2.0 / 2**0.5).exp()
    assert found.values[0].tolist() == pytest.approx([float(e / (e + 1)), float(1 / (e + 1))])
    assert found.void[0] == pytest.approx(float(1 / (e + 2)))
    assert found.values[1].tolist() == pytest.approx([float(1 / (1 + half)), float(half / (1 + half))])
    assert found.void[1] == pytest.approx(float(half / (1 + 2 * half)))
    assert found.knows.tolist() == [True, True]
    assert found.role is Role.IN_VOCABULARY


def test_a_temperature_makes_classes_less_sure_and_leaves_no_object_alone(saved, classifier):
    warm = InVocabulary.loaded(InVocabularySettings(weights=str(saved), temperature=2.0), Device())
    for each in (classifier, warm):
        each.scale, each.void = torch.tensor(2.0), torch.eye(12)[3:4]
    sky = torch.eye(12)[[0, 0]]
    found, e = score(warm, sky), torch.tensor(1.0).exp()  # a logit of 2, over a temperature of 2
    assert found.values[0].tolist() == pytest.approx([float(e / (e + 1)), float(1 / (e + 1))])
    assert torch.equal(found.void, score(classifier, sky).void)


def test_its_scores_and_its_void_go_through_the_ensemble(classifier):
    found = score(classifier, torch.randn(2, 12))
    combined, void = ensemble([found], torch.tensor([True, False]), EnsembleWeights())
    assert torch.allclose(combined.sum(1) + void, torch.ones(2))


def test_what_the_file_says_it_was_trained_on_is_believed(classifier, saved):
    assert classifier.trained_on == ("sky", "car", "cars")
    again = InVocabulary.loaded(InVocabularySettings(weights=str(saved), trained_on="coco-panoptic"), Device())
    assert again.trained_on == ("sky", "car", "cars")


def test_the_built_in_vocabulary_is_coco_s_in_fcclip_s_words():
    terms = read_terms("coco-panoptic")
    assert len(terms) == 254  # method.md 1.4
    assert {"person", "clothes", "palm tree", "girraffe"} & set(terms) >= {"person", "clothes", "palm tree"}


def test_a_file_of_terms(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("# a remark\nsky\ncar, cars ,\n\nsky\n")
    assert read_terms(str(path)) == ("sky", "car", "cars")
    path.write_text("# nothing\n")
    with pytest.raises(ConfigError, match="write a class a line"):
        read_terms(str(path))
    with pytest.raises(ConfigError, match="coco-panoptic"):
        read_terms(str(tmp_path / "none.txt"))


def test_masks_without_embeddings_or_names_without_text_are_refused(classifier):
    with pytest.raises(ConfigError, match=r"--proposer mask2former\.queries"):
        score(classifier, None)
    with pytest.raises(ConfigError, match="text tower"):
        score(classifier, torch.ones(2, 12), Vocabulary(("sky",), (False,)))
    with pytest.raises(ConfigError, match=r"12 of the masks, 8 of tests\.clip"):
        score(classifier, torch.ones(2, 12), Vocabulary(("sky",), (False,), text=torch.ones(1, 8)))
