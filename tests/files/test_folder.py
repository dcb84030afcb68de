"""Result files: kept whole, once, for as long as promised, and told of when there is no room."""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model_serving.files.folder import Folder
from model_serving.files.store import Keeping

DAY_S = 86_400.0


def folder(path: Path, max_bytes: int = 10**9, keep_s: float = 0.0) -> Folder:
    return Folder(path, Keeping(DAY_S, max_bytes, keep_s))


def name(number: int) -> str:
    return f"{number:064x}.bin"


def put(store: Folder, path: Path, number: int, age_s: float = 0.0, size: int = 100) -> None:
    store.put(name(number), bytes(size))
    then_s = time.time() - age_s
    os.utime(path / name(number), (then_s, then_s))


def kept(path: Path) -> list[int]:
    return sorted(int(file.name.partition(".")[0], 16) for file in path.iterdir())


def test_same_content_is_stored_once_and_counts_as_new(tmp_path: Path) -> None:
    store = folder(tmp_path)
    put(store, tmp_path, 1, age_s=DAY_S + 1)
    first = (tmp_path / name(1)).stat()
    store.put(name(1), bytes(100))
    assert (tmp_path / name(1)).stat().st_ino == first.st_ino
    store.sweep()
    assert kept(tmp_path) == [1]


def test_opened_file_tells_its_size(tmp_path: Path) -> None:
    store = folder(tmp_path)
    store.put(name(1), b"content")
    opened = store.open(name(1))
    assert opened is not None
    with opened.stream as stream:
        assert (stream.read(), opened.size_bytes) == (b"content", 7)
    assert store.open(name(2)) is None


def test_sweep_removes_what_is_too_old(tmp_path: Path) -> None:
    store = folder(tmp_path)
    put(store, tmp_path, 1, age_s=DAY_S - 60)
    put(store, tmp_path, 2, age_s=DAY_S + 60)
    store.sweep()
    assert kept(tmp_path) == [1]


def test_sweep_removes_the_oldest_of_too_much_but_nothing_young(tmp_path: Path) -> None:
    store = folder(tmp_path, max_bytes=250, keep_s=600)
    for number, age_s in enumerate((3000, 2000, 1000, 500, 400), start=1):
        put(store, tmp_path, number, age_s)
    store.sweep()
    assert kept(tmp_path) == [4, 5]
    put(store, tmp_path, 6)
    store.sweep()  # They are too many, but too young.
    assert kept(tmp_path) == [4, 5, 6]


def test_sweep_leaves_strange_files_and_removes_unfinished_ones(tmp_path: Path) -> None:
    old_s = time.time() - 10 * DAY_S
    for strange in (".part-abc", ".gitkeep", "notes.txt"):
        (tmp_path / strange).touch()
        os.utime(tmp_path / strange, (old_s, old_s))
    folder(tmp_path).sweep()
    assert sorted(file.name for file in tmp_path.iterdir()) == [".gitkeep", "notes.txt"]


def test_sweep_of_no_folder_is_nothing(tmp_path: Path) -> None:
    folder(tmp_path / "none").sweep()
    assert not (tmp_path / "none").exists()


@contextmanager
def held(path: Path, how: int) -> Iterator[None]:
    """Hold the folder as another process does that stores a file, or removes one."""
    folder = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(folder, how)
        yield
    finally:
        os.close(folder)


def test_file_is_stored_only_when_no_sweep_removes_one(tmp_path: Path) -> None:
    store = folder(tmp_path)
    put(store, tmp_path, 1, age_s=DAY_S + 1)
    with held(tmp_path, fcntl.LOCK_EX):
        storing = threading.Thread(target=store.put, args=(name(1), bytes(100)))
        storing.start()
        storing.join(0.5)
        assert storing.is_alive()
        assert (tmp_path / name(1)).stat().st_mtime < time.time() - DAY_S
    storing.join()
    assert (tmp_path / name(1)).stat().st_mtime > time.time() - DAY_S


def test_sweep_takes_nothing_that_is_stored_again_meanwhile(tmp_path: Path) -> None:
    store = folder(tmp_path)
    put(store, tmp_path, 1, age_s=DAY_S + 1)
    with held(tmp_path, fcntl.LOCK_SH):
        sweeping = threading.Thread(target=store.sweep)
        sweeping.start()
        sweeping.join(0.5)
        assert sweeping.is_alive()
        store.put(name(1), bytes(100))
    sweeping.join()
    assert kept(tmp_path) == [1]
