"""Doctor: one finding per thing that can be wrong, each with what was found and what cures it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from retclip.errors import RetCLIPError, StoreDamaged, StoreError
from retclip.plugin.manager import PluginManager
from retclip.store.engine import transaction
from retclip.store.feature_store import RESIDENT, FeatureStore, StoreOptions
from retclip.store.fills import KIND
from retclip.store.ledger import CLASS_ADD
from retclip.store.reconcile import reconcile
from retclip.store.shards import (
    Again,
    add_again,
    build_again,
    damaged_shards,
    shard_names,
    unreferenced_shards,
)
from retclip.store.spaces import SpaceState, to_add
from retclip.types import FeatureSpace

MORE = re.compile(r" and \d+ more(\?|$)")  # as `data.source_address.shown_address` says it of several paths
FREE_BYTES = 2 << 30  # below this an embedded index may die by SIGBUS while it optimises (stores.md 1.6)


@dataclass(frozen=True)
class Finding:
    """One checked thing."""

    what: str
    ok: bool
    found: str
    cure: str = ""


def check_installation(disabled: Sequence[str] = ()) -> list[Finding]:
    """Python, torch with torchvision, and every plugin but those that are disabled."""
    python = ".".join(map(str, sys.version_info[:3]))
    findings = [Finding("python", sys.version_info >= (3, 11), python, "use Python 3.11 or newer"), _torch()]
    manager = PluginManager.discover(disabled)
    findings += [Finding(f"{info.kind} {info.full_name}", True, info.version) for info in manager.components()]
    for failure in manager.failures:
        cure = f"pip install --force-reinstall {failure.distribution}, or disable it: plugins.disabled"
        findings.append(Finding(f"plugin {failure.plugin}", False, f"{failure.stage}: {failure.reason}", cure))
    return findings


def _torch() -> Finding:
    """A torch and a torchvision of two builds break each other at import; that is worth one line of its own."""
    try:
        versions = [f"torch {importlib.metadata.version('torch')}"]
        import torch

        versions.append(f"cuda {torch.cuda.is_available()}")
        if importlib.util.find_spec("torchvision"):
            import torchvision

            versions.append(f"torchvision {torchvision.__version__}")
    except (ImportError, RuntimeError, importlib.metadata.PackageNotFoundError) as error:
        cure = "install both in one call: pip install --force-reinstall torch torchvision"
        return Finding("torch", False, f"{type(error).__name__}: {error}", cure)
    return Finding("torch", True, ", ".join(versions))


def check_store(folder: Path, options: StoreOptions, repair: bool) -> list[Finding]:
    """Disk, schema, archive, and of every space whether its index holds what SQL wants, and whether segments lack their
    vector; with `repair`, makes the indexes right."""
    free = shutil.disk_usage(folder if folder.exists() else Path()).free
    cure = "make room: below 2 GiB the index may not be written"
    findings = [Finding("disk", free > FREE_BYTES, f"{free / 2**30:.1f} GiB free", cure)]
    try:
        with FeatureStore.open(folder, options) as store:
            findings.append(Finding("schema", True, "as this program speaks it"))
            findings += _archive(store, repair)
            findings += _spaces(store, repair)
    except RetCLIPError as error:
        findings.append(Finding("store", False, f"{error.got} (expected {error.expected})", error.todo))
    return findings


def _archive(store: FeatureStore, repair: bool) -> list[Finding]:
    with transaction(store.engine) as connection:
        names = shard_names(connection)
        spare = unreferenced_shards(connection, store.archive)
    bad = damaged_shards(store.archive, names)
    cure = "restore these files from a backup; or run with --repair, then the commands that it names"
    if bad and repair:
        with transaction(store.engine, write=True) as connection:
            todo = _made_again(build_again(connection, bad), store)
            todo += [to_add(backbone, store.folder) for backbone in add_again(connection, bad)]
        cure = "now run: " + "; ".join(todo) if todo else "nothing is left to do: they held removed segments alone"
    findings = [Finding("archive", not bad, f"{len(bad)} damaged: {', '.join(bad[:3])}" if bad else "whole", cure)]
    if spare:
        findings.append(Finding("archive, unreferenced", True, f"{len(spare)} shards of interrupted builds, harmless"))
    return findings


def _made_again(lost: Sequence[Again], store: FeatureStore) -> list[str]:
    """The commands that make lost vectors again: each kind of run by its own. A plural source stands in SQL as people
    read it, so whoever added it must name its photos."""
    told, fetched = [], [one.name for one in lost if one.kind == KIND and not one.matched]
    for one in lost:
        if one.kind == CLASS_ADD:
            photos = f"PHOTOS (those of {one.source})" if MORE.search(one.source) else shlex.quote(one.source)
            told.append(f"class add {shlex.quote(one.name)} {photos} --proposer {one.proposer}")
        elif one.kind != KIND:
            only = f" --classes {shlex.quote(', '.join(one.classes))}" if one.classes else ""
            told.append(f"build {shlex.quote(one.source)}{only} --proposer {one.proposer}")
        elif one.matched:
            told.append(f"fallback map {shlex.quote(one.name)} {shlex.quote(one.matched)}")
    if fetched:
        told.append(f"fallback fill --classes {shlex.quote(', '.join(fetched))}")
    return [f"retclip {one} --store {store.folder}" for one in told]


def _spaces(store: FeatureStore, repair: bool) -> list[Finding]:
    """One finding where there is one space, two for each where there are several."""
    known = store.spaces()
    if not known:
        return [Finding("index", True, "the store is empty")]
    if len(known) == 1:
        space = known[0].space
        return [_index(store, space, "index", repair), *_graph(store, space, "graph", repair)]
    findings = []
    for one in known:
        name = f"{one.space.backbone} ({one.space.id[:8]})"
        findings += [_complete(store, one, name), _index(store, one.space, f"index of {name}", repair)]
        findings += _graph(store, one.space, f"graph of {name}", repair)
    return findings


def _complete(store: FeatureStore, state: SpaceState, name: str) -> Finding:
    told = f"{state.segments} of {state.total} segments have a vector, {state.without} go without"
    return Finding(f"space {name}", state.complete, told, to_add(state.space.backbone, store.folder))


def _index(store: FeatureStore, space: FeatureSpace, name: str, repair: bool) -> Finding:
    if store.options.index == RESIDENT:
        return Finding(name, True, "in memory: loaded from the archive whenever it is needed")
    cure = f"retclip doctor --store {store.folder} --repair"
    try:
        projection = store.projection(space, follow=False)
    except StoreDamaged as error:
        if not repair:
            return Finding(name, False, error.got, cure)
        store.drop_index(space)
        count = store.projection(space).index.count()
        return Finding(name, True, f"its files were damaged; {count} points loaded again from the archive")
    found = reconcile(projection, repair)
    counts = {kind: len(getattr(found, kind)) for kind in ("missing", "orphan", "stale", "damaged")}
    told = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    if found.pending:  # what a killed build left; the next command that opens the index applies it
        told += f"; {found.pending} changes are still to be applied"
    if repair and not found.clean:
        return Finding(name, True, f"repaired: {told}")
    return Finding(name, found.clean, told, cure)


def _graph(store: FeatureStore, space: FeatureSpace, name: str, repair: bool) -> list[Finding]:
    """How many vectors the graph of an embedded index holds. Too few are no wrong answers, but slow ones."""
    try:
        index = store.projection(space, follow=False).index
        graph = index.graph()
        if graph is not None and graph.due and repair:
            index.optimize()
            graph = index.graph()
    except StoreDamaged:  # the index has a finding of its own
        return []
    except StoreError as error:
        return [Finding(name, False, f"{error.got} (expected {error.expected})", error.todo)]
    if graph is None:
        return []
    if graph.points <= graph.outside:
        return [Finding(name, True, f"none needed: up to {graph.outside} vectors are searched one by one")]
    found = f"{graph.indexed} of {graph.points} vectors are in it"
    if graph.due:
        found += ": searches read the others one by one"
    return [Finding(name, not graph.due, found, f"retclip doctor --store {store.folder} --repair")]
