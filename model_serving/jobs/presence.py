"""Which workers of this machine live: each holds a lock, which ends with its process.

So a successor knows at once whom it need not wait for, even after a loss of power. A worker of
another machine is known by the signs of life in the record alone: where they share the folder, not
every file system tells one machine of the locks of another.
"""

import fcntl
import os
import secrets
import socket
from contextlib import suppress
from pathlib import Path


class Presence:
    """The presence of this process, as a worker; ``name`` is its own for all times."""

    def __init__(self, folder: Path) -> None:
        """Be present until the process ends.

        Raises:
            OSError: the folder cannot be used.
        """
        self._folder = folder
        self._host = socket.gethostname()
        self.name = f"{self._host} {os.getpid()} {secrets.token_hex(4)}"
        folder.mkdir(parents=True, exist_ok=True)
        hidden = folder / f".{self.name}"
        lock = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)  # And never closed.
        fcntl.flock(lock, fcntl.LOCK_EX)
        hidden.rename(folder / self.name)  # Nobody finds it before it is locked.

    def dead(self) -> list[str]:
        """Return the names of workers that have ended, and are not forgotten yet."""
        names = {path.name for path in self._folder.iterdir()} - {self.name}
        ours = [name for name in names if name.startswith(f"{self._host} ")]
        return [name for name in ours if self._is_dead(name)]

    def forget(self, name: str) -> None:
        """Forget one that was dead: what it held is free."""
        (self._folder / name).unlink(missing_ok=True)

    def _is_dead(self, name: str) -> bool:
        with suppress(OSError), (self._folder / name).open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False
