"""Checks and repairs of an open store for `doctor` and `db`: schema, catalog, archive, indexes."""

from __future__ import annotations

from collections.abc import Sequence

from retclip.store import repair
from retclip.store.api.spaces import Spaces
from retclip.store.archive.shards import Archive
from retclip.store.findings import Again, CatalogState, Differences, Graph, SearchWay
from retclip.store.history import class_facts, rebuild, segment_facts
from retclip.store.index.indexes import Indexes
from retclip.store.index.protocol import VectorIndex
from retclip.store.index.reconcile import differences, reconcile
from retclip.store.index.sync import Projection
from retclip.store.sql import schema
from retclip.store.sql.catalog_check import check_catalog, remake_indexes
from retclip.store.sql.transactions import Transactions
from retclip.types import FeatureSpace


class Maintenance:
    """Checks change nothing; a repair says so in its name."""

    def __init__(self, transactions: Transactions, archive: Archive, indexes: Indexes, spaces: Spaces) -> None:
        self._catalog, self._archive, self._indexes, self._spaces = transactions, archive, indexes, spaces

    def schema_revision(self) -> str | None:
        """Tell the revision of the database's schema, None where it holds no tables of ours."""
        return self._catalog.read(schema.current_revision)

    def newest_schema(self) -> str | None:
        """Tell the revision of the schema that this program speaks."""
        return schema.newest_revision()

    def schema_differences(self) -> list[str]:
        """Compare the database with the schema of this program. Raises StoreBehind for another revision."""
        schema.require_head(self._catalog.engine)
        return schema.differences(self._catalog.engine)

    def upgrade_schema(self) -> None:
        """Run the missing migrations in one transaction. Raises StoreError."""
        schema.upgrade(self._catalog.engine)

    def check_catalog(self) -> CatalogState:
        """Look at every row of the catalog. Raises StoreUnreachable, and StoreBehind for another schema's."""
        return check_catalog(self._catalog.engine)

    def remake_catalog_indexes(self) -> None:
        """Make every index of the catalog again from its table. Raises StoreError."""
        remake_indexes(self._catalog.engine)

    def stale_caches(self) -> tuple[int, int]:
        """Count the segments and the classes whose rows differ from their facts. Reads every fact."""
        return self._catalog.read(lambda c: (len(segment_facts.stale(c)), len(class_facts.stale(c))))

    def settle_caches(self) -> None:
        """Settle the rows of segments and classes by their facts; indexes follow."""
        self._catalog.edit(rebuild.settle_all)

    def shards(self) -> tuple[list[str], list[str]]:
        """List the shards that hold a vector of some segment, and the files of the archive that no row names."""
        return self._catalog.read(lambda c: (repair.shard_names(c), repair.unreferenced_shards(c, self._archive)))

    def damaged_shards(self, names: Sequence[str]) -> list[str]:
        """List those of the shards whose file is missing or is not what its name says. Reads every byte."""
        return repair.damaged_shards(self._archive, names)

    def forget_shards(self, names: Sequence[str]) -> tuple[list[Again], list[str]]:
        """Take what lay in damaged shards out of the ledger, so that it is made again.

        Returns the work to repeat, and the backbones of further spaces with missing vectors.
        """
        return self._catalog.write(lambda c: (repair.build_again(c, names), repair.add_again(c, names)))

    def index_differences(self, space: FeatureSpace) -> Differences:
        """Compare a space's index, as it lies on the disk, with SQL and the archive. Raises StoreDamaged for an index
        that contradicts itself, StoreBusy, StoreUnreachable."""
        return differences(self._projection(space))

    def copy_differences(self, space: FeatureSpace) -> Differences | None:
        """Compare the index in memory that answers for a space with SQL and the archive; None if none does. Raises
        StoreDamaged."""
        projection = self._indexes.copy(*self._spaces.row_of(space))
        return None if projection is None else differences(projection)

    def drop_copy(self, space: FeatureSpace) -> None:
        """Remove the rows of an index in memory that are kept beside the store; the next question makes them again."""
        self._indexes.drop_copy(self._spaces.row_of(space)[0])

    def repair_index(self, space: FeatureSpace) -> Differences:
        """Repair a space's index, point by point; returns the differences. Raises as `index_differences`."""
        return reconcile(self._projection(space), repair=True)

    def drop_index(self, space: FeatureSpace | None = None) -> None:
        """Remove the files of a space's embedded index; the next question makes it again. Raises StoreError where they
        cannot be removed.

        space: None for the first build's.
        """
        self._indexes.drop(self._spaces.row_of(space)[0])

    def remake_index(self, space: FeatureSpace) -> int:
        """Drop a space's embedded index and load it from the archive; returns how many points it holds. Raises
        StoreError."""
        self.drop_index(space)
        return self._indexes.of(*self._spaces.row_of(space)).projection.index.count()

    def way(self, space: FeatureSpace) -> SearchWay:
        """Tell how this process searches a space."""
        return self._indexes.way(*self._spaces.row_of(space))

    def graph(self, space: FeatureSpace, build: bool = False) -> Graph | None:
        """Tell how many vectors the graph of a space's embedded index holds; None for an index without one.

        build: add the missing ones first, if so many are missing that searches are slow.
        """
        index: VectorIndex = self._projection(space).index
        graph = index.graph()
        if graph is None or not (graph.due and build):
            return graph
        index.optimize()
        return index.graph()

    def _projection(self, space: FeatureSpace) -> Projection:
        return self._indexes.of(*self._spaces.row_of(space), follow=False).projection
