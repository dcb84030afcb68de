"""Which replicas serve: the folder of a generation, watched."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from model_serving.serving.run_dir import FAILURE_NAME, GenerationDir
from model_serving.serving.watch import FolderWatch


@dataclass(frozen=True)
class Listing:
    """The sockets of a model's replicas that serve, or why there are none."""

    sockets: frozenset[str]
    failure: str | None = None


class Registry:
    """The listing of each model, as replicas come and go."""

    def __init__(self, folder: GenerationDir, names: Iterable[str]) -> None:
        """Watch the folder from the running loop."""
        self._folders = {name: folder.sockets(name) for name in names}
        self._watch = FolderWatch(self._folders.values())
        self._listings = {name: _listing(path) for name, path in self._folders.items()}
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._watch.fileno(), self._read)

    def listing(self, name: str) -> Listing:
        """Return the newest listing of a model; any thread may ask."""
        return self._listings[name]

    async def change(self) -> None:
        """Wait until a listing changes."""
        await self._changed.wait()

    def close(self) -> None:
        """Watch no more."""
        self._loop.remove_reader(self._watch.fileno())
        self._watch.close()

    def _read(self) -> None:
        folders = self._watch.changed()
        names = [name for name, path in self._folders.items() if path in folders]
        self._listings |= {name: _listing(self._folders[name]) for name in names}
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def _listing(folder: Path) -> Listing:
    try:
        # A replica that still loads has a hidden socket.
        sockets = frozenset(str(path) for path in folder.iterdir() if path.name[0] != ".")
    except FileNotFoundError:  # A generation ends before its last users if the service is killed.
        return Listing(frozenset(), "the service has ended")
    try:
        return Listing(sockets, (folder / FAILURE_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Listing(sockets)
