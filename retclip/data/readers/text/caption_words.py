"""Which classes of a vocabulary a caption names: whole words, singular or plural, the longest name first."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from retclip.errors import ConfigError
from retclip.names import name_key
from retclip.plugin.contracts import SourceClass

WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


class CaptionWords:
    """Finds classes in texts. "hot dogs" names hot dog and not dog; what a text denies ("no dog") is found, too."""

    def __init__(self, classes: Sequence[SourceClass]) -> None:
        """Index the names, synonyms and plurals. Raises ConfigError where the library that forms plurals is missing."""
        plural = _plural()
        names = [(source_class.name, source_class.name) for source_class in classes]
        synonyms = [(term, source_class.name) for source_class in classes for term in source_class.synonyms]
        plurals = [(plural(term), name) for term, name in (*names, *synonyms)]
        self._by_words: dict[tuple[str, ...], str] = {}
        for form, name in (*names, *synonyms, *plurals):  # a class's own name is never another's synonym or plural
            self._by_words.setdefault(_words(form), name)
        self._by_words.pop((), None)
        self._longest = max(map(len, self._by_words), default=0)

    def classes(self, text: str) -> list[str]:
        """Return the classes that a caption names, in the order of their first words."""
        words, place = _words(text), 0
        names: dict[str, None] = {}
        while place < len(words):
            for length in range(min(self._longest, len(words) - place), 0, -1):
                name = self._by_words.get(words[place : place + length])
                if name is not None:
                    names[name] = None
                    place += length
                    break
            else:
                place += 1
        return list(names)

    def tag(self, text: str) -> str | None:
        """Return the class that a whole tag names; None without one."""
        return self._by_words.get(_words(text))


def _words(text: str) -> tuple[str, ...]:
    """Return the words of a text without case and hyphens: "T-shirt" and "t shirt" are one."""
    return tuple(part for word in WORD.findall(name_key(text)) for part in re.split(r"[-’']", word) if part)


def _plural() -> Callable[[str], str]:
    try:
        import inflect
    except ImportError as error:
        todo = "pip install 'retclip[image-text]'"
        raise ConfigError("inflect, which forms the plurals of class names", "it is not installed", todo) from error
    return inflect.engine().plural_noun
