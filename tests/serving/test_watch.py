import os
import select
from collections.abc import Callable
from pathlib import Path

import pytest

from model_serving.serving.watch import FolderWatch


def made(folder: Path) -> None:
    (folder / "new").touch()


def moved_away(folder: Path) -> None:
    (folder / "old").rename(folder.parent / "elsewhere")


def moved_here(folder: Path) -> None:
    (folder.parent / "other").rename(folder / ("ö" * 50))


def written(folder: Path) -> None:
    (folder / "old").write_text("new")


def removed(folder: Path) -> None:
    (folder / "old").unlink()


def ended(folder: Path) -> None:
    (folder / "old").unlink()
    folder.rmdir()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file in it, and a file beside it."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").touch()
    (tmp_path / "other").touch()
    return tmp_path / "a"


@pytest.mark.parametrize("change", [made, moved_away, moved_here, written, removed, ended])
def test_watch_tells_which_folder_changes(folder: Path, change: Callable[[Path], None]) -> None:
    (folder.parent / "b").mkdir()
    with FolderWatch([folder.parent / "b", folder]) as watch:
        assert watch.changed() == set()
        change(folder)
        watch.wait()
        assert watch.changed() == {folder}
        assert watch.changed() == set()
        assert not os.get_inheritable(watch.fileno())


def test_watch_of_what_is_not_there_fails_and_leaves_nothing_open(folder: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        FolderWatch([folder, folder / "nowhere"])
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_watch_that_has_missed_changes_tells_of_all_folders(folder: Path) -> None:
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    (folder.parent / "b").mkdir()
    with FolderWatch([folder, folder.parent / "b"]) as watch:
        for number in range(most // 2 + 1):  # Each makes two events.
            (folder / f"old{number or ''}").rename(folder / f"old{number + 1}")
        seen = set[Path]()
        while select.select([watch], [], [], 0)[0]:
            seen |= watch.changed()
        assert seen == {folder, folder.parent / "b"}
