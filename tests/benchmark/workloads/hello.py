"""hello: no computation at all, so that what is measured is the server."""

from pathlib import Path
from typing import Any


class Served:
    """Greet by name."""

    def __init__(self, weights: Path) -> None:
        """There are no weights."""

    def predict(self, instances: list[Any]) -> list[dict[str, Any]]:
        """Return a greeting for each name."""
        return [{"result": f"Hello, {name}!"} for name in instances]
