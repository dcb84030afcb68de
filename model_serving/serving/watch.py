"""A watch on folders, by the kernel's inotify: it tells at once when something in them changes."""

import ctypes
import os
import select
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Self

# Of linux/inotify.h.
_CLOSE_WRITE = 0x8
_MOVED_FROM, _MOVED_TO = 0x40, 0x80
_CREATE, _DELETE, _DELETE_SELF = 0x100, 0x200, 0x400
_OVERFLOW = 0x4000
_CHANGES = _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _DELETE_SELF
_EVENT = struct.Struct("iIII")  # the watch, the mask, a cookie, and the length of the name behind
_READ_BYTES = 65_536

_libc = ctypes.CDLL(None, use_errno=True)


class FolderWatch:
    """Tells of entries of some folders that are made, written, moved or removed."""

    def __init__(self, folders: Iterable[Path]) -> None:
        """Watch from now on.

        Raises:
            OSError: a folder is not there, or the system watches no more.
        """
        self._file = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._folders: dict[int, Path] = {}
        try:
            for folder in folders:
                number = _libc.inotify_add_watch(self._file, os.fsencode(folder), _CHANGES)
                self._folders[_checked(number, folder)] = folder
        except OSError:
            self.close()
            raise

    def fileno(self) -> int:
        """Return what is readable once something has changed."""
        return self._file

    def changed(self) -> set[Path]:
        """Return the folders that have changed since this was asked last."""
        try:
            data = os.read(self._file, _READ_BYTES)
        except BlockingIOError:
            return set()
        folders = set[Path]()
        start = 0
        while start < len(data):
            number, mask, _, name_bytes = _EVENT.unpack_from(data, start)
            start += _EVENT.size + name_bytes
            if mask & _OVERFLOW:  # The kernel has left some out, it does not say of which folder.
                return set(self._folders.values())
            folders.add(self._folders[number])
        return folders

    def wait(self) -> None:
        """Wait until something has changed."""
        poll = select.poll()
        poll.register(self._file, select.POLLIN)
        poll.poll()

    def close(self) -> None:
        """Watch no more."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def _checked(result: int, path: Path | None = None) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path and str(path))
    return result
