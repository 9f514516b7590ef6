"""A unit's outcome is its result or its reason; in this process they come one by one, as they are asked for."""

import pytest

from retclip.errors import ContractBroken, DataError
from retclip.plugin import SourceImage
from retclip.types import MaskProposals
from retclip.workflows.building.label_assignment import LabelAssignment
from retclip.workflows.building.unit_work import Task, in_this_process, outcome_of
from retclip.workflows.building.units import Unit

BAD = DataError("a photo", "half of one", "copy it again")


@pytest.fixture
def naming(kit):
    return LabelAssignment(kit.parts(None), ("sky", "grass"), {"sky": False})


def unit(kit, name="a.png", content=None):
    image = kit.picture() if content is None else content

    def load():
        if isinstance(image, Exception):
            raise image
        return image

    record = SourceImage(name, f"/photos/{name}", load, lambda: "a" * 64)
    return Unit(record, f"key of {name}", "content", ("sky", "grass"), ())


def test_a_result_or_a_reason(kit, naming):
    good = outcome_of(naming, unit(kit), kit.picture())
    assert [one.prompt for one in good.result.segments] == ["sky", "grass"]
    assert (good.key, good.dropped, good.reason, good.result.vectors.shape) == ("key of a.png", 0, "", (2, 3))
    bad = outcome_of(naming, unit(kit), BAD)
    assert (bad.key, bad.result) == ("key of a.png", None) and "half of one" in bad.reason


def test_what_concerns_every_image_is_no_outcome(kit):
    def inventing(image, _):
        import torch

        return MaskProposals(torch.ones(1, 2, 2), torch.ones(1), image.size, ("unicorn",))

    naming = LabelAssignment(kit.parts(None, inventing), ("sky", "grass"), {})
    with pytest.raises(ContractBroken):
        outcome_of(naming, unit(kit), kit.picture())


def test_tasks_are_taken_only_when_the_one_before_is_done(kit, naming):
    taken = []

    def tasks():
        for number in range(3):
            taken.append(number)
            yield Task(number, (unit(kit, f"{number}.png"), unit(kit, f"bad{number}.png", BAD)))

    with in_this_process(naming) as executor:
        outcomes = executor(tasks())
        for number in range(3):
            (task, good), (same, bad) = next(outcomes), next(outcomes)
            assert task is same and taken == list(range(number + 1))
            assert good.result is not None and bad.result is None
            assert [good.key, bad.key] == [one.key for one in task.units]
        assert list(outcomes) == []


def test_this_process_says_what_it_is_about_to_work_on_before_it_is_decoded_and_when_it_is_through(kit, naming):
    said = []

    def loaded(name):
        said.append(f"{name} is decoded")
        return kit.picture()

    units = tuple(
        Unit(SourceImage(name, name, lambda name=name: loaded(name), lambda: "a" * 64), name, "", ("sky",), ())
        for name in ("one", "two")
    )
    with in_this_process(naming) as executor:
        for _, outcome in executor(iter([Task(0, units, said.append)])):
            said.append(f"{outcome.key} is done")
    for name in ("one", "two"):
        assert said.index(name) < said.index(f"{name} is done")
    assert said[0] == "one" and said.index("") < said.index("two is done"), "what is stored then is nobody's fault"
