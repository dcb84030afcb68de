"""The digits model, on pictures drawn here with a thick pen or printed in Pillow's font."""

import io
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from model_serving.models.digits_model import DigitsModel
from model_serving.serving.model import InvalidInstance

ROOT = Path(__file__).resolve().parents[2]

Point = tuple[float, float]


def arc(x: float, y: float, x_radius: float, y_radius: float, start: int, end: int) -> list[Point]:
    """Return points of an ellipse's arc, clockwise from `start` to `end` degrees (0 is right)."""
    angles = [math.radians(start + (end - start) * step / 20) for step in range(21)]
    return [(x + x_radius * math.cos(a), y + y_radius * math.sin(a)) for a in angles]


# One stroke or two for each digit, in a box 100 wide and 150 high.
STROKES: dict[int, list[list[Point]]] = {
    0: [arc(50, 75, 42, 72, 0, 360)],
    1: [[(25, 30), (55, 0), (55, 150)]],
    2: [[*arc(50, 42, 42, 40, 180, 390), (6, 148), (98, 148)]],
    3: [arc(45, 37, 38, 37, 200, 450) + arc(45, 110, 45, 38, -90, 160)],
    4: [[(60, 0), (5, 95), (95, 95)], [(70, 45), (70, 150)]],
    5: [[(85, 0), (20, 0), (15, 65), *arc(45, 102, 45, 46, -100, 140)]],
    6: [[(75, 2), (40, 30), *arc(50, 105, 42, 43, 200, -160)]],
    7: [[(5, 0), (92, 0), (40, 150)]],
    8: [arc(50, 37, 33, 36, 0, 360), arc(50, 112, 42, 38, 0, 360)],
    9: [[*arc(50, 42, 40, 42, 0, -360), (80, 150)]],
}


def drawn(
    digit: int, size: tuple[int, int] = (200, 150), ink: str = "black", paper: str = "white"
) -> Image.Image:
    """Draw the digit off-centre, two thirds of the picture's height, with a thick pen."""
    picture = Image.new("RGB", size, paper)
    draw = ImageDraw.Draw(picture)
    scale = min(size) / 225
    pen = max(2, round(20 * scale))
    for stroke in STROKES[digit]:
        points = [(size[0] * 0.3 + x * scale, size[1] * 0.2 + y * scale) for x, y in stroke]
        draw.line(points, ink, pen, joint="curve")
        for x, y in points:
            draw.circle((x, y), pen / 2, ink)
    return picture


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """Return the picture as a file's bytes."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def rowless_png(width: int, height: int) -> bytes:
    """Build a PNG file that is fine up to its size, and damaged after that."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


@pytest.fixture(scope="module")
def model() -> DigitsModel:
    return DigitsModel(weights=ROOT / "data/digits/digits.onnx")


def label(model: DigitsModel, instance: bytes) -> int:
    """Return the label of the only instance of a batch; fail if it is invalid."""
    [answer] = model.predict([instance])
    assert not isinstance(answer, InvalidInstance), answer.reason
    return answer["label"]


def reason(model: DigitsModel, instance: bytes) -> str:
    """Return why the only instance of a batch is invalid; fail if it is not."""
    [answer] = model.predict([instance])
    assert isinstance(answer, InvalidInstance)
    return answer.reason


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize(
    ("ink", "paper"), [("black", "white"), ("white", "black"), ("navy", "beige")]
)
@pytest.mark.parametrize("digit", range(10))
def test_drawn_digit_is_recognised(
    model: DigitsModel, digit: int, ink: str, paper: str, kind: str
) -> None:
    assert label(model, encoded(drawn(digit, ink=ink, paper=paper), kind)) == digit


@pytest.mark.parametrize("digit", range(10))
def test_printed_digit_is_recognised(model: DigitsModel, digit: int) -> None:
    picture = Image.new("RGB", (200, 150), "white")
    ImageDraw.Draw(picture).text((90, 10), str(digit), "black", ImageFont.load_default(size=100))
    assert label(model, encoded(picture, "JPEG", quality=30)) == digit


