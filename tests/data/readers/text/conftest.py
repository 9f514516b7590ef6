"""What the tests of files of pairs share: a small image, what a file lists, and what reading all of it does."""

import io

import pytest
from PIL import Image as Pillow

from retclip.data.readers.text.pair_files import read_pairs
from retclip.data.readers.text.pairs import BadPair


@pytest.fixture(scope="session")
def png():
    """The bytes of a PNG of one colour."""

    def drawn(colour):
        buffer = io.BytesIO()
        Pillow.new("RGB", (6, 4), colour).save(buffer, "PNG")
        return buffer.getvalue()

    return drawn


@pytest.fixture(scope="session")
def reading():
    """A call that reads every image of a file, for `refused`; the first record that cannot be used is raised."""

    def of(file):
        def work():
            for pair in read_pairs(file):
                if isinstance(pair, BadPair):
                    raise pair.error
                pair.read()

        return work

    return of


@pytest.fixture(scope="session")
def told():
    """The key and the texts of each pair."""
    return lambda pairs: [(one.key, *one.texts) for one in pairs]
