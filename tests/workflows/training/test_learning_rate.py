"""The learning rate of each step, by hand."""

import pytest

from retclip.config_sections import FinetuneSection
from retclip.workflows.training.learning_rate import learning_rate


def section(**given):
    return FinetuneSection(**{"learning_rate": 1.0, "steps": 100, "milestones": (50, 80), "warmup": 4, **given})


def test_published_values_of_the_recipe():
    recipe = FinetuneSection()
    told = {0: 1e-5, 9: 1e-4, 327_777: 1e-4, 327_778: 1e-5, 355_091: 1e-5, 355_092: 1e-6, 368_749: 1e-6}
    for step, value in told.items():
        assert learning_rate(recipe, step) == pytest.approx(value), step


def test_warm_up_and_milestones():
    found = [learning_rate(section(), step) for step in (0, 1, 3, 4, 49, 50, 79, 80, 99)]
    assert found == pytest.approx([0.25, 0.5, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])
    assert learning_rate(section(warmup=0), 0) == 1.0


def test_cosine_and_poly_go_down_to_nothing():
    cosine, poly = (section(schedule=name, warmup=0) for name in ("cosine", "poly"))
    assert [learning_rate(cosine, step) for step in (0, 50, 100)] == pytest.approx([1, 0.5, 0])
    assert [learning_rate(poly, step) for step in (0, 50, 100)] == pytest.approx([1, 0.5**0.9, 0])
