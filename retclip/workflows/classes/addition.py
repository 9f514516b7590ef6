"""A class that is to be added: its name, the sources that show it, and what is known of it beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from retclip.data.class_list import vocabulary_of
from retclip.data.source_view import SourceView
from retclip.names import name_key
from retclip.plugin.contracts import PERSON, SAID_BY, ImageSource, SourceClass, SourceImage

if TYPE_CHECKING:
    from retclip.workflows.building.build_loop import BuildReport
    from retclip.workflows.classes.regression_figures import RegressionReport


@dataclass(frozen=True)
class Addition:
    """A class that is to be added.

    name: as it will be asked for.
    sources: what it is added from, each source with its address.
    is_thing: whether the class is countable; None = the sources decide, or nobody.
    proposer: full name of the proposer that makes masks of what a person marked; "" = the build's own.
    against: what the sources show is not of the class: it counts against it, and never votes for it.

    Raises DataError for a name that nobody could ask for later.
    """

    name: str
    sources: Sequence[tuple[ImageSource, str]]
    is_thing: bool | None = None
    proposer: str = ""
    against: bool = False

    def __post_init__(self) -> None:
        (name,) = vocabulary_of([self.name]).names
        object.__setattr__(self, "name", name)

    @property
    def kind(self) -> bool | None:
        """Whether the class is countable, by the person or else by the first source that states it."""
        if self.is_thing is not None:
            return self.is_thing
        classes = (source_class for source, _ in self.sources for source_class in source.classes())
        stated = (source_class.is_thing for source_class in classes if self.is_called(source_class.name))
        return next((is_thing for is_thing in stated if is_thing is not None), None)

    def is_called(self, *names: str) -> bool:
        """Return whether one of those names is the class's."""
        return name_key(self.name) in map(name_key, names)

    def shown_in(self, source: ImageSource) -> ImageSource:
        """Return the source with every photo showing the class where nobody annotated it, and with the class's kind
        where only the person knows it.
        """
        if not source.classes():
            return SourceView(source, (SourceClass(self.name, self.is_thing),), _said_by_a_person)
        if self.is_thing is None:
            return source
        return SourceView(source, [self._with_kind(source_class) for source_class in source.classes()])

    def _with_kind(self, source_class: SourceClass) -> SourceClass:
        without_kind = self.is_called(source_class.name) and source_class.is_thing is None
        return replace(source_class, is_thing=self.is_thing) if without_kind else source_class


@dataclass(frozen=True)
class AdditionReport:
    """The result of an addition.

    runs: the builds, one per source.
    events: of the additions, for `retclip undo`.
    undone: the events of the roll-back; empty where the class stayed.
    taken_back: the events of an earlier addition of the class whose process died, which were undone first.
    check: the changes on the probe; None without one.
    """

    runs: tuple[BuildReport, ...]
    events: tuple[int, ...]
    undone: tuple[int, ...] = ()
    taken_back: tuple[int, ...] = ()
    check: RegressionReport | None = None

    @property
    def kept(self) -> bool:
        """Whether the class stayed."""
        return not self.undone

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {"kept": self.kept, **asdict(self), "check": self.check and self.check.as_dict()}


def _said_by_a_person(record: SourceImage) -> SourceImage:
    return replace(record, extra={**record.extra, SAID_BY: PERSON})
