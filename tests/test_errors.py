"""The tree that is drawn for readers is the tree that the program has; every failure says three things."""

import pickle
import re

import pytest

from retclip import errors
from retclip.errors import LONGEST, ConfigError, DataError, RetCLIPError

CLASSES = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, RetCLIPError)]
every = pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
LINE = re.compile(r"^ {4}((?:\|  )*)\|- (\w+) +(\d)\b")


def drawn():
    """name -> (parent's name, exit code), read from the docstring."""
    path, found = ["RetCLIPError"], {}
    for line in errors.__doc__.splitlines():
        if match := LINE.match(line):
            bars, name, code = match.groups()
            depth = 1 + len(bars) // 3
            assert depth <= len(path), f"{name} hangs in the air"
            path[depth:] = [name]
            found[name] = (path[depth - 1], int(code))
    return found


def test_the_drawn_tree_is_the_tree():
    real = {one.__name__: (one.__base__.__name__, one.exit_code) for one in CLASSES if one is not RetCLIPError}
    assert len(real) > 10
    assert drawn() == real
    assert errors.__doc__.count("|- ") == len(real), "no line of the drawing was passed over"


def test_exit_codes_tell_the_families_apart():
    families = [one for one in CLASSES if one.__base__ is RetCLIPError]
    assert RetCLIPError.exit_code == 1, "1 is left for what has no family"
    assert {one.exit_code for one in families} == set(range(2, 9))
    for one in CLASSES:
        family = next((parent for parent in families if issubclass(one, parent)), RetCLIPError)
        assert one.exit_code == family.exit_code, f"{one.__name__} leaves with another code than its family"


@every
def test_a_message_has_three_parts(kind):
    error = kind("a name", "nothing", "give one")
    assert (error.expected, error.got, error.todo) == ("a name", "nothing", "give one")
    assert str(error) == "expected a name; got nothing; give one"
    for parts in ((), ("a name",), ("a name", "nothing"), ("a name", "nothing", "give one", "more")):
        with pytest.raises(TypeError):
            kind(*parts)


@every
def test_an_error_comes_back_whole_from_another_process(kind):
    error = pickle.loads(pickle.dumps(kind("a name", "nothing", "give one")))
    assert type(error) is kind
    assert str(error) == "expected a name; got nothing; give one"


@every
def test_each_class_says_in_its_own_words_what_it_is(kind):
    assert kind.__doc__ and all(kind.__doc__ != one.__doc__ for one in CLASSES if one is not kind)


def test_an_error_of_a_family_can_be_caught_as_the_family():
    with pytest.raises(RetCLIPError) as caught:
        raise ConfigError("a", "b", "c")
    assert caught.value.exit_code == 2


def test_a_part_too_long_to_be_read_keeps_its_beginning_and_its_end():
    error = DataError("a name", "a" + "x" * 10_000_000 + "z", "give one")
    assert len(str(error)) < LONGEST + 100 and error.got.startswith("axx") and error.got.endswith("xxz")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
