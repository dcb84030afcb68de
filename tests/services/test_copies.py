"""How often a large picture is in memory on its way: counted as the peak of each process."""

import base64
import io
import json
import random
import sys
from collections.abc import Callable, Iterator

import httpx
import psutil
import pytest
from PIL import Image

from tests.services.faulty.service import GUNICORN
from tests.services.processes import (
    PATIENCE_S,
    clean_environment,
    forget_peak,
    found_below,
    free_port,
    peak_bytes,
    running,
    wait_until,
)
from tests.services.project import Project

SIDE = 2236  # 15 MB of pixels that cannot be compressed
MOST_COPIES = 3
# What a process needs beside the copies, and the page of 4 bytes that Pillow has for a pixel of 3.
SLACK_BYTES = 8_000_000
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def picture() -> bytes:
    return picture_of(SIDE)


def picture_of(side: int) -> bytes:
    """Return a picture of this width and height."""
    pixels = random.Random(1).randbytes(side * side * 3)
    file = io.BytesIO()
    Image.frombytes("RGB", (side, side), pixels).save(file, "PNG", compress_level=0)
    return file.getvalue()


class Watched:
    """A service, and the processes through which a picture goes."""

    def __init__(self, url: str, pid: int) -> None:
        """Have the processes import what they need, and note what they have by then."""
        self._url = f"{url}/v1/CompressModel"
        _, http = found_below(pid, "gunicorn")
        (replica,) = found_below(pid, "CompressModel")
        self._processes = (http, replica)
        self._post(files={"the_file": picture_of(100)})
        self._before = [_rss_bytes(process) for process in self._processes]

    def compress(self, **request: object) -> tuple[int, int]:
        """Have a picture compressed; return the peaks of the two above what they had, in bytes.

        Both have given the picture back then.
        """
        for process in self._processes:
            forget_peak(process)
        self._post(**request)
        http, replica = self._above_before(peak_bytes)
        # A caller may have its answer before they come to let go of what they were asked.
        wait_until(lambda: max(self._above_before(_rss_bytes)) < SLACK_BYTES, "it is given back")
        return http, replica

    def _post(self, **request: object) -> None:
        answer = httpx.post(self._url, timeout=PATIENCE_S, trust_env=False, **request)  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.text

    def _above_before(self, bytes_of: Callable[[psutil.Process], int]) -> list[int]:
        pairs = zip(self._processes, self._before, strict=True)
        return [bytes_of(process) - before for process, before in pairs]


def _rss_bytes(process: psutil.Process) -> int:
    return int(process.memory_info().rss)


@pytest.fixture(scope="module", params=["asgi", "gthread"])
def watched(request: pytest.FixtureRequest, fresh_project: Project) -> Iterator[Watched]:
    port = free_port()
    command = [sys.executable, *GUNICORN]
    environment = clean_environment(PORT=str(port), HTTP_WORKER=request.param)
    with running(command, port, fresh_project.folder, environment) as server:
        yield Watched(server.url, server.process.pid)


@pytest.mark.parametrize("origin", [{}, {"Origin": "http://a.example"}], ids=["plain", "cors"])
def test_picture_in_json_is_there_three_times_at_most(
    watched: Watched, picture: bytes, origin: dict[str, str]
) -> None:
    body = json.dumps({"the_file": base64.b64encode(picture).decode()}).encode()
    http, replica = watched.compress(content=body, headers=JSON | origin)
    print(f"HTTP worker: {http / len(body):.2f} times the body of {len(body):,} bytes")
    # Its text, the parser's own, and the string that comes of it; then it is decoded.
    assert http < MOST_COPIES * len(body) + SLACK_BYTES
    assert replica < MOST_COPIES * len(picture) + SLACK_BYTES


def test_picture_in_a_form_is_there_three_times_at_most(watched: Watched, picture: bytes) -> None:
    http, replica = watched.compress(files={"the_file": picture})
    print(f"HTTP worker: {http / len(picture):.2f} times {len(picture):,} bytes")
    print(f"replica: {replica / len(picture):.2f}")
    assert http < MOST_COPIES * len(picture) + SLACK_BYTES
    # The file, its pixels, and the file that comes of them.
    assert replica < MOST_COPIES * len(picture) + SLACK_BYTES
