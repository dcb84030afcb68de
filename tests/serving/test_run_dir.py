import fcntl
import os
import select
import stat
import tempfile
import threading
import time
from pathlib import Path

import pytest

from model_serving.place import RUN_DIR_VARIABLE
from model_serving.serving.run_dir import RunDir


@pytest.fixture
def run_dir(folder: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    """Return a run folder inside of the test's own folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return RunDir.create()


def is_unused(reader: int) -> bool:
    """Say whether a FIFO's last writer has gone."""
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    return bool(poll.poll(0))


def test_run_dir_is_for_its_user_alone(run_dir: RunDir) -> None:
    assert stat.S_IMODE(run_dir.path.stat().st_mode) == 0o700
    users = run_dir.generation(1).users.stat().st_mode
    assert (stat.S_ISFIFO(users), stat.S_IMODE(users)) == (True, 0o600)


def test_run_dir_begins_with_its_first_generation(run_dir: RunDir) -> None:
    assert run_dir.current() == 1
    assert run_dir.metrics.is_dir()
    assert run_dir.generation(1).path == run_dir.path / "1"


@pytest.mark.parametrize(
    ("environ", "path"),
    [({}, None), ({RUN_DIR_VARIABLE: ""}, None), ({RUN_DIR_VARIABLE: "/a/b"}, Path("/a/b"))],
    ids=["none", "empty", "given"],
)
def test_run_dir_is_found_by_the_environment(environ: dict[str, str], path: Path | None) -> None:
    found = RunDir.from_environment(environ)
    assert found == (path and RunDir(path))


def test_generation_has_a_folder_for_the_sockets_of_each_model(run_dir: RunDir) -> None:
    generation = run_dir.generation(1)
    assert generation.sockets("AModel") == generation.sockets("AModel")
    assert generation.sockets("AModel").is_dir()
    assert len(str(generation.sockets("A" * 50) / ".511.4194304")) <= 107


def test_generation_becomes_current_when_told(run_dir: RunDir) -> None:
    assert run_dir.make_generation(2) == 2
    assert run_dir.current() == 1
    run_dir.make_current(2)
    assert run_dir.current() == 2


def test_generation_becomes_current_after_one_that_was_killed_half_way(run_dir: RunDir) -> None:
    # So much is left of make_current(2) where its process is killed inside of it.
    (run_dir.path / "current.new").symlink_to("2")
    run_dir.make_generation(2)
    run_dir.make_current(2)
    assert run_dir.current() == 2


def test_generation_takes_the_place_of_one_that_was_killed_half_way(run_dir: RunDir) -> None:
    run_dir.make_generation(2)
    run_dir.generation(2).sockets("AModel")
    assert run_dir.make_generation(2) == 2
    assert [path.name for path in run_dir.generation(2).path.iterdir()] == ["users"]


def test_users_fifo_ends_with_its_last_user(run_dir: RunDir) -> None:
    first, second = run_dir.use_current(), run_dir.use_current()
    reader = os.open(run_dir.generation(1).users, os.O_RDONLY | os.O_NONBLOCK)
    assert first[0] == second[0] == 1
    os.close(first[1])
    assert not is_unused(reader)
    os.close(second[1])
    assert is_unused(reader)
    os.close(reader)


def test_users_descriptor_is_not_inherited(run_dir: RunDir) -> None:
    _, descriptor = run_dir.use_current()
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)


def test_use_current_holds_what_is_current_or_was_given_up_later(run_dir: RunDir) -> None:
    """As a supervisor does, give up every generation that nobody uses once another is current."""
    end = threading.Event()

    def switch() -> None:
        number = 1
        while not end.is_set():
            run_dir.make_current(run_dir.make_generation(number + 1))
            reader = os.open(run_dir.generation(number).users, os.O_RDONLY | os.O_NONBLOCK)
            os.close(os.open(run_dir.generation(number).users, os.O_WRONLY))
            while not is_unused(reader):
                pass
            os.close(reader)
            run_dir.remove_generation(number)
            number += 1

    switcher = threading.Thread(target=switch)
    switcher.start()
    try:
        numbers = [_used(run_dir)]
        while len(numbers) < 2000 or numbers[-1] == numbers[0]:
            numbers.append(_used(run_dir))
    finally:
        end.set()
        switcher.join()
    assert numbers == sorted(numbers)


def _used(run_dir: RunDir) -> int:
    number, descriptor = run_dir.use_current()
    assert run_dir.generation(number).users.exists()
    os.close(descriptor)
    return number


def test_use_current_takes_the_next_generation_where_one_has_gone(run_dir: RunDir) -> None:
    """Remove generation 1 in between: current() has returned it, and its FIFO is not open yet."""
    run_dir.make_generation(2)
    asked = threading.Event()

    class Slow(RunDir):
        def current(self) -> int:
            number = super().current()
            if not asked.is_set():
                asked.set()
                self.make_current(2)
                self.remove_generation(1)
            return number

    number, descriptor = Slow(run_dir.path).use_current()
    os.close(descriptor)
    assert number == 2


def test_remove_leaves_nothing_and_may_come_twice(run_dir: RunDir) -> None:
    run_dir.generation(1).sockets("AModel").joinpath("0.1").touch()
    run_dir.remove_generation(1)
    assert not run_dir.generation(1).path.exists()
    run_dir.remove()
    run_dir.remove()
    assert not run_dir.path.exists()


def _left(run_dir: RunDir, age_s: float) -> Path:
    then_s = time.time() - age_s
    os.utime(run_dir.path, (then_s, then_s))
    return run_dir.path


def test_create_removes_what_a_killed_service_has_left(run_dir: RunDir) -> None:
    left = _left(run_dir, age_s=120)
    new = RunDir.create()
    assert not left.exists()
    assert new.path.exists()


def test_create_leaves_what_is_new_or_locked(run_dir: RunDir) -> None:
    other, lock = RunDir.create(), run_dir.lock()
    locked = _left(run_dir, age_s=120)
    RunDir.create()
    assert locked.exists()
    assert other.path.exists()
    fcntl.flock(lock, fcntl.LOCK_UN)
    os.close(lock)
