"""The photos and classes behind the visible segments, for audits."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select

from retclip.store.records.photos import ClassCoverage, ListedPhoto
from retclip.store.sql.catalog import joined, visible
from retclip.store.sql.tables import Category, Dataset, ImageRow, Segment


def listed_photos(connection: Connection) -> list[ListedPhoto]:
    """List the photos with a visible segment, by row."""
    columns: tuple[Any, ...] = (
        ImageRow.id, ImageRow.external_id, Dataset.name, ImageRow.uri, ImageRow.sha256, func.count(),
    )  # fmt: skip
    query = joined(select(*columns).select_from(Segment)).join(Dataset, Dataset.id == ImageRow.dataset_id)
    query = query.where(visible()).group_by(*columns[:-1]).order_by(ImageRow.id)
    return [ListedPhoto(*row) for row in connection.execute(query)]


def coverage(connection: Connection) -> list[ClassCoverage]:
    """List every living class with what stands behind it, those with the fewest images first."""
    living = select(Category.id, Category.name)
    living = living.where(Category.retired_at.is_(None), Category.merged_into_id.is_(None))
    names = {row.id: row.name for row in connection.execute(living)}
    counted: tuple[Any, ...] = (Segment.category_id, func.count(), func.count(Segment.image_id.distinct()))
    query = joined(select(*counted).select_from(Segment)).where(visible()).group_by(Segment.category_id)
    counts = {row[0]: (row[1], row[2]) for row in connection.execute(query)}
    origins: tuple[Any, ...] = (Segment.category_id, Dataset.name, Segment.run_id)
    query = joined(select(*origins).select_from(Segment)).join(Dataset, Dataset.id == ImageRow.dataset_id)
    datasets, runs = dict[int, set[str]](), dict[int, set[int]]()
    for category, dataset, run in connection.execute(query.where(visible()).distinct()):
        datasets.setdefault(category, set()).add(dataset)
        runs.setdefault(category, set()).add(run)
    rows = [
        ClassCoverage(row, name, *counts.get(row, (0, 0)), tuple(sorted(datasets.get(row, ()))),
                      tuple(sorted(runs.get(row, ()))))
        for row, name in names.items()
    ]  # fmt: skip
    return sorted(rows, key=lambda one: (one.images, one.segments, one.name))
