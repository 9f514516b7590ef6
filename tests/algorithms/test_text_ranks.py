"""The places of classes' own texts: the worked example, synonyms, and a centre that both sides are measured from."""

import numpy as np
import torch

from retclip.algorithms.text_ranks import text_ranks

CAT, DOG, COW = (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0)


def ranks(vectors, labels, text, row_class):
    answer = text_ranks(*map(torch.tensor, (vectors, labels, text, row_class)))
    return [part.tolist() for part in answer]


def test_worked_example():
    text = [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0)]
    assert ranks([CAT, DOG, COW], [0, 1, 2], text, [0, 1, 2]) == [[1, 2, 2], [0, 2, 1]]
    corrected = [text[0], text[2], text[1]]
    assert ranks([CAT, DOG, COW], [0, 1, 2], corrected, [0, 1, 2]) == [[1, 1, 1], [0, 1, 2]]


def test_a_synonym_may_be_the_nearest():
    text = [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, 1.0)]
    assert ranks([CAT, DOG, COW], [0, 1, 2], text, [0, 1, 2, 1])[0][1] == 1


def test_towers_that_lie_apart_do_not_matter():
    rng = np.random.default_rng(3)
    classes, d = 12, 32
    shapes = rng.normal(size=(classes, d))
    gap = rng.normal(size=d) * 8

    def unit(rows):
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    labels = np.repeat(np.arange(classes), 5)
    vectors = unit(shapes[labels] + rng.normal(size=(len(labels), d)) * 0.3 + gap)
    text = unit(shapes - gap)
    arguments = (torch.from_numpy(vectors), torch.from_numpy(labels), torch.from_numpy(text), torch.arange(classes))
    assert text_ranks(*arguments)[0].tolist() == [1] * classes
    swapped = text[[1, 0, *range(2, classes)]]
    places, nearest = text_ranks(*arguments[:2], torch.from_numpy(swapped), arguments[3])
    assert (places > 1).tolist() == [True, True, *[False] * (classes - 2)] and nearest.tolist()[:2] == [1, 0]


def test_equal_cosines_are_the_own_text_and_one_class_is_near_itself():
    same = [(1.0, 0.0), (1.0, 0.0)]
    assert ranks(same, [0, 1], same, [0, 1]) == [[1, 1], [0, 1]]
    assert ranks([CAT], [0], [DOG], [0]) == [[1], [0]]
    assert ranks([CAT, CAT, COW], [0, 0, 1], [CAT, COW], [0, 1]) == [[1, 1], [0, 1]]
