"""Images with texts, as files hold them: tables, Parquet, tar shards (WebDataset), photos with texts beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from retclip.data.readers.text.folder_pairs import folder_pairs
from retclip.data.readers.text.pairs import BadPair, Pair, named_pair, places_of, tried
from retclip.data.readers.text.parquet_pairs import parquet_pairs
from retclip.data.readers.text.tar_pairs import tar_pairs
from retclip.data.readers.text.text_tables import head_of, table_rows
from retclip.documents import check_file
from retclip.errors import DataError


def read_pairs(file: Path, image: str = "", text: str = "") -> Iterator[Pair | BadPair]:
    """Yield the pairs of a file or folder, streamed; an unusable record costs that record.

    image, text: the columns, or the key in the JSON members of a tar; "" = a usual name.

    Raises DataError where no more of the file can be read, ConfigError where a library is missing.
    """
    if file.is_dir():
        return folder_pairs(file)
    readers = {".csv": _table, ".tsv": _table, ".parquet": parquet_pairs, ".tar": tar_pairs}
    reader = readers.get(file.suffix.lower())
    if reader is None:
        raise DataError("pairs in a .csv, .tsv, .parquet or .tar file", str(file), "convert them, or name another file")
    try:
        check_file(file)
    except OSError as error:
        raise DataError(f"a readable file of pairs: {file}", str(error), "check the path") from error
    return reader(file, image, text)


def _table(file: Path, image: str, text: str) -> Iterator[Pair | BadPair]:
    rows = table_rows(file)
    head = head_of(rows)
    image_at, text_at = places_of(file, head, image, text)
    for number, row in rows:
        where = f"row {number} of {file}"
        if isinstance(row, DataError):
            yield BadPair(where, row)
        elif any(cell.strip() for cell in row):
            yield tried(where, partial(_pair, file, head, row, (image_at, text_at), number))


def _pair(file: Path, head: Sequence[str], row: Sequence[str], places: tuple[int, int], number: int) -> Pair:
    """Return a row's pair. Unquoted commas belong to the text where it is the last column. Raises DataError."""
    image_at, text_at = places
    too_many = any(cell.strip() for cell in row[len(head) :])
    if len(row) <= max(places) or (too_many and text_at != len(head) - 1):
        raise DataError(f"{len(head)} cells in row {number} of {file}", f"{len(row)}", "complete or quote it")
    text = ", ".join(row[text_at:]) if too_many else row[text_at]
    return named_pair(file, row[image_at], text, number)
