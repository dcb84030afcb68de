"""The options of a command, read by docopt and turned into numbers."""

import math
from typing import Any

from docopt import DocoptExit, docopt

from tests.load.bodies import Unusable


class Options:
    """What the command line gives."""

    def __init__(self, text: str, arguments: list[str]) -> None:
        """Read the command line by its help text.

        Raises:
            Unusable: it is not as the text says.
        """
        try:
            self._given = docopt(text, arguments)
        except DocoptExit:
            raise Unusable(f"cannot understand {' '.join(arguments)!r}; see --help") from None

    def __getitem__(self, name: str) -> Any:
        return self._given[name]

    def number(self, name: str) -> float:
        """Return a number above 0.

        Raises:
            Unusable: it is none.
        """
        try:
            value = float(self._given[name])
        except ValueError:
            value = math.nan
        if not 0 < value < math.inf:
            raise Unusable(f"{name}={self._given[name]}: allowed is a number above 0")
        return value

    def count(self, name: str) -> int:
        """Return a whole number from 1.

        Raises:
            Unusable: it is none.
        """
        text = self._given[name]
        if not (text.isdecimal() and int(text)):
            raise Unusable(f"{name}={text}: allowed is a whole number from 1")
        return int(text)
