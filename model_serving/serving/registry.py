"""Which replicas serve: the folder of a generation, watched."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from inotify_simple import INotify, flags

from model_serving.serving.run_dir import GenerationDir

FAILURE_NAME = ".failed"  # A file in a model's folder: why its replicas could not be loaded.

_CHANGES = (
    flags.CREATE
    | flags.CLOSE_WRITE
    | flags.MOVED_TO
    | flags.MOVED_FROM
    | flags.DELETE
    | flags.DELETE_SELF
)


@dataclass(frozen=True)
class Listing:
    """The sockets of a model's replicas that serve, or why there are none."""

    sockets: frozenset[str]
    failure: str | None = None


class Registry:
    """The listing of each model, as replicas come and go."""

    def __init__(self, folder: GenerationDir, names: Iterable[str]) -> None:
        """Watch the folder by a thread of its own, which ends with the process."""
        self._notify = INotify()
        self._folders = {name: folder.sockets(name) for name in names}
        watches = {
            self._notify.add_watch(path, _CHANGES): name for name, path in self._folders.items()
        }
        self._changed = threading.Condition()
        self._listings = {name: _listing(path) for name, path in self._folders.items()}
        self._listeners: list[Callable[[], object]] = []
        threading.Thread(
            target=self._watch, args=(watches,), name="replica registry", daemon=True
        ).start()

    def listing(self, name: str) -> Listing:
        """Return the newest listing of a model."""
        return self._listings[name]

    def wait_for_change(self, name: str, seen: Listing, deadline_s: float) -> bool:
        """Wait until a model's listing is not the one ``seen``; False: not in time."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._listings[name] != seen, max(0.0, deadline_s - time.monotonic())
            )

    def listen(self, listener: Callable[[], object]) -> None:
        """Call ``listener`` in the watching thread after each change."""
        self._listeners.append(listener)

    def _watch(self, watches: dict[int, str]) -> None:
        while True:
            names = {watches[event.wd] for event in self._notify.read() if event.wd in watches}
            with self._changed:
                self._listings |= {name: _listing(self._folders[name]) for name in names}
                self._changed.notify_all()
            for listener in self._listeners:
                listener()


def _listing(folder: Path) -> Listing:
    try:
        # A replica that still loads has a hidden socket.
        sockets = frozenset(str(path) for path in folder.iterdir() if path.name[0] != ".")
        failure = folder / FAILURE_NAME
        return Listing(sockets, failure.read_text(encoding="utf-8") if failure.exists() else None)
    except FileNotFoundError:  # A generation ends before its last users if the service is killed.
        return Listing(frozenset(), "the service has ended")
