"""What can be done with the classes, the decisions about names and the feature spaces of an open store.

`memory.classes`, `memory.matches` and `memory.spaces` of `engine.RetCLIP`; the methods are called as the commands of
`retclip class`, `retclip fallback` and `retclip store` are. Who changes something is the memory's `actor`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retclip.errors import ConfigError, DataError
from retclip.plugin.checked_source import CheckedSource
from retclip.progress import OnProgress, Progress, silent
from retclip.settings_file import lasting, write_settings

if TYPE_CHECKING:
    from retclip.session import Session
    from retclip.store.records import ClassMatch, Edit, HistoryEvent, SpaceState, StoreClass
    from retclip.workflows.building.add_space import AddSpaceReport
    from retclip.workflows.classes.addition import Addition, AdditionReport
    from retclip.workflows.classes.fill_report import FillReport
    from retclip.workflows.classes.look_up import Filling
    from retclip.workflows.classes.marks import Marks
    from retclip.workflows.exchange.export_classes import ExportReport
    from retclip.workflows.exchange.import_report import ImportReport

Source = str | PathLike[str] | CheckedSource


class Classes:
    """The classes of a store, `memory.classes`. Each change is one event, which `memory.undo` takes back."""

    def __init__(self, session: Session, actor: str) -> None:
        self._session, self._actor = session, actor

    def __iter__(self) -> Iterator[StoreClass]:
        return iter(self.list())

    def list(self) -> tuple[StoreClass, ...]:
        """The classes with how many segments and images stand behind each. Raises StoreError."""
        return tuple(self._session.store.classes.all())

    def add(
        self,
        name: str,
        sources: Source | Sequence[Source],
        thing: bool | None = None,
        marks: Marks | None = None,
        check: Source | None = None,
        max_regression: float | None = None,
        on_progress: OnProgress = silent,
    ) -> AdditionReport:
        """Store the segments of `sources` that show a class: no training, and the next `segment` knows it.

        sources: annotated sources (reader:path?split=NAME), or photos, folders and globs.
        thing: whether it is countable; None where the sources say it, or nobody does (then it counts as a thing).
        marks: how plain photos show it; None where the build's proposer finds it by name.
        check: images that are segmented before and after, for the report.
        max_regression: percentage points, [0, 100], that an old class may lose on `check`, in IoU where it is
        annotated, else of its pixels; where one loses more, all is taken back and `report.kept` is False.
        Raises DataError, ConfigError, PluginError, WeightsMissing, StoreError.
        """
        require_probe(check, max_regression)
        return self.carry_out(self.plan(name, sources, thing, marks), check, max_regression, on_progress)

    def plan(
        self, name: str, sources: Source | Sequence[Source], thing: bool | None = None, marks: Marks | None = None
    ) -> Addition:
        """Open what `add` would add from, and look it through; nothing is stored before `carry_out`.

        Raises DataError where a source has no photo, or photos that do not say where the class is.
        """
        from retclip.data.source_address import shown_address
        from retclip.workflows.classes.addition import Addition
        from retclip.workflows.classes.marks import Marks

        several = list(sources) if isinstance(sources, Sequence) and not isinstance(sources, str) else [sources]
        source_addresses = [fspath(source) for source in several if isinstance(source, str | PathLike)]
        opened = [source for source in several if isinstance(source, CheckedSource)]
        addresses = (marks or Marks()).addresses(source_addresses, name) if source_addresses else ()
        opened += [self._session.components.source(address) for address in addresses]
        proposer = self._masks_by(marks)
        self._check_photos(opened, proposer or self._session.settings.build.proposer)
        return Addition(name, [(source, shown_address(source.address)) for source in opened], thing, proposer)

    def add_negatives(
        self,
        name: str,
        sources: Source | Sequence[Source],
        marks: Marks | None = None,
        on_progress: OnProgress = silent,
    ) -> AdditionReport:
        """Store what `sources` show as negative examples of a class: it never votes, and only that of the class votes
        which is nearer to a mask.

        sources, marks: as `add` takes them; what they mark as the class is what is *not* of it.
        Raises DataError for a class that the store does not have, and what `add` raises.
        """
        return self.carry_out(self.plan_negatives(name, sources, marks), on_progress=on_progress)

    def plan_negatives(self, name: str, sources: Source | Sequence[Source], marks: Marks | None = None) -> Addition:
        """Open what `add_negatives` would add from. Raises DataError for an unknown class, and what `plan` raises."""
        if self._session.store.classes.id_of(name) is None:
            known = ", ".join(row.name for row in self.list()) or "none"
            raise DataError("a class of the store that something is not", repr(name), f"choose one of: {known}")
        return replace(self.plan(name, sources, None, marks), against=True)

    def carry_out(
        self,
        addition: Addition,
        check: Source | None = None,
        max_regression: float | None = None,
        on_progress: OnProgress = silent,
    ) -> AdditionReport:
        """Add what `plan` returned. The other arguments are those of `add`, and it raises what `add` raises."""
        require_probe(check, max_regression)
        from retclip.workflows.classes.add_class import add_class
        from retclip.workflows.classes.checked_addition import Gate, add_class_checked

        session = self._session.building_with(addition.proposer) if addition.proposer else self._session
        remember_first(self._session, on_progress)
        if check is None:
            return add_class(session.builder(), addition, on_progress)
        gate = Gate(opened(self._session, check), max_regression, self._actor)
        return add_class_checked(session.builder(), session.segmenter(), addition, gate, on_progress)

    def _check_photos(self, sources: Sequence[CheckedSource], proposer_name: str) -> None:
        """Raise DataError where a source has no photo, or photos of which the proposer makes no masks."""
        from retclip.passed_over import by_reason, passed_over_by
        from retclip.workflows.building.source_classes import require_annotation
        from retclip.workflows.classes.add_class import UNMARKED

        proposer = self._session.components.manager.find("proposer", proposer_name)
        for source in sources:
            if not len(source):
                beside = by_reason(passed_over_by(source).counts)
                got = f"none in {source.address}" + (f"; passed over: {beside}" if beside else "")
                raise DataError("at least one photo", got, "name photos, folders, globs or sources")
            provides = proposer.component.provides
            require_annotation(source, source.address, proposer.full_name, provides, UNMARKED)

    def _masks_by(self, marks: Marks | None) -> str:
        """Return the proposer that makes masks of what is marked; "" = the build's own. One that the memory was opened
        with (`build.proposer`) goes before the one for such marks."""
        components = self._session.components
        model = marks.masks_by(components.has_model) if marks else ""
        return model and str(components.given.get("build", {}).get("proposer") or model)

    def rename(self, old: str, new: str) -> Edit:
        """Give a class another name; the old one stays as an alias. Raises DataError for an unknown class or a name
        that another class has."""
        return self._session.store.classes.rename(old, new, self._actor)

    def alias(self, name: str, alias: str) -> Edit:
        """Give a class one more name. Raises DataError for an unknown class or a name that is taken."""
        return self._session.store.classes.add_alias(name, alias, self._actor)

    def merge(self, name: str, into: str) -> Edit:
        """Give every segment of a class to another one, which its name means from now on. Raises DataError."""
        return self._session.store.classes.merge(name, into, self._actor)

    def remove(self, name: str) -> Edit:
        """Retire the segments of a class; it may be added again. Raises DataError for an unknown class."""
        return self._session.store.classes.remove(name, self._actor)

    def export(
        self, file: str | PathLike[str], names: str | Sequence[str] | None = None, backbone: str | None = None
    ) -> ExportReport:
        """Write segments of classes into a class file: labels, masks, vectors and origin, no photos.

        file: its name ends in .zip; one that is there is replaced, where RetCLIP wrote it.
        names: of classes, None = every class that has a segment.
        backbone: whose vectors, where the store holds several spaces; None = the first build's.
        Raises DataError for an unknown class, or one without segments; ConfigError for a file of somebody else's;
        SpaceMismatch, StoreError.
        """
        from retclip.workflows.exchange.export_classes import export_classes

        store = self._session.store
        space = store.spaces.of_backbone(backbone) if backbone is not None else None
        return export_classes(store, [names] if isinstance(names, str) else names, Path(file), space)

    def import_(
        self,
        file: str | PathLike[str],
        photos: Source | None = None,
        recompute: bool = False,
        dry_run: bool = False,
        on_progress: OnProgress = silent,
    ) -> ImportReport:
        """Store the segments of a class file that the store does not have: one event. Nothing that is there changes.

        file: a path, package:NAME/PATH, or the name of a class file that a plugin brings.
        photos: a source, folder or glob with the file's photos, known by their bytes, where they are at hand: their
        places are written down, so that explanations show them.
        recompute: make the vectors anew from `photos` with the store's own backbone.
        dry_run: only tell what would be stored.
        Raises DataError for a file that is foreign or damaged; SpaceMismatch where its vectors are of another space;
        ConfigError, PluginError, WeightsMissing, StoreError.
        """
        if recompute and photos is None:
            raise ConfigError("--photos SOURCE beside --recompute", "none", "name the folder or source of the photos")
        from retclip.data.class_file.reading import read_class_file
        from retclip.data.source_address import shown_address
        from retclip.workflows.exchange.import_classes import ImportOptions, import_classes

        session = self._session
        store, components, settings = session.store, session.components, session.settings
        source = opened(session, photos) if photos is not None else None
        options = ImportOptions(
            fspath(file), source, shown_address(source.address) if source is not None else "", recompute, dry_run,
            settings.build.commit_images, settings.weights.place,
        )  # fmt: skip
        name = settings.components.keys or settings.components.backbone
        contents, first = read_class_file(components.class_file(fspath(file))), store.spaces.first() is None
        keys = partial(components.component, "backbone", name)
        done = import_classes(store, contents, keys, options, on_progress)
        if first and done.event is not None:
            remember(session, lasting(components.given), "these settings", on_progress)
        return done

    def history(self, name: str | None = None) -> tuple[HistoryEvent, ...]:
        """The events of one class, also of one that is gone; None = of every class. Raises DataError for a name that no
        class ever had."""
        return tuple(self._session.store.classes.history(name))


class Matches:
    """The decisions which class stands for a name, `memory.matches`."""

    def __init__(self, session: Session, actor: str) -> None:
        self._session, self._actor = session, actor

    def list(self, query: str | None = None) -> tuple[ClassMatch, ...]:
        """The decisions that hold, about one name or all."""
        every = self.history(query)
        gone = {match.supersedes for match in every}
        return tuple(match for match in every if match.id not in gone)

    def history(self, query: str | None = None) -> tuple[ClassMatch, ...]:
        """Every decision about a name, or all names, also those that a later one took the place of."""
        return tuple(self._session.store.matches.history(query))

    def accept(self, query: str, reason: str = "") -> ClassMatch:
        """Confirm the newest decision about a name, or take its rejection back. Raises DataError where there is
        none."""
        return self._session.store.matches.accept(query, self._actor, reason)

    def reject(self, query: str, reason: str = "") -> Edit:
        """Say that the newest decision about a name does not count; what it fetched is taken back. Raises DataError
        where there is none."""
        return self._session.store.matches.reject(query, self._actor, reason)

    def map(self, query: str, name: str, reason: str = "", on_progress: OnProgress = silent) -> FillReport:
        """Say which class stands for a name, whatever was decided before.

        name: a class of the store, or of the fallback data set, whose photos are fetched now.
        Raises DataError where neither has it, or where the store has segments of `query` that no fill made.
        """
        filling = filling_of(self._session)
        from retclip.workflows.classes.map_class import map_class

        return map_class(filling, query, name, self._actor, reason, on_progress)


class Spaces:
    """The feature spaces of a store, `memory.spaces`: the backbones whose vectors it holds."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def list(self) -> tuple[SpaceState, ...]:
        """Every space, the first build's first, with how many segments have a vector in it, lack it, or go without."""
        return tuple(self._session.store.spaces.all())

    def add(
        self, backbone: str | None = None, accept_failed: bool = False, on_progress: OnProgress = silent
    ) -> AddSpaceReport:
        """Make another backbone's vectors of what is stored, from its photos and masks; the others stay as they are.

        backbone: its name (None = the one that the settings choose).
        accept_failed: let segments whose photo cannot be used go without a vector.
        Raises StoreMissing for an empty store, StoreBusy, PluginError, WeightsMissing.
        """
        session = self._session
        store, components, settings = session.store, session.components, session.settings
        name = self.backbone(backbone)
        loaded = components.component("backbone", name)  # what cannot be loaded must not be written down
        if store.spaces.first() is not None:
            self._remember(name, loaded.component.space, on_progress)
        from retclip.workflows.building.add_space import add_space

        images, place = settings.build.commit_images, settings.weights.place
        return add_space(store, loaded, components.source, images, accept_failed, on_progress, place)

    def backbone(self, backbone: str | None = None) -> str:
        """The full name of the backbone that `add` would take. Raises PluginUnavailable, WeightsMissing."""
        components, components_section = self._session.components, self._session.settings.components
        info = components.manager.find("backbone", backbone or components_section.keys or components_section.backbone)
        components.manager.require_weights([info], components.settings.of_component)
        return info.full_name

    def _remember(self, name: str, new_space: Any, on_progress: OnProgress) -> None:
        """Write down what the vectors are made with, so that the backbone's name alone is enough later. Where another
        space is of the same backbone, one of the two must be asked with its settings."""
        session = self._session
        other_spaces = [state.space for state in session.store.spaces.all() if state.space.id != new_space.id]
        own_settings = session.settings.of_component(name)
        if any(space.backbone == new_space.backbone for space in other_spaces):
            message = f"the store holds several spaces of {name}: ask this one with the same --set flags"
            on_progress(Progress("add-space", message=message))
        elif own_settings:
            plugin, component = name.split(".", 1)
            remember(session, {"plugin": {plugin: {component: own_settings}}}, f"the settings of {name}", on_progress)


