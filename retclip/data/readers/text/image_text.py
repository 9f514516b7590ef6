"""Image-text pairs as a source: a CSV, TSV or Parquet file, or tar shards, of images with captions or tags; or a folder
of photos, each with a text beside it.

Which classes an image shows is read off its text: the vocabulary's names and synonyms, singular or plural, as whole
words. Images whose text names none are passed over unless `keep_unnamed` says otherwise. A path may be a file, or a
folder or glob of files.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

from pydantic import Field

from retclip.data.class_choice import AnnotatedSettings, chosen, text_digest
from retclip.data.class_kinds import with_kinds
from retclip.data.class_list import read_vocabulary
from retclip.data.file_bytes import ReadOnce
from retclip.data.images import file_digest, read_image
from retclip.data.readers.text.caption_words import CaptionWords
from retclip.data.readers.text.folder_pairs import holds_pairs
from retclip.data.readers.text.pair_files import read_pairs
from retclip.data.readers.text.pairs import BadPair, Pair
from retclip.errors import DataError
from retclip.passed_over import BAD_RECORDS, PassedOver, Tally
from retclip.plugin.contracts import SourceClass, SourceImage

KINDS = (".csv", ".tsv", ".parquet", ".tar")
UNNAMED = "images whose text names no class"


class ImageTextSettings(AnnotatedSettings):
    """Settings of a source of image-text pairs."""

    vocabulary: str = Field(description="the classes to look for: a file of class names, or a comma list")
    text: Literal["captions", "tags"] = Field("captions", description="tags: whole names, parted by ; | or commas")
    image_column: str = Field("", description="the column of images, if not a usual name")
    text_column: str = Field("", description="the column of texts, if not a usual name")
    keep_unnamed: bool = Field(False, description="also images whose text names none of the classes")


@dataclass(frozen=True)
class _Survey:
    """The result of one walk over every text.

    count: images to be yielded.
    joined: the classes of all texts of an image that comes several times, by the digest of its key.
    damaged: files that are damaged before their end.
    """

    count: int
    joined: Mapping[bytes, frozenset[str]]
    damaged: frozenset[Path]
    passed_over: PassedOver


class ImageText:
    """An ImageSource without masks, streamed: each walk reads the pairs anew.

    An image that a table names once for each of its captions is one image.
    """

    def __init__(self, settings: ImageTextSettings) -> None:
        if settings.split:
            todo = "name the split's folder or files as path"
            raise DataError(f"no split, as the path names the files: {settings.path}", repr(settings.split), todo)
        self._settings, self._files = settings, _files(settings.path)
        self._above = os.path.commonpath([file.parent for file in self._files])
        words = read_vocabulary(settings.vocabulary)
        classes = [
            SourceClass(name, is_thing, more)
            for name, is_thing, more in zip(
                words.names, words.is_thing, words.synonyms or ((),) * len(words), strict=True
            )
        ]
        self._classes = chosen(with_kinds(classes, settings), settings)
        self._words = CaptionWords(self._classes)
        self.name = Path(settings.path).resolve().stem or "pairs"

    def classes(self) -> Sequence[SourceClass]:
        """Return the classes of the vocabulary."""
        return self._classes

    def __len__(self) -> int:
        """Count the images by reading every text once; no image is read."""
        return self._survey.count

    def passed_over(self) -> PassedOver:
        """Return the unusable records, and the number of images whose texts name no class."""
        return self._survey.passed_over

    def images(self) -> Iterator[SourceImage]:
        """Yield the records in the files' order.

        An id begins with the file's path below the folder that all files have in common.
        """
        joined, yielded = self._survey.joined, set[bytes]()
        for file in self._files:
            for pair in self._pairs(file):
                if isinstance(pair, BadPair):
                    continue
                key = self._key(file, pair)
                digest = _key_digest(key) if joined else b""
                if digest in yielded:
                    continue
                names = joined.get(digest)
                if names is None:
                    names = self._named(pair.texts)
                else:
                    yielded.add(digest)
                if names or self._settings.keep_unnamed:
                    yield _record(
                        key,
                        pair,
                        tuple(source_class.name for source_class in self._classes if source_class.name in names),
                    )

    def _pairs(self, file: Path) -> Iterator[Pair | BadPair]:
        """Yield the pairs of a file; of a damaged file, which the survey listed, the pairs before the damage."""
        try:
            yield from read_pairs(file, self._settings.image_column, self._settings.text_column)
        except DataError:
            if file not in self._survey.damaged:
                raise

    @cached_property
    def _survey(self) -> _Survey:
        tally, joined, count, damage = Tally(), dict[bytes, frozenset[str]](), 0, dict[Path, DataError]()
        for file in self._files:
            names_of: dict[bytes, frozenset[str]] = {}  # keys begin with their file
            try:
                self._survey_file(file, names_of, joined, tally)
            except DataError as error:
                damage[file] = error
                tally.fault(BAD_RECORDS, f"{file.name}, from where it is damaged", str(file), error)
            unnamed = 0 if self._settings.keep_unnamed else sum(not names for names in names_of.values())
            tally.skip(UNNAMED, unnamed)
            count += len(names_of) - unnamed
        if len(damage) == len(self._files) and not count:
            raise next(iter(damage.values()))
        return _Survey(count, joined, frozenset(damage), tally.total)

    def _survey_file(
        self, file: Path, names_of: dict[bytes, frozenset[str]], joined: dict[bytes, frozenset[str]], tally: Tally
    ) -> None:
        """Add the classes of each image of a file, and those of images that come again.

        names_of: classes by the digest of the image's key.
        joined: the same of images that come several times.
        tally: gets the unusable records.
        """
        alike: dict[frozenset[str], frozenset[str]] = {}  # of millions of images few differ in their classes
        for pair in read_pairs(file, self._settings.image_column, self._settings.text_column):
            if isinstance(pair, BadPair):
                tally.fault(BAD_RECORDS, pair.where, str(file), pair.error)
                continue
            digest, names = _key_digest(self._key(file, pair)), self._named(pair.texts)
            if digest in names_of:
                joined[digest] = names_of[digest]
                if pair.read is not None:  # it brings an image of its own, of which nobody knows whether it is the same
                    error = DataError(
                        f"samples of different names: {pair.where}", "one of that name before", "rename it"
                    )
                    tally.fault(BAD_RECORDS, pair.where, str(file), error)
                    continue
                names = joined[digest] = names_of[digest] | names
            names_of[digest] = alike.setdefault(names, names)

    def _key(self, file: Path, pair: Pair) -> str:
        return f"{file.relative_to(self._above)}/{pair.key}"

    def _named(self, texts: Sequence[str]) -> frozenset[str]:
        """Return the classes that an image's texts name."""
        if self._settings.text == "tags":
            tags = [part for text in texts for part in (text, *re.split(r"[;|,]", text))]
            return frozenset(name for name in map(self._words.tag, tags) if name)
        return frozenset(name for text in texts for name in self._words.classes(text))


