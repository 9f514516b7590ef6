"""An open store with the components that work on it: what every walk begins with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

from retclip import config
from retclip.arguments import Classes, as_vocabulary
from retclip.components import Components
from retclip.errors import ConfigError, StoreError, StoreMissing, WeightsMissing
from retclip.opening import configured, store_options, votes
from retclip.plugin.manager import PluginManager
from retclip.store.feature_store import FeatureStore, StoreOptions
from retclip.store.records import VocabularyState
from retclip.types import Device
from retclip.workflows.segment.parts import Loaded, Parts

if TYPE_CHECKING:
    from retclip.plugin.contracts import Classifier, ImageSource
    from retclip.store.records import StoreClass
    from retclip.workflows.segment.vocabulary import PreparedVocabulary


class OpenStore:
    """Use `open`, and `close` it (or use it as a context manager). Components load on first use and stay."""

    def __init__(
        self,
        store: FeatureStore,
        settings: config.Settings,
        manager: PluginManager,
        passing: TemporaryDirectory[str] | None = None,
    ) -> None:
        self._store, self.components, self._passing = store, Components(settings, manager), passing
        self._closed = False
        self._parts: dict[tuple[bool, bool], Parts] = {}
        self._prepared: dict[str, tuple[VocabularyState, PreparedVocabulary]] = {}

    @classmethod
    def open(
        cls,
        store: str | PathLike[str],
        config_file: str | PathLike[str] | None = None,
        settings: Mapping[str, Any] | None = None,
        create: bool = False,
        missing_ok: bool = False,
        required: Callable[[Components], object] = lambda _: None,
        preset: str | None = None,
    ) -> Self:
        """Open the store in that folder; with `create`, make it where there is none. missing_ok: where no classifier
        votes with a store, go on without one. required: asked before a store that is not there is told or made; raises
        what else is missing, so that nobody makes a store first and learns of missing weights afterwards.

        settings: keys of retclip.toml as nested dicts, above file and environment, e.g. {"retrieval": {"k": 16}}.
        preset: a named set of settings, as `settings={"preset": ...}`, which it goes before.
        Raises StoreMissing, StoreBehind, ConfigError.
        """
        folder = Path(store)
        given = {**(settings or {}), "preset": preset} if preset is not None else settings
        chosen, manager = configured(folder, Path(config_file) if config_file else None, given)
        options, passing = store_options(chosen), None
        try:
            opened = FeatureStore.open(folder, options)
        except StoreMissing as error:
            needed = not create and (not missing_ok or votes(manager, chosen))
            _ask_first(required, Components(chosen, manager), f"; nor {error.expected}" if needed else "")
            if needed:
                raise
            passing = None if create else TemporaryDirectory(prefix="retclip-")
            where = Path(passing.name) if passing else folder
            opened = FeatureStore.create(where, options, exist_ok=True)  # another process may be making it, too
        return cls(opened, chosen, manager, passing)

    @classmethod
    def without_store(cls, config_file: Path | None = None, settings: Mapping[str, Any] | None = None) -> Self:
        """Components beside an empty store that passes with them: fine-tuning needs none. Raises ConfigError."""
        chosen, manager = configured(None, config_file, settings)
        passing = TemporaryDirectory(prefix="retclip-")
        opened = FeatureStore.create(Path(passing.name), StoreOptions(), exist_ok=True)
        return cls(opened, chosen, manager, passing)

    def __enter__(self) -> Self:
        _ = self.store
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        parts, state = self.settings.components, ", closed" if self._closed else ""
        models = f"{parts.proposer}, {parts.backbone}, {', '.join(parts.classifiers)}"
        return f"<{type(self).__name__} of {str(self._store.folder)!r}, preset {self.settings.preset}: {models}{state}>"

    @property
    def store(self) -> FeatureStore:
        """The open store. Raises StoreError after `close`."""
        if self._closed:
            got, todo = f"{self._store.folder}, which was closed", "open it again, or work inside the `with` block"
            raise StoreError("an open store", got, todo)
        return self._store

    def close(self) -> None:
        """Release the store. What was found in it stays: results can still be looked at, saved and explained."""
        self._closed = True
        self._store.close()
        if self._passing is not None:
            self._passing.cleanup()

    @property
    def settings(self) -> config.Settings:
        """What was set, of all sources together."""
        return self.components.settings

    @property
    def manager(self) -> PluginManager:
        """The plugins that are there."""
        return self.components.manager

    def component(self, kind: str, name: str, device: Device | None = None) -> Loaded[Any]:
        """A component by name, loaded once. kind: backbone, proposer, classifier or source."""
        return self.components.component(kind, name, device)

    def parts(self, building: bool = False, idle: bool = False) -> Parts:
        """Store and components for a workflow; a build has its own proposer and needs no classifier. idle: others do
        the work, so that the models here only say what they are, and leave the GPU alone."""
        store = self.store  # an error after `close`, whatever was loaded before
        if (building, idle) not in self._parts:
            self._parts[building, idle] = self._new_parts(store, building, Device() if idle else None)
        return self._parts[building, idle]

    def _new_parts(self, store: FeatureStore, building: bool, device: Device | None) -> Parts:
        models = self.components.models(building, device)
        classifiers = () if building else self._classifiers(self.settings.components.classifiers)
        return Parts(**vars(models), store=store, classifiers=classifiers, reader=self.components.reader)

    def source(self, address: str) -> ImageSource:
        """The image source behind `reader:path?split=NAME`."""
        return self.components.source(address)

    def classes(self) -> list[StoreClass]:
        """The store's classes with their segment counts."""
        return self.store.classes.all()

    def prepared(self, classes: Classes) -> PreparedVocabulary:
        """A vocabulary matched with the store and encoded, kept for the next image while the store says the same of all
        names: another process may change it."""
        vocabulary = as_vocabulary(classes)
        key, now = vocabulary.digest if vocabulary else "", self.store.vocabulary_state()
        kept = self._prepared.get(key)
        if kept is None or kept[0] != now:
            parts = self.parts()
            from retclip.workflows.segment.vocabulary import prepare

            kept = self._prepared[key] = now, prepare(parts, vocabulary)
        return kept[1]

    def _classifiers(self, names: Sequence[str]) -> tuple[Loaded[Classifier], ...]:
        if not names:
            raise ConfigError("at least one classifier", "none", "set components.classifiers or --classifier")
        return tuple(self.component("classifier", name) for name in names)


def _ask_first(required: Callable[[Components], object], components: Components, also: str) -> None:
    """also: what else is not there, told beside missing weights."""
    try:
        required(components)
    except WeightsMissing as error:
        raise WeightsMissing(error.expected, error.got + also, error.todo) from error
