"""A user's names as the source spells them; what it does not have is said with the nearest."""

import pytest

from retclip.errors import DataError
from retclip.plugin.contracts import ANNOTATION, TEXT
from retclip.workflows.building.source_classes import annotated_vocabulary, require_annotation, source_names


def test_names_are_spelt_as_the_source_spells_them_each_once(kit):
    source = kit.Source([], ("Sky", "Traffic Light", "car"))
    assert source_names(source, ["traffic  light", "SKY", "sky"], "listed:x") == ("Traffic Light", "Sky")
    assert source_names(source, [], "listed:x") == ()


def test_a_source_that_knows_no_classes_takes_any_name(kit):
    assert source_names(kit.Source([], ()), ["Kayak", "kayak"], "photos") == ("Kayak", "kayak")


@pytest.mark.parametrize(("name", "hint"), [("skyy", "did you mean 'Sky'"), ("submarine", "its classes: Sky, car")])
def test_a_class_that_the_source_does_not_have(kit, name, hint):
    with pytest.raises(DataError, match=rf"a class of listed:x; got '{name}'; {hint}"):
        source_names(kit.Source([], ("Sky", "car")), ["car", name], "listed:x")


def test_a_sources_classes_as_what_is_asked_for(kit):
    asked = annotated_vocabulary(kit.Source([], ("sky", "car")))
    assert (asked.names, asked.is_thing, asked.synonyms) == (("sky", "car"), (False, True), ((), ()))
    with pytest.raises(DataError, match="annotated source"):
        annotated_vocabulary(kit.Source([], ()))


def test_plain_photos_are_refused_where_annotations_alone_are_read(kit):
    photos, annotated = kit.Source([], ()), kit.Source([], ("sky",))
    with pytest.raises(DataError, match="photos without annotation, and masks, which reads annotations; mark them"):
        require_annotation(photos, "listed:x", "masks", {ANNOTATION}, "mark them")
    require_annotation(photos, "listed:x", "masks", {TEXT}, "mark them")
    require_annotation(annotated, "listed:x", "masks", {ANNOTATION}, "mark them")
