"""The photos and classes behind the visible segments, for audits."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import Connection, func, select

from retclip.store.history.rejections import not_of_own_class
from retclip.store.records.photos import ClassCoverage, ListedPhoto
from retclip.store.sql.catalog import joined, rows_in, visible
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
    """List every living class with what stands behind it, those with the fewest images first. A segment that was
    rejected for its own label stands behind nothing."""
    living = select(Category.id, Category.name)
    living = living.where(Category.retired_at.is_(None), Category.merged_into_id.is_(None))
    names = {row.id: row.name for row in connection.execute(living)}
    origins: tuple[Any, ...] = (Segment.category_id, Segment.image_id, Dataset.name, Segment.run_id)
    shown = joined(select(*origins, func.count()).select_from(Segment)).join(Dataset, Dataset.id == ImageRow.dataset_id)
    members = Counter({tuple(row[:4]): row[4] for row in connection.execute(shown.where(visible()).group_by(*origins))})
    apart = joined(select(*origins).select_from(Segment)).join(Dataset, Dataset.id == ImageRow.dataset_id)
    members.subtract(tuple(row) for row in rows_in(connection, apart, Segment.id, not_of_own_class(connection)))
    counts, images = Counter[int](), dict[int, set[int]]()
    datasets, runs = dict[int, set[str]](), dict[int, set[int]]()
    for (category, image, dataset, run), segments in (+members).items():
        counts[category] += segments
        images.setdefault(category, set()).add(image)
        datasets.setdefault(category, set()).add(dataset)
        runs.setdefault(category, set()).add(run)
    rows = [
        ClassCoverage(row, name, counts[row], len(images.get(row, ())), tuple(sorted(datasets.get(row, ()))),
                      tuple(sorted(runs.get(row, ()))))
        for row, name in names.items()
    ]  # fmt: skip
    return sorted(rows, key=lambda one: (one.images, one.segments, one.name))
