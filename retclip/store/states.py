"""The words that rows and their readers share: of runs, units, labels, decisions, events and indexes.

Each is typed once, here: tables check them by these lists, and any other word is refused. A migration keeps its own
copy, as of the day it was written.
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
    """The purpose of a run."""

    BUILD = "build"
    CLASS_ADD = "class_add"
    CLASS_FILL = "class_fill"  # from the fallback data set
    CLASS_IMPORT = "class_import"  # from a class file
    ADD_SPACE = "add_space"  # makes no segment, only vectors


CLASS_FILE = "class-file:"  # begins the source of a run that stored a class file without its photos


class RunState(Word):
    """The state of a run."""

    RUNNING = "running"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class UnitState(Word):
    """The state of a unit of work. One that nobody has leased yet has no row."""

    LEASED = "leased"
    FINISHED = "finished"
    FAILED = "failed"


class LabelSource(Word):
    """The origin of a segment's label."""

    ANNOTATION = "annotation"
    DETECTOR = "detector"
    ASSIGNED = "assigned"  # by what the mask looks like, of the classes that its photo is said to show
    PERSON = "person"


class SegmentStatus(Word):
    """The status of a segment as people read it."""

    VISIBLE = "visible"  # it may be in an answer
    QUARANTINED = "quarantined"  # a person keeps it out of every answer
    RETIRED = "retired"  # its image does not show it any more, its class was removed, or its image is being deleted


class GapReason(Word):
    """The reason why a segment's vector is waived in a space."""

    MASK = "mask"  # it meets no cell of that backbone's features
    PHOTO = "photo"  # its photo could not be used, and a person accepted that


class Action(Word):
    """The action of an event."""

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
    RETIRE = "segment.retire"
    REJECT = "segment.reject"  # it is not of a class
    REPAIR = "repair"  # a segment without its vector is retired until it is made again
    UNDO = "undo"


class LinkFault(Word):
    """The fault of a link of the chain of events, or of its rows."""

    CHANGED = "changed"
    MISSING = "missing"
    INSERTED = "inserted"
    REORDERED = "reordered"


class Decision(Word):
    """The decision about a match of a name with a class."""

    AUTO = "auto"  # by the rule
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class IndexKind(Word):
    """The engine that searches neighbours."""

    EDGE = "edge"
    SERVER = "server"
    RESIDENT = "resident"


class IndexState(Word):
    """The state of a version of a space's index."""

    BUILDING = "building"
    ACTIVE = "active"
    RETIRING = "retiring"
    DROPPED = "dropped"
