import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from model_serving.serving.registry import FAILURE_NAME, Listing, Registry
from model_serving.serving.run_dir import GenerationDir

PATIENCE_S = 30.0


@pytest.fixture
def registry(folder: Path) -> Registry:
    return Registry(GenerationDir(folder), ["A", "B"])


def listed(registry: Registry, listing: Listing, name: str = "A") -> bool:
    """Wait until a model's listing is this one."""
    deadline_s = time.monotonic() + PATIENCE_S
    while (seen := registry.listing(name)) != listing:
        if not registry.wait_for_change(name, seen, deadline_s):
            return False
    return True


def of(*sockets: Path, failure: str | None = None) -> Listing:
    return Listing(frozenset(map(str, sockets)), failure)


def test_registry_lists_what_is_there_already(folder: Path) -> None:
    (folder / "A").mkdir()
    (folder / "A" / "0.1").touch()
    (folder / "A" / FAILURE_NAME).write_text("why")
    registry = Registry(GenerationDir(folder), ["A", "B"])
    assert registry.listing("A") == of(folder / "A" / "0.1", failure="why")
    assert registry.listing("B") == of()


def test_registry_sees_sockets_come_and_go(registry: Registry, folder: Path) -> None:
    first, second = folder / "A" / "0.1", folder / "A" / "1.2"
    first.touch()
    assert listed(registry, of(first))
    second.touch()
    assert listed(registry, of(first, second))
    first.unlink()
    assert listed(registry, of(second))
    assert registry.listing("B") == of()


def test_registry_sees_a_hidden_socket_when_it_is_published(
    registry: Registry, folder: Path
) -> None:
    hidden, shown, other = folder / "A" / ".0.1", folder / "A" / "0.1", folder / "B" / "0.1"
    hidden.touch()
    other.touch()
    assert listed(registry, of(other), "B")
    assert registry.listing("A") == of()
    hidden.rename(shown)
    assert listed(registry, of(shown))


def test_registry_sees_a_socket_that_is_renamed_away(registry: Registry, folder: Path) -> None:
    shown = folder / "A" / "0.1"
    shown.touch()
    assert listed(registry, of(shown))
    shown.rename(folder / "0.1")
    assert listed(registry, of())


def test_registry_tells_of_a_failure_until_it_is_over(registry: Registry, folder: Path) -> None:
    failure = folder / "A" / FAILURE_NAME
    failure.write_text("OSError: 文件 missing", encoding="utf-8")
    assert listed(registry, of(failure="OSError: 文件 missing"))
    failure.write_text("another")
    assert listed(registry, of(failure="another"))
    failure.unlink()
    assert listed(registry, of())


def test_registry_lists_no_replica_of_a_generation_that_is_gone(
    registry: Registry, folder: Path
) -> None:
    (folder / "A" / "0.1").touch()
    assert listed(registry, of(folder / "A" / "0.1"))
    shutil.rmtree(folder / "A")
    gone = of(failure="the service has ended")
    assert listed(registry, gone)
    assert registry.listing("B") == of()


def test_registry_wakes_all_who_wait(registry: Registry, folder: Path) -> None:
    seen, results = registry.listing("A"), list[bool]()
    waiting = threading.Barrier(5)

    def wait() -> None:
        waiting.wait(PATIENCE_S)
        results.append(registry.wait_for_change("A", seen, time.monotonic() + PATIENCE_S))

    threads = [threading.Thread(target=wait) for _ in range(4)]
    for thread in threads:
        thread.start()
    waiting.wait(PATIENCE_S)
    (folder / "A" / "0.1").touch()
    for thread in threads:
        thread.join()
    assert results == [True] * 4


def test_registry_need_not_wait_for_a_change_that_has_come(
    registry: Registry, folder: Path
) -> None:
    seen = registry.listing("A")
    (folder / "A" / "0.1").touch()
    assert listed(registry, of(folder / "A" / "0.1"))
    assert registry.wait_for_change("A", seen, time.monotonic() - 1)


@pytest.mark.parametrize("left_s", [-1.0, 0.0, 0.02], ids=str)
def test_registry_waits_no_longer_than_told(registry: Registry, left_s: float) -> None:
    started_s = time.monotonic()
    assert not registry.wait_for_change("A", registry.listing("A"), started_s + left_s)
    assert time.monotonic() >= started_s + left_s


def test_registry_does_not_wake_for_another_model(registry: Registry, folder: Path) -> None:
    seen = registry.listing("A")
    (folder / "B" / "0.1").touch()
    assert listed(registry, of(folder / "B" / "0.1"), "B")
    assert not registry.wait_for_change("A", seen, time.monotonic() + 0.02)


def test_registry_calls_each_listener_after_a_change(registry: Registry, folder: Path) -> None:
    heard, path = threading.Semaphore(0), folder / "A" / "0.1"
    listings: list[Listing] = []

    def listen(note: Callable[[], None]) -> None:
        registry.listen(note)

    listen(lambda: listings.append(registry.listing("A")))
    listen(heard.release)
    path.touch()
    assert heard.acquire(timeout=PATIENCE_S)
    assert listings[0] == of(path)
