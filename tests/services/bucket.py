"""A server of S3's protocol, moto, with one bucket."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

import httpx

from tests.services.processes import free_port, started, wait_until

NAME = "results"


@dataclass(frozen=True)
class BucketServer:
    """A running server, and the environment in which the service finds it."""

    process: Popen[bytes]
    environment: dict[str, str]


@contextmanager
def bucket_server(folder: Path) -> Iterator[BucketServer]:
    """Run a server until the end of the block."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with started(command, folder, os.environ, folder / "moto") as process:
        wait_until(lambda: is_made(url), "the bucket is made")
        yield BucketServer(
            process,
            {
                "ASSETS_DIR": f"s3://{NAME}/assets",
                "AWS_ENDPOINT_URL": url,
                "AWS_ACCESS_KEY_ID": "testing",
                "AWS_SECRET_ACCESS_KEY": "testing",
                "AWS_DEFAULT_REGION": "us-east-1",
            },
        )


def is_made(url: str) -> bool:
    """Make the bucket, and say whether that worked."""
    try:
        return httpx.put(f"{url}/{NAME}", trust_env=False).is_success
    except httpx.TransportError:
        return False
