"""Chinese part-of-speech tagging by jieba, shared by the models that build on it.

The tags are ICTCLAS's: ``n`` noun, ``v`` verb, ``nr`` person, ``ns`` place, ``nt`` organisation,
``x`` anything that is no word. Source: https://github.com/fxsj/jieba.
"""

import importlib
import logging
import tempfile
from collections.abc import Iterator
from typing import NamedTuple

import jieba


class Token(NamedTuple):
    """A word, its tag, and where it stands in the text: characters from ``start`` up to ``end``."""

    text: str
    tag: str
    start: int
    end: int


class Tagger:
    """jieba's tagger, with its dictionary loaded; it is one for the process, as jieba keeps it."""

    def __init__(self) -> None:
        """Load the dictionary that ships with jieba, which takes about a second the first time."""
        # This import reads the dictionary of tags, so it is part of the loading.
        self._posseg = importlib.import_module("jieba.posseg")
        if jieba.dt.initialized:
            return
        jieba.setLogLevel(logging.WARNING)
        # jieba would keep a cache in the machine's shared /tmp, and load whatever stands there.
        with tempfile.TemporaryDirectory() as private:
            jieba.dt.tmp_dir = private
            jieba.dt.initialize()

    def tag(self, text: str) -> Iterator[Token]:
        """Split the whole text into tokens; white space and punctuation are tokens too."""
        start = 0
        for word, tag in self._posseg.cut(text):
            end = start + len(word)
            yield Token(word, tag, start, end)
            start = end