def _key_digest(key: str) -> bytes:
    """Return 16 bytes for a key: there may be millions."""
    return hashlib.blake2b(key.encode(errors="surrogateescape"), digest_size=16).digest()


def _record(key: str, pair: Pair, names: tuple[str, ...]) -> SourceImage:
    read = partial(_content, pair.read, pair.where) if pair.read else None
    file = ReadOnce(pair.uri if read else Path(pair.uri), read, pair.part)
    return SourceImage(
        external_id=key,
        uri=pair.uri,
        load=partial(read_image, file),
        file_digest=partial(file_digest, file),
        class_names=names,
        annotation_digest=text_digest(names),
        extra={"text": "\n".join(pair.texts)},
    )


def _content(read: Callable[[], bytes], where: str) -> bytes:
    try:
        return read()
    except OSError as error:
        raise DataError(f"the image of {where}", str(error), "check the file") from error


def _files(path: str) -> list[Path]:
    """Return the files of pairs. Raises DataError where there are none."""
    root = Path(path).absolute()
    inside = (
        [path for path in root.iterdir() if path.is_file() and not path.name.startswith(".")] if root.is_dir() else []
    )
    files = [root] if root.is_file() else inside
    files = files or [Path(match).absolute() for match in glob.glob(path, recursive=True)]  # noqa: PTH207  (any pattern)
    shards = {file.with_suffix("") for file in files if file.suffix.lower() == ".tar"}
    pairs = sorted(file for file in files if file.suffix.lower() in KINDS and not _about_a_shard(file, shards))
    if not pairs and root.is_dir() and holds_pairs(root):
        return [root]
    if not pairs:
        todo = f"check the path; name files of folders below as {path}/**/*.csv"
        raise DataError(
            f"files of pairs ({', '.join(KINDS)}), or photos with a .txt beside them, at {path}", "none", todo
        )
    return pairs


def _about_a_shard(file: Path, shards: Set[Path]) -> bool:
    """Return whether a file is img2dataset's 00000.parquet beside 00000.tar: the same pairs, without the images."""
    return file.suffix.lower() == ".parquet" and file.with_suffix("") in shards
