"""Result files of a running service, on a disk that fills up and in a bucket that goes away."""

import io
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.services.bucket import BucketServer, bucket_server
from tests.services.calls import greeting
from tests.services.faulty.service import GUNICORN
from tests.services.processes import (
    PATIENCE_S,
    Server,
    clean_environment,
    free_port,
    running,
    wait_until,
)
from tests.services.project import ROOT, Project

DISK_BYTES = 256 * 1024
# A mount of its own, which ends with the process.
ON_SMALL_DISK = """
mkdir -p "$ASSETS_DIR" && mount -t tmpfs -o size=$DISK none "$ASSETS_DIR" && exec "$@"
"""


def noise(seed: int, side: int = 100) -> bytes:
    """Return a picture that cannot be made smaller."""
    pixels = random.Random(seed).randbytes(side * side * 3)
    picture = io.BytesIO()
    Image.frombytes("RGB", (side, side), pixels).save(picture, "PNG")
    return picture.getvalue()


def compress(url: str, picture: bytes) -> httpx.Response:
    files = {"the_file": picture}
    return httpx.post(f"{url}/v1/CompressModel", files=files, timeout=PATIENCE_S, trust_env=False)


@contextmanager
def service(project: Project, prefix: list[str], **settings: str) -> Iterator[Server]:
    port = free_port()
    # The environment of the tests, as the service's own has no library for buckets.
    command = [*prefix, sys.executable, *GUNICORN]
    environment = clean_environment(PORT=str(port), **settings)
    with running(command, port, project.folder, environment) as server:
        yield server


@pytest.mark.parametrize("runtime", ["processes", "in-process"])
def test_full_disk_is_answered_507_and_the_service_goes_on(
    fresh_project: Project, tmp_path: Path, runtime: str
) -> None:
    small = ["unshare", "--mount", "--map-root-user", "bash", "-c", ON_SMALL_DISK, "small"]
    folder = tmp_path / "assets"
    settings = {"RUNTIME": runtime, "ASSETS_DIR": str(folder), "DISK": str(DISK_BYTES)}
    with service(fresh_project, small, **settings) as server:
        answers = [compress(server.url, noise(seed)) for seed in range(2 * DISK_BYTES // 30_000)]
        statuses = [answer.status_code for answer in answers]
        assert statuses == sorted(statuses)
        assert set(statuses) == {200, 507}
        assert answers[-1].json() == {"message": "There is no room for files"}
        assert greeting(server.url) == "Hello, Leo!"

        first = answers[0].json()["result"][0]["file"]
        read = httpx.get(server.url + first, timeout=PATIENCE_S, trust_env=False)
        assert read.content == noise(0)
        seen = Path(f"/proc/{server.process.pid}/root{folder}")
        assert not [path for path in seen.iterdir() if path.name.startswith(".")]
        (seen / Path(first).name).unlink()
        assert compress(server.url, noise(1000)).status_code == 200


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[BucketServer]:
    with bucket_server(tmp_path) as server:
        yield server


def test_bucket_keeps_the_files_and_may_go_away(
    fresh_project: Project, bucket: BucketServer
) -> None:
    with service(fresh_project, [], **bucket.environment) as server:
        # The first may have to wait for the client of the bucket to be made.
        wait_until(lambda: compress(server.url, noise(0)).status_code == 200, "files are kept")
        answer = compress(server.url, noise(1))
        url = server.url + answer.json()["result"][0]["file"]
        assert httpx.get(url, timeout=PATIENCE_S, trust_env=False).content == noise(1)
        part = httpx.get(url, headers={"Range": "bytes=1-3"}, timeout=PATIENCE_S, trust_env=False)
        assert (part.status_code, part.content) == (206, b"PNG")

        bucket.process.kill()
        answer = compress(server.url, noise(2))
        read = httpx.get(url, timeout=PATIENCE_S, trust_env=False)
        assert answer.status_code == read.status_code == 503
        assert answer.json() == {"message": "The storage of result files is not available"}
        assert greeting(server.url) == "Hello, Leo!"


UPLOAD = """
from contextlib import closing

from model_serving.app import create_app, create_front
from model_serving.config import load_config
from tests.lanes import FrontClient, FrontLane
from model_serving.resources.compress_model_resource import CompressModelResource

client = create_app(load_config(), [CompressModelResource]).test_client()
part = b'--x\\r\\nContent-Disposition: form-data; name="the_file"; filename="a"\\r\\n\\r\\n'
form = part + bytes(5_000_000) + b"\\r\\n--x--\\r\\n"
answer = client.post(
    "/v1/CompressModel", data=form, content_type="multipart/form-data; boundary=x"
)
print(answer.status_code, answer.get_json()["message"])
with closing(FrontLane(create_front(load_config(), [CompressModelResource]))) as lane:
    for caller in (client, FrontClient(lane)):
        lines = b'{"the_file": ""}\\n' * 300_000
        answer = caller.post("/v1/CompressModel/jobs", data=lines, content_type="application/jsonl")
        print(answer.status_code, answer.get_json()["message"])
"""


def test_upload_that_finds_no_room_is_answered_507(tmp_path: Path) -> None:
    on_small_disk = ON_SMALL_DISK.replace("ASSETS_DIR", "TMPDIR")
    command = ["unshare", "--mount", "--map-root-user", "bash", "-c", on_small_disk, "small"]
    environment = clean_environment(
        TMPDIR=str(tmp_path / "small"),
        DISK=str(DISK_BYTES),
        LOG_DIR=str(tmp_path),
        DATABASE_URL=f"sqlite:///{tmp_path}/jobs.db",
    )
    told = subprocess.run(
        [*command, sys.executable, "-c", UPLOAD],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        check=False,
        text=True,
    )
    assert told.stdout.splitlines()[-3:] == ["507 There is no room for files"] * 3, told.stderr
