"""Which classes are far from their text, by a backbone that reads a class as the mean of what is stored of it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from retclip import audits
from retclip.errors import ConfigError, NamesTooLong, WeightsMissing
from retclip.workflows.audit.class_texts import text_places


class Reader:
    """Reads names as vectors of the store's space.

    swapped: two names that it takes for each other; long: names that it cannot read whole.
    """

    def __init__(self, memory, swapped=(), long=()):
        segments, names = memory.store.trust.segments(), {row.id: row.name for row in memory.store.classes.all()}
        self.space, self.long, self.asked = memory.store.spaces.first(), set(long), []
        means = {
            names[row]: segments.vectors[segments.categories == row].mean(axis=0)
            for row in set(segments.categories.tolist())
        }
        self.vectors = {name: vector / np.linalg.norm(vector) for name, vector in means.items()}
        if swapped:
            first, second = swapped
            self.vectors |= {first: self.vectors[second], second: self.vectors[first]}

    def text_vectors(self, names):
        self.asked.append(list(names))
        if long := self.long & set(names):
            error = NamesTooLong("names that are read whole", ", ".join(long), "shorten them")
            error.names = tuple(long)
            raise error
        return torch.from_numpy(np.stack([self.vectors[name] for name in names]))


@pytest.fixture
def read(memory, monkeypatch):
    """Let the store's space have a text tower."""
    own = memory.session.components.component("backbone", "reference.colour_texture")

    def reading(**how):
        backbone = replace(own, component=Reader(memory, **how))
        monkeypatch.setattr(audits, "readers", lambda session: {backbone.name})
        monkeypatch.setattr(audits, "backbone_of", lambda session, space: backbone)
        return backbone

    return reading


def names_of(memory):
    return [row.name for row in memory.store.classes.all() if row.segments]


def test_classes_with_each_others_names_are_far_from_their_text(memory, read):
    first, second = names_of(memory)[:2]
    read()
    assert memory.audit.coverage(few=1).classes == (), "every class is what its name says"
    read(swapped=(first, second))
    thin = memory.audit.coverage(few=1)
    assert {row.coverage.name: row.text.nearest for row in thin} == {first: second, second: first}
    assert thin.notes == ()
    plain = thin[0].as_dict()
    assert plain["text_rank"] > 1 and plain["nearest_text"] in (first, second)
    assert all(f"far from its text: {row.text.nearest}'s is nearest" in row.reasons[0] for row in thin)


def test_a_class_that_is_thin_for_another_reason_tells_the_place_of_its_text(memory, read):
    read()
    assert {row.text.rank for row in memory.audit.coverage(few=100) if row.coverage.segments} == {1}


def test_names_that_are_too_long_are_left_out_and_said(memory, read):
    long, other = names_of(memory)[:2]
    places, notes = text_places(memory.store, read(long=[long]))
    rows = {row.name: row.id for row in memory.store.classes.all()}
    assert rows[long] not in places and places[rows[other]].classes == len(names_of(memory)) - 1
    assert len(notes) == 1 and notes[0].endswith(f": {long}")


def test_names_are_read_once(memory, read):
    backbone = read()
    text_places(memory.store, backbone)
    assert len(backbone.component.asked) == 1


def test_a_space_without_a_text_tower_is_said_once(memory):
    (note,) = memory.audit.coverage(few=1).notes
    assert note == "no class is compared with its text: reference.colour_texture has no text tower here"


def test_weights_that_are_missing_are_said_and_the_rest_is_answered(memory, read, monkeypatch):
    read()

    def missing(session, space):
        raise WeightsMissing("weights", "none", "retclip weights fetch")

    monkeypatch.setattr(audits, "backbone_of", missing)
    thin = memory.audit.coverage(few=100)
    assert len(thin) and len(thin.notes) == 1 and "retclip weights fetch" in thin.notes[0]
    with pytest.raises(ConfigError, match="at least 1"):
        memory.audit.coverage(limit=0)
