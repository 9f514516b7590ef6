"""Image-text pairs as a source: a CSV, TSV or Parquet file, or tar shards, of images with captions or tags.

Which classes an image shows is read off its text: the vocabulary's names and synonyms, singular or plural, as whole
words. Images whose text names none are passed over unless `keep_unnamed` says otherwise. A path may be a file, or a
folder or glob of files.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Iterator, Sequence, Set
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import Field

from retclip.data.caption_words import CaptionWords
from retclip.data.class_choice import AnnotatedSettings, chosen, text_digest
from retclip.data.class_list import read_vocabulary
from retclip.data.images import decode, file_digest, read_image
from retclip.data.pair_files import Pair, read_pairs
from retclip.errors import DataError
from retclip.plugin.contracts import SourceClass, SourceImage
from retclip.types import Image

KINDS = (".csv", ".tsv", ".parquet", ".tar")


class ImageTextSettings(AnnotatedSettings):
    vocabulary: str = Field(description="the classes to look for: a file of class names, or a comma list")
    text: Literal["captions", "tags"] = Field("captions", description="tags: whole names, parted by ; | or commas")
    image_column: str = Field("", description="the column of images, if not a usual name")
    text_column: str = Field("", description="the column of texts, if not a usual name")
    keep_unnamed: bool = Field(False, description="also images whose text names none of the classes")


class ImageText:
    """An ImageSource without masks, streamed: the pairs are read anew for each walk."""

    def __init__(self, settings: ImageTextSettings) -> None:
        if settings.split:
            todo = "name the split's folder or files as path"
            raise DataError(f"no split, as the path names the files: {settings.path}", repr(settings.split), todo)
        self._settings, self._files = settings, _files(settings.path)
        self._count: int | None = None
        words = read_vocabulary(settings.vocabulary)
        known = [
            SourceClass(name, thing, more)
            for name, thing, more in zip(words.names, words.is_thing, words.synonyms or ((),) * len(words), strict=True)
        ]
        self._classes = chosen(known, settings)
        self._words = CaptionWords(self._classes)
        self.name = Path(settings.path).resolve().stem or "pairs"

    def classes(self) -> Sequence[SourceClass]:
        """Those of the vocabulary."""
        return self._classes

    def __len__(self) -> int:
        """Counted by reading every text once; the images are not touched."""
        if self._count is None:
            self._count = sum(1 for _ in self.images())
        return self._count

    def images(self) -> Iterator[SourceImage]:
        """In the files' order. The ids begin with the file's place below the folder that all files have in common."""
        seen: set[bytes] = set()
        above = os.path.commonpath([file.parent for file in self._files])
        for file in self._files:
            place = file.relative_to(above)
            for pair in read_pairs(file, self._settings.image_column, self._settings.text_column):
                names = self._named(pair.text)
                key = f"{place}/{pair.key}"
                known = key.encode(errors="surrogateescape")
                digest = hashlib.blake2b(known, digest_size=16).digest()  # of millions of keys, 16 bytes each
                if digest in seen:
                    raise DataError(f"every image once in {file}", f"{pair.key!r} twice: {pair.where}", "remove one")
                seen.add(digest)
                if names or self._settings.keep_unnamed:
                    yield _record(key, pair, names)

    def _named(self, text: str) -> tuple[str, ...]:
        """The classes in a text, in the vocabulary's order."""
        if self._settings.text == "tags":
            found = {self._words.tag(one) for one in re.split(r"[;|,]", text)}
        else:
            found = set(self._words.classes(text))
        return tuple(one.name for one in self._classes if one.name in found)


def _record(key: str, pair: Pair, names: tuple[str, ...]) -> SourceImage:
    path = Path(pair.uri)
    return SourceImage(
        external_id=key,
        uri=pair.uri,
        load=partial(_decoded, pair) if pair.read else partial(read_image, path),
        file_digest=partial(_digest, pair) if pair.read else partial(file_digest, path),
        class_names=names,
        annotation_digest=text_digest(names),
        extra={"text": pair.text},
    )


def _content(pair: Pair) -> bytes:
    try:
        return pair.read() if pair.read else b""
    except OSError as error:
        raise DataError(f"the image of {pair.where}", str(error), "check the file") from error


def _decoded(pair: Pair) -> Image:
    return decode(_content(pair), pair.uri)


def _digest(pair: Pair) -> str:
    return hashlib.sha256(_content(pair)).hexdigest()


def _files(path: str) -> list[Path]:
    """The files of pairs. Raises DataError where there are none."""
    root = Path(path).absolute()
    inside = [one for one in root.iterdir() if one.is_file() and not one.name.startswith(".")] if root.is_dir() else []
    found = [root] if root.is_file() else inside
    found = found or [Path(one).absolute() for one in glob.glob(path, recursive=True)]  # noqa: PTH207  (any pattern)
    shards = {one.with_suffix("") for one in found if one.suffix.lower() == ".tar"}
    pairs = sorted(one for one in found if one.suffix.lower() in KINDS and not _about_a_shard(one, shards))
    if not pairs:
        raise DataError(f"files of pairs ({', '.join(KINDS)}) at {path}", "none", "check the path")
    return pairs


def _about_a_shard(file: Path, shards: Set[Path]) -> bool:
    """img2dataset writes 00000.parquet beside 00000.tar: links and sizes of the same pairs, without the images."""
    return file.suffix.lower() == ".parquet" and file.with_suffix("") in shards
