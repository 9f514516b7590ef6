"""Every failure a user can meet, drawn as one tree.

    RetCLIPError                 exit code
    |- ConfigError                   2     a setting, flag or name that cannot be
    |  |- NamesTooLong               2     class names of which a model would read the beginning only
    |- DataError                     3     an image, annotation or class list that cannot be read
    |- PluginError                   4
    |  |- PluginUnavailable          4     no such component, or its distribution failed to load
    |  |- ContractBroken             4     a plugin returned something its contract forbids
    |  |- PluginFailed               4     a plugin raised something, and no photo is to blame
    |- ShapeError                    4     an array with the wrong axes, dtype or range
    |- StoreError                    5
    |  |- StoreMissing               5     no store there
    |  |- StoreBusy                  5     another process writes to it
    |  |- StoreBehind                5     its schema is older or newer than this program
    |  |- StoreUnreachable           5     its database does not answer
    |  |- StoreDamaged               5     a file or a row is lost, unreadable, or does not match its checksum
    |  |- SpaceMismatch              5     vectors of another backbone
    |  |- SpaceIncomplete            5     segments without a vector of that backbone
    |- WeightsMissing                6     a weight file that is not on this machine
    |- WeightsDamaged                6     one that is not whole, or not the pinned one
    |- PartsMissing                  6     weights, plugins or data that a table of the paper needs
    |- PartialFailure                7     the work is done, some inputs failed and are listed
    |- Regression                    8     what was added made other classes worse, and was taken back

A message has three parts: what was expected, what came, what to do. Each class takes them apart so that no
message forgets one, and `retclip` prints them on stderr and exits with the class's code.
"""

from __future__ import annotations

LONGEST = 4000  # characters of a part: what a file holds is quoted in it, and may be a gigabyte


class RetCLIPError(Exception):
    """Base of all: `expected`, `got` and `todo` are sentences or fragments, each shown on its own line."""

    exit_code = 1

    def __init__(self, expected: str, got: str, todo: str) -> None:
        parts = _shortened(expected), _shortened(got), _shortened(todo)
        super().__init__(*parts)
        self.expected, self.got, self.todo = parts

    def __str__(self) -> str:
        return f"expected {self.expected}; got {self.got}; {self.todo}"


def _shortened(part: str) -> str:
    """Its beginning and its end where it is too long for anybody to read."""
    half = LONGEST // 2 - 5
    return part if len(part) <= LONGEST else f"{part[:half]} ... {part[-half:]}"


class ConfigError(RetCLIPError):
    """A setting, flag or name that cannot be."""

    exit_code = 2


class NamesTooLong(ConfigError):
    """Class names of which a model would read the beginning only."""

    names: tuple[str, ...] = ()  # all of them, for those who can go on without


class DataError(RetCLIPError):
    """An image, annotation or class list that cannot be read."""

    exit_code = 3


class PluginError(RetCLIPError):
    """A plugin that cannot be used."""

    exit_code = 4


class PluginUnavailable(PluginError):
    """No such component, or the distribution that has it failed to load."""


class ContractBroken(PluginError):
    """A plugin returned something that its contract forbids."""


class PluginFailed(PluginError):
    """A plugin raised something that no photo is to blame for."""


class ShapeError(RetCLIPError):
    """An array with the wrong axes, dtype or range."""

    exit_code = 4


class StoreError(RetCLIPError):
    """The feature store cannot do what was asked."""

    exit_code = 5


class StoreMissing(StoreError):
    """There is no store at that place."""


class StoreBusy(StoreError):
    """Another process holds the store."""


class StoreBehind(StoreError):
    """The store's schema is not the one this program speaks."""


class StoreUnreachable(StoreError):
    """The database that holds the store's catalog does not answer."""


class StoreDamaged(StoreError):
    """A file or a row of the store is lost, cannot be read, or does not match its checksum."""


class SpaceMismatch(StoreError):
    """The store's vectors were made by another backbone, or another setting of it."""


class SpaceIncomplete(StoreError):
    """Segments of the store have no vector of this backbone yet."""


class WeightsMissing(RetCLIPError):
    """A weight file that is not on this machine."""

    exit_code = 6


class WeightsDamaged(RetCLIPError):
    """Weights that are not whole (tensors are missing, left over or of another shape), that cannot be read, or that are
    another file than the pinned one."""

    exit_code = 6


class PartsMissing(RetCLIPError):
    """Weights, plugins or data that a table of the paper needs and that are not on this machine."""

    exit_code = 6
    reproduction: object | None = None  # the unfilled table, with the complete list: retclip.Reproduction


class PartialFailure(RetCLIPError):
    """The work is done, but some inputs failed; they are listed with their reasons."""

    exit_code = 7


class Regression(RetCLIPError):
    """What was added made other classes worse than was allowed; it was taken back."""

    exit_code = 8
