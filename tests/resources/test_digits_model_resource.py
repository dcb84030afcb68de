import base64
import io
import struct
import zlib
from typing import Any

import pytest
from flask.testing import FlaskClient
from PIL import Image, ImageDraw

URL = "/v1/DigitsModel"


def seven(size: tuple[int, int] = (200, 150), kind: str = "PNG", dark: bool = False) -> bytes:
    """Draw a 7 as a pen would."""
    paper, ink = ("black", "white") if dark else ("white", "black")
    picture = Image.new("RGB", size, paper)
    width, height = size
    points = [(0.35, 0.2), (0.65, 0.2), (0.45, 0.85)]
    line = [(x * width, y * height) for x, y in points]
    ImageDraw.Draw(picture).line(line, fill=ink, width=height // 12, joint="curve")
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def empty_png(width: int, height: int) -> bytes:
    """Return a PNG that claims a size, and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def post(client: FlaskClient, picture: bytes) -> tuple[int, Any]:
    answer = client.post(URL, json={"picture": base64.b64encode(picture).decode()})
    return answer.status_code, answer.get_json()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_drawn_digit_is_recognised(client: FlaskClient, kind: str, dark: bool) -> None:
    status, body = post(client, seven(kind=kind, dark=dark))
    assert (status, body["label"]) == (200, 7)
    assert sum(body["probabilities"]) == pytest.approx(1, abs=1e-4)
    assert body["probabilities"][7] == max(body["probabilities"])


def test_uploaded_picture_is_answered_as_base64_is(client: FlaskClient) -> None:
    form = {"picture": (io.BytesIO(seven()), "seven.png")}
    answer = client.post(URL, data=form, content_type="multipart/form-data")
    assert (answer.status_code, answer.get_json()) == post(client, seven())


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (b"", "'picture' is not a file of the type image/*"),
        (b"no picture", "'picture' is not a file of the type image/*"),
        (b"GIF89a", "not a PNG or JPEG picture"),
        (seven()[:200], "damaged"),
        (empty_png(30_000, 30_000), "30000 x 30000 pixels"),
    ],
    ids=["empty", "text", "gif", "truncated", "huge"],
)
def test_picture_that_cannot_be_read_is_answered_400(
    client: FlaskClient, picture: bytes, message: str
) -> None:
    status, body = post(client, picture)
    assert status == 400
    assert message in body["message"]
