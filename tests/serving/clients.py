"""A client of replicas, and what it asks them."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from model_serving.serving.client import Client
from model_serving.serving.registry import Registry
from model_serving.serving.run_dir import RunDir
from model_serving.serving.wire import Answer
from tests.loops import PATIENCE_S
from tests.serving.replicas import Gate

NAME = "ObedientModel"


@asynccontextmanager
async def connected(run_dir: RunDir) -> AsyncIterator[Client]:
    """Have a client until the end of the block."""
    registry = Registry(run_dir.generation(1), [NAME])
    client = Client(NAME, registry)
    yield client
    client.close()
    registry.close()
    await asyncio.sleep(0)  # The transports close in the loop's next round.


async def ask(client: Client, *instance: object, in_s: float = PATIENCE_S) -> Answer:
    return await client.ask(list(instance), time.monotonic() + in_s)


def asking(client: Client, *instance: object, in_s: float = PATIENCE_S) -> asyncio.Task[Answer]:
    return asyncio.create_task(ask(client, *instance, in_s=in_s))


@asynccontextmanager
async def closed(client: Client, gate: Gate) -> AsyncIterator[asyncio.Task[Answer]]:
    """Keep a replica in ``predict`` while the block lasts."""
    task = asking(client, *gate.instance)
    await asyncio.to_thread(gate.wait)
    try:
        yield task
    finally:
        gate.open()


async def listed(client: Client, count: int) -> None:
    while len(client._registry.listing(NAME).sockets) != count:
        await client._registry.change()
