"""What `doctor` and `db` ask of an open store: its schema, its catalog, the files of its archive."""

from __future__ import annotations

from collections.abc import Sequence

from retclip.store import repair
from retclip.store.archive.shards import Archive
from retclip.store.repair import Again
from retclip.store.sql import schema
from retclip.store.sql.catalog_check import CatalogState, check_catalog, remake_indexes
from retclip.store.sql.transactions import Transactions


class Maintenance:
    """Checks change nothing; what mends says so in its name."""

    def __init__(self, transactions: Transactions, archive: Archive) -> None:
        self._catalog, self._archive = transactions, archive

    def schema_revision(self) -> str | None:
        """Tell the revision of the database's schema, None where it holds no tables of ours."""
        return self._catalog.read(schema.current_revision)

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

    def shards(self) -> tuple[list[str], list[str]]:
        """List the shards that hold a vector of some segment, and the files of the archive that no row names."""
        return self._catalog.read(lambda c: (repair.shard_names(c), repair.unreferenced_shards(c, self._archive)))

    def damaged_shards(self, names: Sequence[str]) -> list[str]:
        """List those of the shards whose file is missing or is not what its name says. Reads every byte."""
        return repair.damaged_shards(self._archive, names)

    def forget_shards(self, names: Sequence[str]) -> tuple[list[Again], list[str]]:
        """Take what lay in damaged shards out of the ledger, so that it is made again.

        Returns what makes it again, and the backbones of further spaces that lack vectors now.
        """
        return self._catalog.write(lambda c: (repair.build_again(c, names), repair.add_again(c, names)))