def require_probe(check: Source | None, max_regression: float | None) -> None:
    """Raise ConfigError for a limit of what old classes may lose without images to compare on."""
    if max_regression is not None and check is None:
        raise ConfigError("--check PROBE beside --max-regression", "none", "name the images to compare on")


def filling_of(session: Session) -> Filling:
    """Return the tools of a fill: the parts of a build, and the backbone that compares names."""
    parts, components = session.builder(), session.components
    from retclip.workflows.classes.look_up import Filling

    reader = components.component("backbone", session.settings.components.backbone)
    return Filling(parts, reader, components.source)


def remember_first(session: Session, on_progress: OnProgress) -> None:
    """Write what an empty store is filled with into its retclip.toml; one that has vectors keeps its own."""
    if session.store.spaces.first() is None:
        remember(session, lasting(session.components.given), "these settings", on_progress)


def remember(session: Session, chosen: Mapping[str, Any], subject: str, on_progress: OnProgress) -> None:
    """Write settings into the store's retclip.toml, which whoever opens the store next works with.

    subject: the settings in words, for the message where an earlier file is kept beside it.
    """
    folder = session.store.folder
    earlier = write_settings(folder, chosen, session.components.file, session.settings.preset)
    if earlier:
        message = f"wrote {subject} into {folder / 'retclip.toml'}; as it was: {earlier.name}"
        on_progress(Progress("settings", message=message))


def opened(session: Session, source: Source) -> CheckedSource:
    """Return the source behind an address. Raises DataError, ConfigError, PluginError."""
    return session.components.source(source if isinstance(source, CheckedSource) else fspath(source))
