"""Doctor: one finding per thing that can be wrong, each with what was found and what cures it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from retclip.algorithms.precision import bfloat16_is_faster
from retclip.config_sections import DeviceSection
from retclip.device import choose
from retclip.errors import RetCLIPError, StoreDamaged
from retclip.plugin.manager import PluginManager
from retclip.store.feature_store import FeatureStore, StoreOptions
from retclip.store.findings import Again
from retclip.store.records import SpaceState
from retclip.store.states import RunKind
from retclip.workflows.doctor.catalog_finding import DoctorReport, Finding, catalog_findings, failed, unreadable
from retclip.workflows.doctor.index_finding import copy_findings, graph_findings, index_finding

MORE = re.compile(r" and \d+ more(\?|$)")  # as `data.source_address.shown_address` says it of several paths
__all__ = ["DoctorReport", "Finding", "check_installation", "check_open_store", "check_store"]
PROBED = 768  # numbers in the vectors that are multiplied on trial
FREE_BYTES = 2 << 30  # below this an embedded index may die by SIGBUS while it optimises (stores.md 1.6)


def check_installation(disabled: Sequence[str] = ()) -> list[Finding]:
    """Check Python, torch with torchvision, and every plugin that is not disabled."""
    python = ".".join(map(str, sys.version_info[:3]))
    findings = [Finding("python", sys.version_info >= (3, 11), python, "use Python 3.11 or newer"), _torch()]
    findings += [_precision()] if findings[-1].ok else []
    manager = PluginManager.discover(disabled)
    findings += [Finding(f"{info.kind} {info.full_name}", True, info.version) for info in manager.components()]
    for failure in manager.failures:
        cure = f"pip install --force-reinstall {failure.distribution}, or disable it: plugins.disabled"
        findings.append(Finding(f"plugin {failure.plugin}", False, f"{failure.stage}: {failure.reason}", cure))
    return findings


def _torch() -> Finding:
    """Check that torch and torchvision are of one build: two builds break each other at import."""
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


def _precision() -> Finding:
    """Say what `device.dtype = "auto"` takes here, and where the other precision would be faster."""
    chosen = choose(DeviceSection())
    detail = f"device.dtype = auto takes {chosen.dtype} on {chosen.torch_device}"
    if chosen.dtype == "float32" and bfloat16_is_faster(chosen.torch_device, PROBED):
        detail += "; products in bfloat16 were faster when tried: device.dtype = bfloat16 takes them, at rounded scores"
    return Finding("precision", True, detail)


def check_store(
    folder: Path, options: StoreOptions, repair: bool, installed: Sequence[str] = (), chain_head: str | None = None
) -> list[Finding]:
    """Check disk, catalog, schema and archive, and for every space the index and missing vectors.

    With `repair`, the indexes are made right. Nothing is compared with a damaged catalog.

    installed: the full names of the installed backbones, none = the spaces' backbones are not looked for.
    chain_head: the head of the chain of events as somebody noted it, None for none.
    """
    try:
        with FeatureStore.open(folder, options, check_schema=False) as store:
            return check_open_store(store, repair, installed, chain_head)
    except RetCLIPError as error:
        return [_disk(folder), *_unusable(error)]


def check_open_store(
    store: FeatureStore, repair: bool, installed: Sequence[str] = (), chain_head: str | None = None
) -> list[Finding]:
    """Check an open store. installed, chain_head: as in `check_store`."""
    findings = [_disk(store.folder)]
    try:
        is_whole, catalog = catalog_findings(store, repair, chain_head)
        findings += catalog
        if is_whole:
            archive = _archive(store, repair)
            findings += [*archive, *_spaces(store, repair, archive[0].ok)]
            findings += _absent(store, installed) if installed else []
            findings.append(_traces(store))
    except RetCLIPError as error:
        findings += _unusable(error)
    return findings


def _traces(store: FeatureStore) -> Finding:
    """Forget the traces that have expired."""
    forgotten = store.traces.prune()
    return Finding("traces", True, f"{store.traces.count()} answers kept, {forgotten} expired ones forgotten")


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder if folder.exists() else Path()).free
    cure = "make room: below 2 GiB the index may not be written"
    return Finding("disk", free > FREE_BYTES, f"{free / 2**30:.1f} GiB free", cure)


def _unusable(error: RetCLIPError) -> list[Finding]:
    if isinstance(error, StoreDamaged):
        return unreadable(error)
    return [failed("store", error)]


def _archive(store: FeatureStore, repair: bool) -> list[Finding]:
    names, spare = store.maintenance.shards()
    bad = store.maintenance.damaged_shards(names)
    cure = "restore these files from a backup; or run with --repair, then the commands that it names"
    if bad and repair:
        lost, backbones = store.maintenance.forget_shards(bad)
        todo = [*_made_again(lost, store), *(store.spaces.command_to_add(backbone) for backbone in backbones)]
        cure = "now run: " + "; ".join(todo) if todo else "nothing is left to do: they held removed segments alone"
    findings = [Finding("archive", not bad, f"{len(bad)} damaged: {', '.join(bad[:3])}" if bad else "whole", cure)]
    if spare:
        findings.append(Finding("archive, unreferenced", True, f"{len(spare)} shards of interrupted builds, harmless"))
    return findings


def _made_again(lost: Sequence[Again], store: FeatureStore) -> list[str]:
    """Return the commands that rebuild lost vectors, one per run.

    SQL stores a plural source as users read it, so the command leaves its photos to be named.
    """
    commands, fetched = [], [run.name for run in lost if run.kind == RunKind.CLASS_FILL and not run.matched]
    for run in lost:
        if run.kind == RunKind.CLASS_ADD:
            photos = f"PHOTOS (those of {run.source})" if MORE.search(run.source) else shlex.quote(run.source)
            commands.append(f"class add {shlex.quote(run.name)} {photos} --proposer {run.proposer}")
        elif run.kind == RunKind.CLASS_IMPORT:
            photos = f" --photos {shlex.quote(run.source)} --recompute" if run.recompute else ""
            commands.append(f"class import {shlex.quote(run.name)}{photos}")
        elif run.kind != RunKind.CLASS_FILL:
            only = f" --classes {shlex.quote(', '.join(run.classes))}" if run.classes else ""
            commands.append(f"build {shlex.quote(run.source)}{only} --proposer {run.proposer}")
        elif run.matched:
            commands.append(f"fallback map {shlex.quote(run.name)} {shlex.quote(run.matched)}")
    if fetched:
        commands.append(f"fallback fill --classes {shlex.quote(', '.join(fetched))}")
    return [f"retclip {command} --store {store.folder}" for command in commands]


def _spaces(store: FeatureStore, repair: bool, archive_whole: bool) -> list[Finding]:
    """Return one finding where there is one space, two for each where there are several."""
    spaces = store.spaces.all()
    if not spaces:
        return [Finding("index", True, "the store is empty")]
    if len(spaces) == 1:
        space = spaces[0].space
        of_index = index_finding(store, space, "index", repair, archive_whole)
        graph = graph_findings(store, space, "graph", repair)
        return [of_index, *graph, *copy_findings(store, space, "search", repair)]
    findings = []
    for state in spaces:
        name = f"{state.space.backbone} ({state.space.id[:8]})"
        findings.append(_complete(store, state, name))
        findings.append(index_finding(store, state.space, f"index of {name}", repair, archive_whole))
        findings += graph_findings(store, state.space, f"graph of {name}", repair)
        findings += copy_findings(store, state.space, f"search in {name}", repair)
    return findings


def _absent(store: FeatureStore, installed: Sequence[str]) -> list[Finding]:
    """Return a finding for each space whose backbone is not installed: nobody can ask it anything."""
    makers, findings = store.spaces.makers(), []
    for state in store.spaces.all():
        space = state.space
        if space.backbone in installed:
            continue
        maker = makers.get(space.id, {})
        distribution = maker.get("distribution", "")
        by = f"; its vectors were made by {distribution} {maker.get('version', '')}" if distribution else ""
        cure = f"pip install {distribution or 'the plugin that has it'}, or ask another space of this store"
        findings.append(Finding(f"backbone {space.backbone}", False, f"not installed{by}", cure))
    return findings


def _complete(store: FeatureStore, state: SpaceState, name: str) -> Finding:
    message = f"{state.segments} of {state.total} segments have a vector, {state.without} go without"
    return Finding(f"space {name}", state.complete, message, store.spaces.command_to_add(state.space.backbone))
