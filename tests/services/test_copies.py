"""How often a large picture is in memory on its way: counted as the peak of each process."""

import base64
import io
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from PIL import Image

from tests.services.faulty.service import GUNICORN
from tests.services.processes import PATIENCE_S, clean_environment, free_port, running, tree
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
        self.url = url
        below = tree(pid)[1:]
        self.http = next(process for process in below if "gunicorn" in process.cmdline())
        self.replica = next(process for process in below if "CompressModel" in process.cmdline())
        self._before = [0, 0]

    def warm_up(self) -> None:
        """Have the processes import what they need, and note what they have by then."""
        self._before = [*self.compress(files={"the_file": picture_of(100)})]

    def compress(self, **request: object) -> tuple[int, int]:
        """Have pictures compressed; return the peaks of the two above what they had, in bytes."""
        watched = (self.http, self.replica)
        for process in watched:
            Path(f"/proc/{process.pid}/clear_refs").write_text("5")  # proc(5): the peak is now.
        url = f"{self.url}/v1/CompressModel"
        answer = httpx.post(url, timeout=PATIENCE_S, trust_env=False, **request)  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.text
        peaks = [_peak_bytes(process) for process in watched]
        http, replica = (peak - rss for peak, rss in zip(peaks, self._before, strict=True))
        return http, replica


def _peak_bytes(process: psutil.Process) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@pytest.fixture(scope="module", params=["asgi", "gthread"])
def watched(request: pytest.FixtureRequest, fresh_project: Project) -> Iterator[Watched]:
    port = free_port()
    command = [sys.executable, *GUNICORN]
    environment = clean_environment(PORT=str(port), HTTP_WORKER=request.param)
    with running(command, port, fresh_project.folder, environment) as server:
        watched = Watched(server.url, server.process.pid)
        watched.warm_up()
        yield watched


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
