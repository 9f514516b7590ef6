"""What doctor says of a vector index: held against SQL and the archive point by point, and mended or made again.

An index is a copy. So whatever is wrong with it, or goes wrong while it is read, ends the same way under `--repair`:
what differs is stored again, and where that does not help its files go and it is loaded anew.
"""

from __future__ import annotations

from retclip.errors import SpaceMismatch, StoreDamaged, StoreError
from retclip.store.feature_store import FeatureStore
from retclip.store.findings import Differences
from retclip.store.states import IndexKind
from retclip.types import FeatureSpace
from retclip.workflows.doctor.catalog_finding import Finding, failed

KINDS = ("missing", "orphan", "stale", "damaged")


def index_finding(store: FeatureStore, space: FeatureSpace, name: str, repair: bool, archive_whole: bool) -> Finding:
    """Return how an index differs from the catalog; with `repair`, repair it.

    archive_whole: whether it may be rebuilt from the archive.
    """
    if store.options.index == IndexKind.RESIDENT:
        return Finding(name, True, "in memory: loaded from the archive, or mapped where its rows are kept")
    try:
        differences = _looked(store, space)
        if differences.clean:
            return Finding(name, True, _said(differences))
        if not repair:
            return Finding(name, False, _said(differences), _repair(store))
        try:
            store.maintenance.repair_index(space)
            if _looked(store, space).clean:
                return Finding(name, True, f"repaired: {_said(differences)}")
        except StoreDamaged:
            if not archive_whole:
                raise
        return _made_again(store, space, name, _said(differences), archive_whole)
    except (StoreDamaged, SpaceMismatch) as error:
        if not repair:
            return Finding(name, False, error.got, _repair(store))
        return _made_again(store, space, name, error.got, archive_whole)
    except StoreError as error:  # in use, unreachable, no room: it cannot be looked at, and is not damaged for that
        return failed(name, error)


def graph_findings(store: FeatureStore, space: FeatureSpace, name: str, repair: bool) -> list[Finding]:
    """Return how many vectors the graph of an embedded index has; too few make searches slow, not wrong."""
    try:
        graph = store.maintenance.graph(space, build=repair)
    except StoreDamaged:  # the index has a finding of its own
        return []
    except StoreError as error:
        return [failed(name, error)]
    if graph is None:
        return []
    if graph.points <= graph.outside:
        return [Finding(name, True, f"none needed: up to {graph.outside} vectors are searched without one")]
    message = f"{graph.indexed} of {graph.points} vectors are in it"
    if graph.due:
        message += ": searches read the others one by one"
    return [Finding(name, not graph.due, message, _repair(store))]


def copy_findings(store: FeatureStore, space: FeatureSpace, name: str, repair: bool) -> list[Finding]:
    """Return how a space of many vectors is searched, and how the copy in memory that answers differs from the catalog;
    with `repair`, it is made again."""
    way = store.maintenance.way(space)
    if way.kind == IndexKind.SERVER or not way.many:
        return []
    if way.kind == IndexKind.EDGE and not way.in_memory:
        why = f"a copy in memory would take {way.bytes >> 20} MB, and {way.memory >> 20} may be taken"
        return [Finding(name, True, f"by the embedded index: {why}")]
    try:
        differences = store.maintenance.copy_differences(space)
        if differences is not None and not differences.clean and repair:
            store.maintenance.drop_copy(space)
            differences = store.maintenance.copy_differences(space)
    except StoreError as error:
        return [failed(name, error)]
    if differences is None:
        return []
    said = f"exact, in memory ({way.bytes >> 20} of the {way.memory >> 20} MB that may be taken): {_said(differences)}"
    return [Finding(name, differences.clean, said, _repair(store))]


def _looked(store: FeatureStore, space: FeatureSpace) -> Differences:
    """Raises StoreDamaged for whatever goes wrong while an index is read: what engines make of damage has no list."""
    try:
        return store.maintenance.index_differences(space)
    except StoreError:
        raise
    except Exception as error:
        raise StoreDamaged("an index that can be read", f"{type(error).__name__}: {error}", "") from error


def _made_again(store: FeatureStore, space: FeatureSpace, name: str, hurt: str, archive_whole: bool) -> Finding:
    if not archive_whole:
        return Finding(name, False, hurt, "mend the archive first, then run this again")
    if store.options.index != IndexKind.EDGE:
        lost = next(state.index for state in store.spaces.all() if state.space.id == space.id)
        cure = f"delete the collection {lost} of the server; the next command loads it from the archive"
        return Finding(name, False, hurt, cure)
    try:
        count, left = store.maintenance.remake_index(space), _looked(store, space)
    except StoreError as error:
        return Finding(name, False, f"{hurt}; then {error.got} (expected {error.expected})", error.todo)
    cure = "check disk and memory of this machine: files that were just written are wrong again"
    return Finding(
        name, left.clean, f"its files were damaged ({hurt}); {count} points loaded again from the archive", cure
    )


def _repair(store: FeatureStore) -> str:
    return f"retclip doctor --store {store.folder} --repair"


def _said(differences: Differences) -> str:
    message = ", ".join(f"{len(getattr(differences, kind))} {kind}" for kind in KINDS)
    if differences.unfindable:
        message += f", {len(differences.unfindable)} that searches take for another class or state"
    if differences.pending:  # what a killed build left; the next command that opens the index applies it
        message += f"; {differences.pending} changes are still to be applied"
    return message
