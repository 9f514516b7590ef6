"""What doctor says of a store's catalog: first of all, for nothing may be held against a catalog that is damaged."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from retclip.errors import RetCLIPError, StoreBehind, StoreDamaged
from retclip.store import findings
from retclip.store.feature_store import FeatureStore
from retclip.store.findings import CatalogState


@dataclass(frozen=True)
class Finding:
    """One checked thing."""

    what: str
    ok: bool
    found: str
    cure: str = ""


def failed(what: str, error: RetCLIPError) -> Finding:
    """Return the finding of a thing that could not be looked at."""
    return Finding(what, False, f"{error.got} (expected {error.expected})", error.todo)


@dataclass(frozen=True)
class DoctorReport:
    """Every thing that was checked, with what was found and what cures it."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Return whether nothing is wrong."""
        return all(finding.ok for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {"ok": self.ok, **asdict(self)}


RESTORE = (
    "restore the catalog from a backup (docs/team.md), with nothing else running, then run this again; without a "
    "backup build its sources into a new store: what a damaged catalog says may not be copied"
)
UNCHAINED = (
    "an event or its facts are not what the program stored: compare with a backup (docs/team.md), and restore it where "
    "the change was not yours; nothing mends the chain"
)
NOTED = re.compile(r"[0-9a-fA-F]{8,64}")
NOT_COMPARED = Finding("archive, index", False, "not compared: the catalog that says what they should hold is damaged",
                       "mend the catalog first")  # fmt: skip


def catalog_findings(store: FeatureStore, repair: bool, chain_head: str | None = None) -> tuple[bool, list[Finding]]:
    """Return whether the catalog is whole by the database and the rows' checksums, and of this program's schema.

    With `repair`, lookup structures are made again from whole rows; rows are never guessed.

    chain_head: the head of the chain of events as somebody noted it, None for none.

    Raises StoreBehind for a whole catalog of another schema, StoreError for another store's.
    """
    try:
        state, message = store.maintenance.check_catalog(), ""
    except StoreBehind:
        store.check_identity()  # a database that this store was not made with has no tables of ours, either
        raise
    if repair and state.indexes and state.rows_whole:
        message = f"its indexes were damaged and made again from its rows, all of which are whole: {state}"
        store.maintenance.remake_catalog_indexes()
        state = store.maintenance.check_catalog()
    finding = Finding("catalog", state.whole, message if message and state.whole else str(state), _cure(state, store))
    if not state.whole:
        return False, [finding, NOT_COMPARED]
    store.check_identity()
    schema, history = Finding("schema", True, "as this program speaks it"), _history(store, repair)
    return True, [finding, schema, history, *_chain(store, chain_head)]


def _history(store: FeatureStore, repair: bool) -> Finding:
    """Return whether the rows of segments and classes agree with the facts; with `repair`, they are made again from
    them.
    """
    segments, classes = store.maintenance.stale_caches()
    if not segments and not classes:
        return Finding("history", True, "segments and classes are what was said of them")
    wrong = f"{segments} segments and {classes} classes are not what was said of them"
    if not repair:
        return Finding("history", False, wrong, f"retclip doctor --store {store.folder} --repair")
    store.maintenance.settle_caches()
    return Finding("history", not any(store.maintenance.stale_caches()), f"repaired: {wrong}", RESTORE)


def _chain(store: FeatureStore, noted: str | None) -> list[Finding]:
    """Return whether the chain of events is whole, and whether a noted head is in it."""
    state = store.history.check_chain(noted)
    shown = f"{state.links} links, head {state.head}" if state.links else "no event yet"
    state_text = f"{state.broken}; {shown}" if state.broken else shown
    findings = [Finding("chain of events", state.broken is None, state_text, UNCHAINED)]
    if state.since is not None:
        findings.append(_noted_head(str(noted), state.since))
    return findings


def _noted_head(noted: str, since: int) -> Finding:
    """Return whether a noted head is in the chain. since: links after it; -1 where no link has that hash."""
    what = "chain of events, noted head"
    if not NOTED.fullmatch(noted.strip()):
        cure = "write the head as this command or `retclip log --json` showed it, 8 of its digits at least"
        return Finding(what, False, f"{noted!r} is no head: 8 to 64 hexadecimal digits", cure)
    later = f"noted {noted}: {since} links later" if since >= 0 else f"{noted} is the hash of no link"
    cure = f"the end of the log was cut off or written anew since that head was noted: {RESTORE}"
    return Finding(what, since >= 0, later, cure)


def unreadable(error: StoreDamaged) -> list[Finding]:
    """Return the findings of a store whose catalog cannot be opened, or lost half of itself."""
    subject, cure = ("catalog", RESTORE) if error.todo == findings.RESTORE else ("store", error.todo)
    return [Finding(subject, False, f"{error.got} (expected {error.expected})", cure), NOT_COMPARED]


def _cure(state: CatalogState, store: FeatureStore) -> str:
    return f"retclip doctor --store {store.folder} --repair" if state.rows_whole else RESTORE
