"""An open feature store: catalog, archive and indexes together.

Readers never trust an index: every hit is joined with SQL, and segments that SQL does not call visible drop out. The
methods stand by subject in `retclip.store.api`; no connection leaves the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from retclip.errors import SpaceMismatch
from retclip.shapes import check_shape
from retclip.store.api.classes import Classes
from retclip.store.api.history import History
from retclip.store.api.maintenance import Maintenance
from retclip.store.api.matches import Matches
from retclip.store.api.runs import Runs
from retclip.store.api.segments import Segments
from retclip.store.api.spaces import Spaces
from retclip.store.api.traces import Traces
from retclip.store.api.trust import Trust
from retclip.store.archive.shards import Archive
from retclip.store.classes.undo import undo, undo_all
from retclip.store.classes.vocabulary_state import vocabulary_state
from retclip.store.index import sync
from retclip.store.index.indexes import Indexes
from retclip.store.index.negatives import NegativeExamples
from retclip.store.places import check_identity, find_store, is_store, make_store
from retclip.store.records import Edit, FoundPage, SegmentFilter, StoreOptions, VocabularyState
from retclip.store.segments.stored_prototypes import StoredPrototypes
from retclip.store.sql.transactions import Transactions
from retclip.types import FeatureSpace

if TYPE_CHECKING:
    from torch import Tensor

    from retclip.types import ClassPrototypes, Neighbours

__all__ = ["FeatureStore", "StoreOptions"]


class FeatureStore:
    """An open store. Use `create` or `open`, and `close` it (or use it as a context manager).

    classes: list and change the classes.
    matches: decisions about requested names.
    segments: masks with their labels and origins.
    spaces: the feature spaces of the vectors.
    history: the events, and the store as of any of them.
    runs: runs and their units of work.
    maintenance: checks and repairs.
    traces: the evidence of answers, kept for a while.
    trust: how far the label of each segment is to be trusted.
    """

    def __init__(self, folder: Path, options: StoreOptions, engine: Engine) -> None:
        self.folder, self.options, self.engine = folder, options, engine
        self.archive = Archive(folder / "archive")
        self._indexes = Indexes(folder, options, engine, self.archive)
        self._catalog = Transactions(engine, self._indexes.follow_edit)
        self.classes, self.matches = Classes(self._catalog), Matches(self._catalog)
        self.history = History(self._catalog)
        self.spaces = Spaces(folder, self._catalog, self.archive, self._indexes)
        self.segments = Segments(self._catalog, self.archive, self.spaces)
        self.traces = Traces(self._catalog)
        self._negatives = NegativeExamples(self._catalog, self.archive)
        self._prototypes = StoredPrototypes(self._catalog, self.archive)
        self.runs = Runs(self._catalog, self.archive, self._indexes, self.spaces)
        self.trust = Trust(self._catalog, self.archive, self.spaces)
        self.maintenance = Maintenance(self._catalog, self.archive, self._indexes, self.spaces)

    @classmethod
    def create(cls, folder: Path, options: StoreOptions | None = None, exist_ok: bool = False) -> FeatureStore:
        """Make an empty store.

        folder: may exist.
        exist_ok: open a store that is there already.
        Raises StoreError for a store that is there already, and a place that cannot be used.
        """
        options = options or StoreOptions()
        return cls(folder, options, make_store(folder, options.database, exist_ok))

    @classmethod
    def open(cls, folder: Path, options: StoreOptions | None = None, check_schema: bool = True) -> FeatureStore:
        """Open an existing store.

        check_schema: False to repair the schema.
        Raises StoreMissing, StoreBehind, StoreDamaged, StoreError.
        """
        options = options or StoreOptions()
        return cls(folder, options, find_store(folder, options.database, check_schema))

    @staticmethod
    def exists(folder: Path) -> bool:
        """Tell whether a store lies in that folder, whole or not."""
        return is_store(folder)

    def __enter__(self) -> FeatureStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the indexes' locks and the database connections."""
        self._indexes.close()
        self.engine.dispose()

    def check_identity(self) -> None:
        """Raise StoreError if the catalog is another store's."""
        check_identity(self.folder, self.engine)

    def vocabulary_state(self) -> VocabularyState:
        """Read the state that a prepared vocabulary depends on; while it is the same, so are the names."""
        return self._catalog.read(vocabulary_state)

    def nearest(
        self, vectors: Tensor, store_classes: Sequence[int | None], k: int, per_class: bool,
        space: FeatureSpace | None = None, trusted: bool = False, min_trust: float = 0.0,
    ) -> Neighbours:  # fmt: skip
        """Find the neighbours of vectors among the visible segments of the vocabulary's classes.

        vectors: (n, d) float32 of unit length.
        store_classes: per vocabulary class its row in the catalog, None without one.
        k: how many, in all or of each class.
        per_class: k of each class, instead of k in all.
        space: of the vectors; may be left out if the store has one space.
        trusted: with the trust in the label of each.
        min_trust: without those that are trusted less, so that there may be fewer than k; one without a trust stays.
        Raises SpaceMismatch, StoreBusy, StoreDamaged.
        """
        from retclip.store.index.nearest import nearest, nothing_near

        rows = self.spaces.rows()
        if not rows:  # nothing is stored yet: other sources decide alone
            return nothing_near(vectors, len(store_classes))
        if space is None and len(rows) > 1:
            raise SpaceMismatch("the space of the vectors", f"none, and {len(rows)} are stored", "name it: space=")
        row = self.spaces.choose(rows, space)
        near = self._indexes.ask(*row, lambda index: nearest(index, vectors, store_classes, k, per_class))
        near = self.trust.of_neighbours(near, row[1], min_trust, trusted) if trusted or min_trust else near
        return self._negatives.beside(near, vectors, store_classes, row[0])

    def prototypes(
        self, vectors: Tensor, store_classes: Sequence[int | None], count: int, space: FeatureSpace | None = None
    ) -> ClassPrototypes:
        """Return the prototypes of the vocabulary's classes, of their visible segments, and how near they are.

        vectors, store_classes, space: as `nearest` takes them.
        count: prototypes of each class at most, at least 1; 1 = its mean.
        Raises SpaceMismatch, StoreDamaged.
        """
        rows = self.spaces.rows()
        if not rows:  # nothing is stored yet: other sources decide alone
            return self._prototypes.near(vectors, (), count, 0)
        return self._prototypes.near(vectors, store_classes, count, self.spaces.choose(rows, space)[0])

    def search(
        self, vector: NDArray[np.float32], chosen: SegmentFilter, limit: int, after: str | None = None,
        words: Sequence[str] = (), without: Sequence[UUID] = (), space: FeatureSpace | None = None,
    ) -> FoundPage:  # fmt: skip
        """Find a page of the segments nearest to a vector that pass a filter, whatever their state.

        vector: (d,) float32 of unit length.
        limit: segments of a page, at least 1.
        after: the cursor of the page before (`FoundPage.next`), None for the first page.
        words: what was asked: a cursor is of the same words and filter.
        without: segments that are left out.
        space: of the vector; None for the first build's.
        Raises ConfigError for a limit or a cursor that cannot be; DataError for names and ids that the store does not
        have; ShapeError; StoreMissing for an empty store, SpaceMismatch, StoreBusy, StoreDamaged.
        """
        from retclip.store.search.filtered_search import VectorQuestion, nearest_page

        row = self.spaces.row_of(space)
        check_shape("vector", vector, "d", {"d": row[1].dim})
        question = VectorQuestion(vector, (*words, row[1].id), chosen, limit, tuple(without))
        return self._indexes.ask(*row, lambda index: nearest_page(index, question, after))

    def undo(self, event: int, actor: str) -> Edit:
        """Undo an event, in any order; later facts about the same segments and classes stay.

        actor: who does it, for the event of the undo.
        Raises DataError for an unknown event, one that was undone already, and an undo itself.
        """
        return self._catalog.edit(undo, event, actor)

    def undo_all(self, events: Sequence[int], actor: str) -> tuple[int, ...]:
        """Undo events, the last of them first, all or none; returns the events that this adds. Raises as `undo`."""
        return self._catalog.edit(undo_all, events, actor) if events else ()

    def refresh(self) -> None:
        """Let every index follow whatever is pending; see `Indexes.refresh`."""
        self._indexes.refresh()

    def projection(self, space: FeatureSpace | None = None, follow: bool = True) -> sync.Projection:
        """Open the index of a space with the truth it follows, for the store's own checks and tests.

        space: None for the first build's.
        follow: bring it up to date while opening. A check that must see what is really on the disk says False.
        Raises StoreMissing for an empty store, SpaceMismatch.
        """
        return self._indexes.of(*self.spaces.row_of(space), follow).projection
