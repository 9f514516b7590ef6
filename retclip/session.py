"""The composition root: settings become plugins, plugins become components, and components work over a store.

`Components` needs no store: a worker in another process has it, too, and so has an engine of a preset that reads names.
`Session` is components over an open store, or over none; what a user does with it are the methods of `engine.RetCLIP`.
"""

from __future__ import annotations

import getpass
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from retclip import config, limits
from retclip.data.inputs import Classes, as_vocabulary
from retclip.device import choose
from retclip.errors import ConfigError, PluginUnavailable, StoreError, StoreMissing, WeightsMissing
from retclip.plugin.checked_source import CheckedSource
from retclip.plugin.contracts import LEVELS, NEIGHBOURS
from retclip.plugin.local_files import PACKAGE, local_file
from retclip.plugin.manager import PluginManager, checked_settings, text_threshold
from retclip.plugin.pairing import Capable, check_pairing, needs_store
from retclip.plugin.weights import files_used
from retclip.store.feature_store import FeatureStore, StoreOptions
from retclip.store.records import ACTOR_WIDTH
from retclip.store.states import IndexKind
from retclip.types import Device
from retclip.workflows.segment.parts import Loaded, Models, Parts, PreparedVocabulary, Segmenter

if TYPE_CHECKING:
    from retclip.plugin.contracts import Backbone, MaskProposer
    from retclip.store.records import VocabularyState


CLASS_FILE_SUFFIX = ".zip"


def plugins_of(settings: config.Settings) -> PluginManager:
    """Return the plugins that the settings allow. Raises PluginUnavailable for a failed one, where the settings are
    strict.
    """
    section = settings.plugins
    return PluginManager.discover(section.disabled, strict=section.strict, cache=settings.weights.place)


def store_options(settings: config.Settings) -> StoreOptions:
    """Return the store's options from the settings."""
    section = settings.store
    index = IndexKind(section.index)
    resident = choose(settings.device).torch_device if index is IndexKind.RESIDENT else "cpu"
    return StoreOptions(
        database=section.database.get_secret_value(), index=index, qdrant_url=section.qdrant_url,
        qdrant_api_key=section.qdrant_api_key.get_secret_value(), qdrant_timeout=section.qdrant_timeout,
        exact_below=section.exact_below, device=resident,
    )  # fmt: skip


def account() -> str:
    """Return the user's account name, which events record."""
    try:
        return getpass.getuser()[:ACTOR_WIDTH]
    except (KeyError, OSError):  # an account without a name, as in some containers
        return "unknown"