@pytest.mark.parametrize("size", [(16, 16), (40, 30), (150, 200), (900, 700), (3000, 2000)])
def test_picture_of_any_size_is_recognised(model: DigitsModel, size: tuple[int, int]) -> None:
    labels = [label(model, encoded(drawn(digit, size), "PNG")) for digit in (0, 3, 7)]
    assert labels == [0, 3, 7]


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("1", "PNG"), ("L", "PNG"), ("LA", "PNG"), ("P", "PNG"), ("RGBA", "PNG"), ("CMYK", "JPEG")],
)
def test_colour_mode_is_read(model: DigitsModel, mode: str, kind: str) -> None:
    assert label(model, encoded(drawn(5).convert(mode), kind)) == 5


def test_png_of_16_bits_is_read(model: DigitsModel) -> None:
    levels = np.asarray(drawn(5).convert("L"), dtype=np.uint16) * 100  # a dim picture
    assert label(model, encoded(Image.fromarray(levels))) == 5


@pytest.mark.parametrize("ink", ["black", "white", "red"])
def test_transparent_background_is_read(model: DigitsModel, ink: str) -> None:
    picture = Image.new("RGBA", (200, 150), ink)
    picture.putalpha(drawn(2, ink="white", paper="black").convert("L"))
    assert label(model, encoded(picture)) == 2


def test_exif_orientation_is_honoured(model: DigitsModel) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned right, so stored turned left
    turned_left = drawn(7).transpose(Image.Transpose.ROTATE_90)
    assert label(model, encoded(turned_left, "JPEG", exif=exif)) == 7


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (1, 5000), (5000, 1)])
def test_picture_of_odd_size_is_answered(model: DigitsModel, size: tuple[int, int]) -> None:
    picture = Image.new("L", size, "white")
    assert "blank" in reason(model, encoded(picture))
    picture.paste(0, (0, 0, (size[0] + 1) // 3, (size[1] + 1) // 3))
    assert len(model.predict([encoded(picture), encoded(picture, "JPEG")])) == 2


@pytest.mark.parametrize(
    ("instance", "expected"),
    [
        (b"", "not a PNG or JPEG picture"),
        (b"seven", "not a PNG or JPEG picture"),
        (encoded(drawn(7), "GIF"), "not a PNG or JPEG picture"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (encoded(drawn(7))[:300], "damaged"),
        (encoded(drawn(7), "JPEG")[:1500], "damaged"),
        (encoded(Image.new("RGB", (200, 150), "teal"), "JPEG"), "blank"),
        (encoded(Image.new("RGBA", (200, 150), (0, 0, 0, 0))), "blank"),
    ],
    ids=["empty", "text", "gif", "magic", "cut-png", "cut-jpeg", "one-colour", "transparent"],
)
def test_unreadable_picture_is_invalid(model: DigitsModel, instance: bytes, expected: str) -> None:
    assert expected in reason(model, instance)


def test_huge_picture_is_refused_undecoded(model: DigitsModel) -> None:
    assert "30000 x 30000 pixels, more than the 25000000" in reason(
        model, rowless_png(30_000, 30_000)
    )
    assert "damaged" in reason(model, rowless_png(300, 300))


def test_size_limit_allows_just_that_many_pixels() -> None:
    model = DigitsModel(weights=ROOT / "data/digits/digits.onnx", max_pixels=30_000)
    assert label(model, encoded(drawn(4))) == 4
    assert "201 x 150" in reason(model, encoded(drawn(4, (201, 150))))


def test_batch_answers_as_single_calls(model: DigitsModel) -> None:
    instances = [encoded(drawn(digit)) for digit in range(10)]
    assert model.predict(instances) == [model.predict([one])[0] for one in instances]
    assert model.predict([]) == []


def test_bad_picture_leaves_its_neighbours(model: DigitsModel) -> None:
    good = encoded(drawn(3))
    first, bad, last = model.predict([good, b"bad", good])
    assert isinstance(bad, InvalidInstance)
    assert first == last == model.predict([good])[0]


def test_prediction_is_plain_python(model: DigitsModel) -> None:
    [answer] = model.predict([encoded(drawn(6))])
    assert not isinstance(answer, InvalidInstance)
    assert type(answer["label"]) is int
    assert [type(p) for p in answer["probabilities"]] == [float] * 10
    assert sum(answer["probabilities"]) == pytest.approx(1, abs=1e-5)
