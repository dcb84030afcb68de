import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model_serving.serving.registry import Listing, Registry
from model_serving.serving.run_dir import FAILURE_NAME, GenerationDir
from tests.loops import in_loop


@contextmanager
def watching(folder: Path) -> Iterator[Registry]:
    """Watch a folder until the end of the block."""
    registry = Registry(GenerationDir(folder), ["A", "B"])
    yield registry
    registry.close()


async def listed(registry: Registry, listing: Listing, name: str = "A") -> None:
    """Wait until a model's listing is this one."""
    while registry.listing(name) != listing:
        await registry.change()


def of(*sockets: Path, failure: str | None = None) -> Listing:
    return Listing(frozenset(map(str, sockets)), failure)


@in_loop
async def test_registry_lists_what_is_there_already(folder: Path) -> None:
    (folder / "A").mkdir()
    (folder / "A" / "0.1").touch()
    (folder / "A" / FAILURE_NAME).write_text("why")
    with watching(folder) as registry:
        assert registry.listing("A") == of(folder / "A" / "0.1", failure="why")
        assert registry.listing("B") == of()


@in_loop
async def test_registry_sees_sockets_come_and_go(folder: Path) -> None:
    first, second = folder / "A" / "0.1", folder / "A" / "1.2"
    with watching(folder) as registry:
        first.touch()
        await listed(registry, of(first))
        second.touch()
        await listed(registry, of(first, second))
        first.unlink()
        await listed(registry, of(second))
        assert registry.listing("B") == of()


@in_loop
async def test_registry_sees_a_hidden_socket_when_it_is_published(folder: Path) -> None:
    hidden, shown, other = folder / "A" / ".0.1", folder / "A" / "0.1", folder / "B" / "0.1"
    with watching(folder) as registry:
        hidden.touch()
        other.touch()
        await listed(registry, of(other), "B")
        assert registry.listing("A") == of()
        hidden.rename(shown)
        await listed(registry, of(shown))


@in_loop
async def test_registry_sees_a_socket_that_is_renamed_away(folder: Path) -> None:
    shown = folder / "A" / "0.1"
    with watching(folder) as registry:
        shown.touch()
        await listed(registry, of(shown))
        shown.rename(folder / "0.1")
        await listed(registry, of())


@in_loop
async def test_registry_tells_of_a_failure_until_it_is_over(folder: Path) -> None:
    with watching(folder) as registry:
        failure = folder / "A" / FAILURE_NAME
        failure.write_text("OSError: 文件 missing", encoding="utf-8")
        await listed(registry, of(failure="OSError: 文件 missing"))
        failure.write_text("another")
        await listed(registry, of(failure="another"))
        failure.unlink()
        await listed(registry, of())


@in_loop
async def test_registry_lists_no_replica_of_a_generation_that_is_gone(folder: Path) -> None:
    with watching(folder) as registry:
        (folder / "A" / "0.1").touch()
        await listed(registry, of(folder / "A" / "0.1"))
        shutil.rmtree(folder / "A")
        await listed(registry, of(failure="the service has ended"))
        assert registry.listing("B") == of()


@in_loop
async def test_registry_wakes_all_who_wait(folder: Path) -> None:
    with watching(folder) as registry:
        waiting = [asyncio.create_task(registry.change()) for _ in range(4)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        (folder / "A" / "0.1").touch()
        await asyncio.gather(*waiting)
        assert registry.listing("A") == of(folder / "A" / "0.1")


@in_loop
async def test_registry_tells_of_each_change_anew(folder: Path) -> None:
    with watching(folder) as registry:
        (folder / "A" / "0.1").touch()
        await listed(registry, of(folder / "A" / "0.1"))
        waiting = asyncio.create_task(registry.change())
        await asyncio.sleep(0)
        assert not waiting.done()
        (folder / "B" / "0.1").touch()
        await waiting


@in_loop
async def test_registry_may_be_asked_by_any_thread(folder: Path) -> None:
    with watching(folder) as registry:
        (folder / "A" / "0.1").touch()
        await listed(registry, of(folder / "A" / "0.1"))
        assert await asyncio.to_thread(registry.listing, "A") == of(folder / "A" / "0.1")


@in_loop
async def test_registry_that_is_closed_watches_no_more(folder: Path) -> None:
    with watching(folder) as registry:
        closed = Registry(GenerationDir(folder), ["A"])
        descriptor = closed._watch.fileno()
        closed.close()
        (folder / "A" / "0.1").touch()
        await listed(registry, of(folder / "A" / "0.1"))
        assert closed.listing("A") == of()
        assert not asyncio.get_running_loop().remove_reader(descriptor)
