"""An open feature store: catalog, archive and indexes together.

Readers never trust an index: every hit is joined with SQL, and segments that SQL does not call visible drop out. The
methods stand by subject in `retclip.store.api`; no connection leaves the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Engine

from retclip.errors import SpaceMismatch
from retclip.shapes import check_shape
from retclip.store.places import ARCHIVE, check_identity, find_store, is_store, make_store
from retclip.store.records import Edit, FoundPage, SegmentFilter, StoreOptions, VocabularyState
from retclip.store.sql.transactions import Transactions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

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
    from retclip.store.index.indexes import Indexes
    from retclip.store.index.negatives import NegativeExamples
    from retclip.store.index.sync import Projection
    from retclip.store.segments.stored_prototypes import StoredPrototypes
    from retclip.types import ClassPrototypes, FeatureSpace, Neighbours

__all__ = ["FeatureStore", "StoreOptions"]


class _Vectors:
    """The archive and the indexes of a store, made when they are first asked for.

    It does not know the store, which so ends with its last reference, and gives the locks of its indexes back.
    """

    def __init__(self, folder: Path, options: StoreOptions, engine: Engine) -> None:
        self._folder, self._options, self._engine = folder, options, engine

    @cached_property
    def archive(self) -> Archive:
        from retclip.store.archive.shards import Archive

        return Archive(self._folder / ARCHIVE)

    @cached_property
    def indexes(self) -> Indexes:
        from retclip.store.index.indexes import Indexes

        return Indexes(self._folder, self._options, self._engine, self.archive)

    def follow_edit(self) -> None:
        self.indexes.follow_edit()

    def close(self) -> None:
        if "indexes" in vars(self):  # nobody asked for one otherwise
            self.indexes.close()


class FeatureStore:
    """An open store. Use `create` or `open`, and `close` it (or use it as a context manager).

    What belongs to a subject is imported when the subject is first asked for: a list of classes opens no index.
    """

    def __init__(self, folder: Path, options: StoreOptions, engine: Engine) -> None:
        self.folder, self.options, self.engine = folder, options, engine
        self._vectors = _Vectors(folder, options, engine)
        self._catalog = Transactions(engine, self._vectors.follow_edit)

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
        self._vectors.close()
        self.engine.dispose()

    @cached_property
    def classes(self) -> Classes:
        """List and change the classes."""
        from retclip.store.api.classes import Classes

        return Classes(self._catalog)

    @cached_property
    def matches(self) -> Matches:
        """Decisions about requested names."""
        from retclip.store.api.matches import Matches

        return Matches(self._catalog)

    @cached_property
    def segments(self) -> Segments:
        """Masks with their labels and origins."""
        from retclip.store.api.segments import Segments

        return Segments(self._catalog, self.archive, self.spaces)

    @cached_property
    def spaces(self) -> Spaces:
        """The feature spaces of the vectors."""
        from retclip.store.api.spaces import Spaces

        return Spaces(self.folder, self._catalog, self.archive, self._indexes)

    @cached_property
    def history(self) -> History:
        """The events, and the store as of any of them."""
        from retclip.store.api.history import History

        return History(self._catalog)

    @cached_property
    def runs(self) -> Runs:
        """Runs and their units of work."""
        from retclip.store.api.runs import Runs

        return Runs(self._catalog, self.archive, self._indexes, self.spaces)

    @cached_property
    def maintenance(self) -> Maintenance:
        """Checks and repairs."""
        from retclip.store.api.maintenance import Maintenance

        return Maintenance(self._catalog, self.archive, self._indexes, self.spaces)

    @cached_property
    def traces(self) -> Traces:
        """The evidence of answers, kept for a while."""
        from retclip.store.api.traces import Traces

        return Traces(self._catalog)

    @cached_property
    def trust(self) -> Trust:
        """How far the label of each segment is to be trusted."""
        from retclip.store.api.trust import Trust

        return Trust(self._catalog, self.archive, self.spaces)

    @property
    def archive(self) -> Archive:
        """The shards of vectors."""
        return self._vectors.archive

    @property
    def _indexes(self) -> Indexes:
        return self._vectors.indexes

    @cached_property
    def _negatives(self) -> NegativeExamples:
        from retclip.store.index.negatives import NegativeExamples
        from retclip.store.segments.readable_vectors import ReadableVectors

        return NegativeExamples(self._catalog, ReadableVectors(self.archive, self._indexes.vectors))

    @cached_property
    def _prototypes(self) -> StoredPrototypes:
        from retclip.store.segments.stored_prototypes import StoredPrototypes

        return StoredPrototypes(self._catalog, self.archive)

    def check_identity(self) -> None:
        """Raise StoreError if the catalog is another store's."""
        check_identity(self.folder, self.engine)

    def vocabulary_state(self) -> VocabularyState:
        """Read the state that a prepared vocabulary depends on; while it is the same, so are the names."""
        from retclip.store.classes.vocabulary_state import vocabulary_state

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
        from retclip.store.classes.undo import undo

        return self._catalog.edit(undo, event, actor)

    def undo_all(self, events: Sequence[int], actor: str) -> tuple[int, ...]:
        """Undo events, the last of them first, all or none; returns the events that this adds. Raises as `undo`."""
        from retclip.store.classes.undo import undo_all

        return self._catalog.edit(undo_all, events, actor) if events else ()

    def refresh(self) -> None:
        """Let every index follow whatever is pending; see `Indexes.refresh`."""
        self._indexes.refresh()

    def projection(self, space: FeatureSpace | None = None, follow: bool = True) -> Projection:
        """Open the index of a space with the truth it follows, for the store's own checks and tests.

        space: None for the first build's.
        follow: bring it up to date while opening. A check that must see what is really on the disk says False.
        Raises StoreMissing for an empty store, SpaceMismatch.
        """
        return self._indexes.of(*self.spaces.row_of(space), follow).projection