class Components:
    """The components that the settings name. Plugins are discovered on first use; loaded components are cached.

    given: the settings that were not read from a file or the environment.
    file: the settings file that was read.
    """

    def __init__(
        self, settings: config.Settings, given: Mapping[str, Any] | None = None, file: Path | None = None
    ) -> None:
        self.settings, self.given, self.file = settings, dict(given or {}), file
        limits.use(settings.limits.limits)  # of this process, which may be a worker
        self._loaded: dict[tuple[str, str, Device], Loaded[Any]] = {}

    @classmethod
    def configured(
        cls,
        folder: Path | None,
        config_file: str | Path | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Components:
        """Return the components of a settings file, overridden by `settings`.

        folder: of the store, whose own file is read where no other is named.
        Raises ConfigError.
        """
        file = config.find_file(folder, Path(config_file) if config_file else None)
        return cls(config.load(file, settings), settings, file)

    @cached_property
    def manager(self) -> PluginManager:
        """The installed plugins. Raises PluginUnavailable, and ConfigError for settings of an unknown one."""
        manager = plugins_of(self.settings)
        manager.check_names(self.settings.plugin)
        return manager

    def building_with(self, proposer: str) -> Components:
        """Return the same components with another proposer for builds; loaded ones are shared."""
        build = self.settings.build.model_copy(update={"proposer": proposer})
        rebuilt = Components(self.settings.model_copy(update={"build": build}), self.given, self.file)
        rebuilt.manager, rebuilt._loaded = self.manager, self._loaded
        return rebuilt

    @property
    def voters(self) -> tuple[str, ...]:
        """The names of the classifiers that vote with the store."""
        names = self.settings.components.classifiers
        return tuple(name for name in names if NEIGHBOURS in self.manager.find("classifier", name).component.needs)

    @property
    def needs_store(self) -> bool:
        """Whether there must be a store: a database is set, or a classifier votes that `segment.without_store` does not
        leave out.
        """
        if self.settings.store.database.get_secret_value():
            return True
        infos = [self.manager.find("classifier", name) for name in self.settings.components.classifiers]
        return needs_store([info.component.needs for info in infos], self.settings.segment.without_store)

    def has_model(self, proposer: str) -> bool:
        """Return whether a proposer is installed, with the weights that its settings name."""
        try:
            self.manager.require_weights([self.manager.find("proposer", proposer)], self.settings.of_component)
        except (PluginUnavailable, WeightsMissing):
            return False
        return True

    def component(self, kind: str, name: str, device: Device | None = None) -> Loaded[Any]:
        """Return a component by name, loaded once on each device.

        kind: backbone, proposer, classifier, source or class_file.
        device: None = the one in the settings.
        """
        info = self.manager.find(kind, name)
        device = device or choose(self.settings.device, kind)
        key = kind, info.full_name, device
        if key not in self._loaded:
            values = self.settings.of_component(info.full_name)
            with files_used() as files:
                component = self.manager.load(kind, info.full_name, values, device)
            settings = info.component.settings(**values).model_dump(mode="json")
            provides, needs = info.component.provides, info.component.needs
            threshold = text_threshold(info, info.component.settings(**values))
            self._loaded[key] = Loaded(
                info.full_name,
                info.version,
                component,
                device,
                settings,
                provides,
                needs,
                files,
                threshold,
                info.distribution,
            )
        return self._loaded[key]

    def models(self, building: bool, device: Device | None = None) -> Models:
        """Return backbone and proposer for a workflow; a build has its own proposer.

        device: as in `component`.
        Raises ConfigError, WeightsMissing and PluginUnavailable before anything is loaded.
        """
        backbone, keys, proposer = self._roles(building)
        self.require(building)
        return Models(
            cast("Loaded[Backbone]", self.component("backbone", backbone, device)),
            cast("Loaded[MaskProposer]", self.component("proposer", proposer, device)),
            self.settings,
            cast("Loaded[Backbone]", self.component("backbone", keys, device)) if keys else None,
        )

    def require(self, building: bool) -> None:
        """Check that the components for building, or segmenting, fit together and their weights are here; nothing is
        loaded.

        Raises ConfigError, WeightsMissing and PluginUnavailable.
        """
        backbone, keys, proposer = self._roles(building)
        classifiers = () if building else self.settings.components.classifiers
        names = (("backbone", backbone), ("proposer", proposer), *(("classifier", name) for name in classifiers))
        infos = [self.manager.find(kind, name) for kind, name in names]
        first, *further = (Capable(info.full_name, info.component.provides, info.component.needs) for info in infos)
        check_pairing(first, further)
        second = [self.manager.find("backbone", keys)] if keys else []
        self.manager.require_weights([*infos, *second], self.settings.of_component)

    def reader(self, address: str) -> dict[str, str]:
        """Return name and version of the source that reads an address, full or shortened
        (`source_address.shown_address`).
        """
        from retclip.data.source_address import reader_of

        info = self.manager.find("source", reader_of(address))
        return {"name": info.full_name, "version": info.version}

    def class_file(self, name_or_path: str) -> Path:
        """Return the path of a class file.

        name_or_path: a path, `package:NAME/PATH`, or the name of a class file that a plugin brings.

        Raises PluginUnavailable for a name that is neither, WeightsMissing for a package that is not here.
        """
        is_path = (
            Path(name_or_path).exists()
            or Path(name_or_path).suffix == CLASS_FILE_SUFFIX
            or len(Path(name_or_path).parts) > 1
        )
        if is_path or name_or_path.startswith(PACKAGE):
            return local_file(name_or_path)
        of_plugin = [info.full_name for info in self.manager.components("class_file") if info.plugin == name_or_path]
        full_name = of_plugin[0] if len(of_plugin) == 1 else name_or_path
        return Path(self.component("class_file", full_name, Device()).component.path)

    def source(self, address: str | CheckedSource) -> CheckedSource:
        """Return the checked image source behind `reader:path?split=NAME`; an open one is returned unchanged.

        The section `data` applies to every reader that has such a setting, unless its own section or the address
        overrides it.
        """
        from retclip.data.source_address import parse_address

        if isinstance(address, CheckedSource):
            return address
        reader, options = parse_address(address)
        info = self.manager.find("source", reader)
        fields, section = info.component.settings.model_fields, self.settings.data
        shared = {key: getattr(section, key) for key in section.model_fields_set if key in fields}
        merged = config.merged(config.merged(shared, self.settings.of_component(info.full_name)), options)
        checked = checked_settings(info, merged)
        loaded = self.manager.load("source", info.full_name, merged, Device())
        source = CheckedSource(loaded, info.full_name, address, checked)
        source.classes()
        return source

    def _roles(self, building: bool) -> tuple[str, str, str]:
        """Return the names of backbone, second backbone ("" = none) and proposer."""
        names = self.settings.components
        proposer = self.settings.build.proposer if building else names.proposer
        backbone, keys = names.backbone, names.keys if names.keys != names.backbone else ""
        if building and keys and LEVELS not in self.manager.find("proposer", proposer).component.needs:
            return keys, "", proposer  # nobody would look at the first one's features
        return backbone, keys, proposer


class Session:
    """Components over an open store, or over none; they are loaded on first use and cached."""

    def __init__(self, components: Components, store: FeatureStore | None = None) -> None:
        self.components, self._store, self.closed = components, store, False
        self._segmenter: Segmenter | None = None
        self._builders: dict[bool, Parts] = {}
        self._prepared: dict[str, tuple[VocabularyState | None, PreparedVocabulary]] = {}

    @classmethod
    def open(
        cls,
        folder: Path | None,
        components: Components,
        create: bool = False,
        missing_ok: bool = False,
        required: Callable[[Components], object] = lambda _: None,
    ) -> Session:
        """Open the store in that folder.

        folder: None = no store.
        create: make it where there is none.
        missing_ok: continue without a store where none is needed.
        required: called before a missing store is reported or made; it raises for what else is missing, so that nobody
        makes a store first and learns of missing weights afterwards.
        Raises StoreMissing, StoreBehind, ConfigError.
        """
        if folder is None:
            return cls(components)
        options = store_options(components.settings)
        try:
            return cls(components, FeatureStore.open(folder, options))
        except StoreMissing as error:
            needed = not create and (not missing_ok or components.needs_store)
            _ask_first(required, components, f"; nor {error.expected}" if needed else "")
            if needed:
                raise
        if not create:
            return cls(components)
        return cls(components, FeatureStore.create(folder, options, exist_ok=True))  # another process may make it, too

    @property
    def settings(self) -> config.Settings:
        """The settings in effect, from all sources."""
        return self.components.settings

    @property
    def folder(self) -> Path | None:
        """The store's folder, None without one."""
        return None if self._store is None else self._store.folder

    @property
    def store(self) -> FeatureStore:
        """The open store. Raises StoreMissing where there is none, StoreError after `close`."""
        if self._store is None:
            todo = 'name its folder: retclip.open("store"), --store; `create=True` or `retclip init` makes one'
            raise StoreMissing("an open store", "an engine without one", todo)
        self._require_open()
        return self._store

    def without_store(self) -> FeatureStore | None:
        """Return the store, None where there is none. Raises StoreError after `close`."""
        self._require_open()
        return self._store

    def _require_open(self) -> None:
        if self.closed:
            owner = "an engine" if self._store is None else str(self._store.folder)
            todo = "open it again, or work inside the `with` block"
            raise StoreError("an open store", f"{owner}, which was closed", todo)

    def close(self) -> None:
        """Release the store. What was found in it stays: results can still be looked at, saved and explained."""
        self.closed = True
        if self._store is not None:
            self._store.close()

    def building_with(self, proposer: str) -> Session:
        """Return a session of the same store with another proposer for builds."""
        return Session(self.components.building_with(proposer), self.without_store())

    def segmenter(self) -> Segmenter:
        """Return what segmenting works with.

        Raises ConfigError, WeightsMissing, PluginUnavailable, and StoreMissing where a classifier votes with a store
        and there is none.
        """
        store = self.without_store()  # an error after `close`, whatever was loaded before
        if self._segmenter is None:
            names = self.settings.components.classifiers
            if not names:
                raise ConfigError("at least one classifier", "none", "set components.classifiers or --classifier")
            models = self.components.models(building=False)
            if store is None and self.components.needs_store:
                _ = self.store
            if store is None:
                names = tuple(name for name in names if name not in self.components.voters)
            classifiers = tuple(self.components.component("classifier", name) for name in names)
            self._segmenter = Segmenter(**vars(models), store=store, classifiers=classifiers)
        return self._segmenter

    def builder(self, idle: bool = False) -> Parts:
        """Return what building works with: its own proposer, no classifier, and a store.

        idle: whether other processes do the work; the models here only give their provenance, and stay off the GPU.
        """
        store = self.store
        if idle not in self._builders:
            models = self.components.models(building=True, device=Device() if idle else None)
            self._builders[idle] = Parts(**vars(models), store=store, reader=self.components.reader)
        return self._builders[idle]

    def planner(self) -> Segmenter:
        """Return what planning a build works with, with a store or without."""
        if self.without_store() is not None:
            return self.builder()
        return Segmenter(**vars(self.components.models(building=True)))

    def prepared(self, classes: Classes | PreparedVocabulary) -> PreparedVocabulary:
        """Return the names matched with the store and encoded, cached while the store's classes and matches do not
        change.

        Another process may change them. A prepared vocabulary is returned unchanged.
        """
        if isinstance(classes, PreparedVocabulary):
            return classes
        vocabulary, store = as_vocabulary(classes), self.without_store()
        key, now = vocabulary.digest if vocabulary else "", store.vocabulary_state() if store else None
        cached = self._prepared.get(key)
        if cached is None or cached[0] != now:
            segmenter = self.segmenter()
            from retclip.workflows.segment.vocabulary import prepare

            cached = self._prepared[key] = now, prepare(segmenter, vocabulary)
        return cached[1]


def _ask_first(required: Callable[[Components], object], components: Components, also: str) -> None:
    """Call `required`; a missing-weights error then reports `also` too.

    also: what else is missing.
    """
    try:
        required(components)
    except WeightsMissing as error:
        raise WeightsMissing(error.expected, error.got + also, error.todo) from error
