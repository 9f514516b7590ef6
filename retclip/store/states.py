"""The words that rows and their readers share: of runs, units, labels, decisions, events and indexes.

Each is typed once, here: tables check them by these lists, and a word that is not among them is refused instead of
being stored, or meaning something else. What stands in a migration stays as it was when it was written.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NoReturn

from retclip.errors import ConfigError


class Word(StrEnum):
    """One of a few words. Raises ConfigError for any other."""

    @classmethod
    def _missing_(cls, value: object) -> NoReturn:
        words = ", ".join(cls)
        raise ConfigError(f"one of the words of {cls.__name__}: {words}", repr(value), "choose one of these")


class RunKind(Word):
    """What a run is for."""

    BUILD = "build"
    CLASS_ADD = "class_add"
    CLASS_FILL = "class_fill"  # from the fallback data set
    ADD_SPACE = "add_space"  # makes no segment, only vectors


class RunState(Word):
    """How far a run is."""

    RUNNING = "running"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class UnitState(Word):
    """How far a unit of work is. One that nobody has taken yet has no row."""

    LEASED = "leased"
    FINISHED = "finished"
    FAILED = "failed"


class LabelSource(Word):
    """Who gave a segment its label."""

    ANNOTATION = "annotation"
    DETECTOR = "detector"
    ASSIGNED = "assigned"  # by what the mask looks like, of the classes that its photo is said to show
    PERSON = "person"


class GapReason(Word):
    """Why a segment is let go without a vector in a space."""

    MASK = "mask"  # it meets no cell of that backbone's features
    PHOTO = "photo"  # its photo could not be used, and a person accepted that


class Action(Word):
    """What an event did."""

    BUILD = "build"
    ADD = "class.add"
    FILL = "class.fill"  # from the fallback data set
    RENAME = "class.rename"
    ALIAS = "class.alias"
    MERGE = "class.merge"
    REMOVE = "class.remove"
    RELABEL = "segment.relabel"
    QUARANTINE = "segment.quarantine"
    RELEASE = "segment.release"
    REPAIR = "repair"  # what lost its vector is out of sight until it is made again
    UNDO = "undo"


class Decision(Word):
    """What was decided about a match of a name with a class."""

    AUTO = "auto"  # by the rule
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class IndexKind(Word):
    """Which engine answers what is near."""

    EDGE = "edge"
    SERVER = "server"
    RESIDENT = "resident"


class IndexState(Word):
    """What a version of a space's index is good for."""

    BUILDING = "building"
    ACTIVE = "active"
    RETIRING = "retiring"
    DROPPED = "dropped"
